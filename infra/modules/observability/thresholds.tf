# When an alarm goes off. The unit is in each name; null stands for the default, where there is one. Times that something must last are beside the alarms.

variable "main_age_seconds_max" {
  description = "Age of the oldest message on the main queue. Above the 600 s that a worker may hold a message (worker.lease_held_max_ms)."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.main_age_seconds_max >= 60
    error_message = "main_age_seconds_max is at least 60."
  }
}

variable "retry_age_seconds_max" {
  description = "The same on the retry queue. Above the 900 s that SQS delays a message at most, and the 600 s that a worker may hold it."
  type        = number
  default     = 1800
  nullable    = false

  validation {
    condition     = var.retry_age_seconds_max >= 1500
    error_message = "retry_age_seconds_max is at least 1500: a message may be delayed for 900 s and held for 600 s with nothing wrong."
  }
}

variable "retention_percent_max" {
  description = "Age of the oldest message on main and retry, in percent of the retention; on the dead-letter queue, in percent of what that leaves of it."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.retention_percent_max >= 1 && var.retention_percent_max <= 90
    error_message = "retention_percent_max is 1 to 90."
  }
}

variable "server_errors_percent_max" {
  description = "Answers 5xx, in percent of all. mParticle tries these again, a limited number of times."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.server_errors_percent_max > 0 && var.server_errors_percent_max <= 100
    error_message = "server_errors_percent_max is above 0, and at most 100."
  }
}

variable "client_errors_percent_max" {
  description = "Answers 4xx, in percent of all. mParticle does not try these again: that data is lost."
  type        = number
  default     = 0.5
  nullable    = false

  validation {
    condition     = var.client_errors_percent_max > 0 && var.client_errors_percent_max <= 100
    error_message = "client_errors_percent_max is above 0, and at most 100."
  }
}

variable "answer_p99_milliseconds_max" {
  description = "99th percentile of the load balancer's response time. mParticle allows 100 ms, ingress answers 503 after 80."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.answer_p99_milliseconds_max >= 5 && var.answer_p99_milliseconds_max <= 100
    error_message = "answer_p99_milliseconds_max is 5 to 100."
  }
}

variable "lambda_p99_milliseconds_max" {
  description = "99th percentile of the function's duration. mParticle allows a function 200 ms, ours gives up after 150."
  type        = number
  default     = 150
  nullable    = false

  validation {
    condition     = var.lambda_p99_milliseconds_max >= 5 && var.lambda_p99_milliseconds_max <= 200
    error_message = "lambda_p99_milliseconds_max is 5 to 200."
  }
}

variable "requests_min" {
  description = "Shares and percentiles are judged only in periods with at least so many requests, so that one stranger at night wakes nobody."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.requests_min >= 1
    error_message = "requests_min is at least 1."
  }
}

variable "requests_expected" {
  description = "Whether it is an alarm when nothing arrives: false until mParticle sends, true from then on."
  type        = bool
  nullable    = false
}

variable "quiet_minutes_max" {
  description = "Minutes without a single request taken. mParticle checks the endpoint now and then even when customers are still; how often is not published."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.quiet_minutes_max >= 5 && var.quiet_minutes_max <= 1440 && var.quiet_minutes_max % 5 == 0
    error_message = "quiet_minutes_max is 5 to 1440, and a multiple of 5."
  }
}

variable "dead_letters_percent_max" {
  description = "Items dead-lettered, in percent of the items received by workers."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.dead_letters_percent_max > 0 && var.dead_letters_percent_max <= 100
    error_message = "dead_letters_percent_max is above 0, and at most 100."
  }
}

variable "throttles_per_5_minutes_max" {
  description = "Throttled reads and writes of both DynamoDB tables. On-demand tables throttle a little while they grow."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.throttles_per_5_minutes_max >= 0
    error_message = "throttles_per_5_minutes_max is not negative."
  }
}

variable "partner_throttled_percent_max" {
  description = "Calls that the partner answered 429, in percent of all calls."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.partner_throttled_percent_max > 0 && var.partner_throttled_percent_max <= 100
    error_message = "partner_throttled_percent_max is above 0, and at most 100."
  }
}

variable "partner_errors_percent_max" {
  description = "Calls to the partner that failed otherwise, in percent of all calls."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.partner_errors_percent_max > 0 && var.partner_errors_percent_max <= 100
    error_message = "partner_errors_percent_max is above 0, and at most 100."
  }
}

variable "cpu_percent_max" {
  description = "Processor time of a service, in percent of what its tasks have. Above autoscaling's target, so it is reached only when scaling did not help."
  type        = number
  default     = 85
  nullable    = false

  validation {
    condition     = var.cpu_percent_max >= 10 && var.cpu_percent_max <= 100
    error_message = "cpu_percent_max is 10 to 100."
  }
}

variable "memory_percent_max" {
  description = "Memory of the fullest task of a service, in percent of its limit. Budgets bound it, so what is above them is a leak or a wrong budget."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.memory_percent_max >= 10 && var.memory_percent_max <= 99
    error_message = "memory_percent_max is 10 to 99."
  }
}

variable "certificate_days_min" {
  description = "Days before the certificate ends. ACM renews by itself 60 days before; fewer than these means that it could not."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.certificate_days_min >= 1 && var.certificate_days_min < 60
    error_message = "certificate_days_min is 1 to 59."
  }
}

variable "spend_dollars_per_day_max" {
  description = "Spend on SQS requests, in US dollars a day at the pace of the last hours."
  type        = number
  nullable    = false

  validation {
    condition     = var.spend_dollars_per_day_max > 0
    error_message = "spend_dollars_per_day_max is above 0."
  }
}

variable "sqs_dollars_per_million" {
  description = "List price of a million SQS requests to a standard queue in this region, in US dollars."
  type        = number
  default     = 0.40
  nullable    = false

  validation {
    condition     = var.sqs_dollars_per_million > 0
    error_message = "sqs_dollars_per_million is above 0."
  }
}

variable "partner_limited_share_max" {
  description = "From which share of the workers' work on, waiting because the partner said so (429, Retry-After), autoscaling adds none: its own number."
  type        = number
  nullable    = false

  validation {
    condition     = var.partner_limited_share_max > 0 && var.partner_limited_share_max <= 1
    error_message = "partner_limited_share_max is above 0, and at most 1."
  }
}
