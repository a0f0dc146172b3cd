# What is watched, and who is told. The thresholds are in thresholds.tf.

variable "name" {
  description = "Prefix of every name here, such as penstock-us1."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,47}$", var.name))
    error_message = "name is 2 to 48 characters of a-z, 0-9 and '-', and begins with a letter."
  }
}

variable "pod" {
  description = "mParticle's data centre: the dimension Pod of Penstock's own metrics."
  type        = string
}

variable "region" {
  description = "AWS region of everything that is watched."
  type        = string
}

variable "main_queue_name" {
  description = "Name of the main queue."
  type        = string
}

variable "retry_queue_name" {
  description = "Name of the retry queue."
  type        = string
}

variable "dead_queue_name" {
  description = "Name of the dead-letter queue."
  type        = string
}

variable "subscriptions_table_name" {
  description = "Name of the DynamoDB table of subscriptions."
  type        = string
}

variable "quota_table_name" {
  description = "Name of the DynamoDB table of quota."
  type        = string
}

variable "cluster_name" {
  description = "Name of the ECS cluster. Container Insights must be on: without it the alarms on tasks see nothing and say so by going off."
  type        = string
}

variable "worker_service_name" {
  description = "Name of the workers' ECS service."
  type        = string
}

variable "ingress_kind" {
  description = "What ingress runs as: fargate or lambda."
  type        = string

  validation {
    condition     = contains(["fargate", "lambda"], var.ingress_kind)
    error_message = "ingress_kind is fargate or lambda."
  }
}

variable "ingress_service_name" {
  description = "Name of the ingress' ECS service; null for lambda."
  type        = string
  default     = null

  validation {
    condition     = (var.ingress_service_name != null) == (var.ingress_kind == "fargate")
    error_message = "ingress_service_name belongs to ingress_kind fargate, and to no other."
  }
}

variable "alb_arn_suffix" {
  description = "arn_suffix of the load balancer; null for lambda."
  type        = string
  default     = null

  validation {
    condition     = (var.alb_arn_suffix != null) == (var.ingress_kind == "fargate")
    error_message = "alb_arn_suffix belongs to ingress_kind fargate, and to no other."
  }
}

variable "target_group_arn_suffix" {
  description = "arn_suffix of the load balancer's target group; null for lambda."
  type        = string
  default     = null

  validation {
    condition     = (var.target_group_arn_suffix != null) == (var.ingress_kind == "fargate")
    error_message = "target_group_arn_suffix belongs to ingress_kind fargate, and to no other."
  }
}

variable "certificate_arn" {
  description = "ARN of the load balancer's certificate, whose end is watched; null when it is watched elsewhere, and for lambda."
  type        = string
  default     = null
}

variable "watch_certificate" {
  description = "Whether certificate_arn is watched. A variable of its own, as the ARN may be known only after apply."
  type        = bool
  default     = false
}

variable "lambda_function_name" {
  description = "Name of the ingress' function; null for fargate."
  type        = string
  default     = null

  validation {
    condition     = (var.lambda_function_name != null) == (var.ingress_kind == "lambda")
    error_message = "lambda_function_name belongs to ingress_kind lambda, and to no other."
  }
}

variable "lambda_alias_name" {
  description = "Name of the alias that mParticle invokes; null for fargate."
  type        = string
  default     = null

  validation {
    condition     = (var.lambda_alias_name != null) == (var.ingress_kind == "lambda")
    error_message = "lambda_alias_name belongs to ingress_kind lambda, and to no other."
  }
}

variable "log_group_names" {
  description = "Log groups of ingress and worker, in which error lines are counted."
  type        = object({ ingress = string, worker = string })
}

variable "queue_retention_days" {
  description = "Retention of the three queues in days."
  type        = number
}

variable "worker_count_max" {
  description = "Most worker tasks that autoscaling may start."
  type        = number
}

variable "alarm_email_addresses" {
  description = "Addresses that are told of every alarm. AWS sends each a mail to confirm it."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_email_addresses : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "alarm_email_addresses are e-mail addresses."
  }
}

variable "alarm_action_arns" {
  description = "ARNs that alarms of severity page act on besides the topic: the topic of an on-call service, an incident plan."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_action_arns : startswith(arn, "arn:")]) && length(var.alarm_action_arns) <= 4
    error_message = "alarm_action_arns are at most four ARNs: CloudWatch allows five actions, and one is the topic."
  }
}

variable "runbook_url" {
  description = "Where operators read RUNBOOK.md; every alarm links to its section there."
  type        = string

  validation {
    condition     = can(regex("^https://[^# ]+$", var.runbook_url))
    error_message = "runbook_url is an https address without a fragment."
  }
}

variable "kms_key_arn" {
  description = "Key of the topic. Its policy must let cloudwatch.amazonaws.com and events.amazonaws.com use kms:Decrypt and kms:GenerateDataKey*."
  type        = string
}
