# Who is told, and where that depends on the partner, from when on.

variable "runbook_url" {
  description = "Where operators read infra/RUNBOOK.md; every alarm links to its section there."
  type        = string
}

variable "alarm_email_addresses" {
  description = "Who gets every alarm by mail. AWS sends each address a mail to confirm it."
  type        = list(string)
  default     = []
}

variable "alarm_action_arns" {
  description = "What alarms that must wake somebody act on besides the topic: the topic of an on-call service, say. At most four."
  type        = list(string)
  default     = []
}

variable "spend_dollars_per_day_max" {
  description = "SQS requests in US dollars a day from which on it is an alarm. Latency mode costs about 38 at 2,000 messages a second, and 88 at 10,000."
  type        = number
  default     = 100

  validation {
    condition     = var.spend_dollars_per_day_max > 0
    error_message = "spend_dollars_per_day_max must be above 0."
  }
}

variable "requests_expected" {
  description = "Whether it is an alarm when no request comes: false until mParticle sends."
  type        = bool
  default     = true
}
