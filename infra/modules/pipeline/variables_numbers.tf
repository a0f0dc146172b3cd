# The operational numbers. Each has its one owner here: it becomes an attribute of a resource, and an environment variable
# (environment.tf) that the process holds against its other settings when it starts.

variable "visibility_timeout_seconds" {
  description = "How long a received message is hidden, on main and retry; also the workers' lease, renewed at half of it."
  type        = number
  default     = 60

  validation {
    condition     = var.visibility_timeout_seconds >= 2 && var.visibility_timeout_seconds <= 43200
    error_message = "visibility_timeout_seconds must be 2 to 43200."
  }
}

variable "queue_retention_days" {
  description = "How long each of the three queues keeps a message. partner.toml's limit on the age of data must be shorter."
  type        = number
  default     = 14

  validation {
    condition     = var.queue_retention_days >= 1 && var.queue_retention_days <= 14
    error_message = "queue_retention_days must be 1 to 14, SQS's longest."
  }
}

variable "spill_retention_days" {
  description = "How long bodies that the queue cannot hold are kept. A message may lie in main or retry for the whole retention and in dead for as long again; redriven, it may do both once more, with the same body, which does not get younger."
  type        = number
  default     = 90

  validation {
    condition     = var.spill_retention_days > 4 * var.queue_retention_days
    error_message = "spill_retention_days must be more than four times queue_retention_days."
  }
}

variable "receives_max" {
  description = "maxReceiveCount of main and retry: after so many receives SQS itself moves a message to dead. It only stops poison: attempts are counted in the packs."
  type        = number
  default     = 20

  validation {
    condition     = var.receives_max >= 3 && var.receives_max <= 1000
    error_message = "receives_max must be 3 to 1000."
  }
}

variable "delivery_attempts_max" {
  description = "Attempts at delivering an item. null: partner.toml's own number; if both say one, they must be the same."
  type        = number
  default     = null

  validation {
    condition     = var.delivery_attempts_max == null || try(var.delivery_attempts_max >= 1 && var.delivery_attempts_max <= 1000, false)
    error_message = "delivery_attempts_max must be 1 to 1000, or null."
  }
}

variable "body_bytes_max" {
  description = "Longest body that ingress takes; a longer one is answered 413, and lost."
  type        = number
  default     = 16777216

  validation {
    condition     = var.body_bytes_max >= 65536 && var.body_bytes_max <= 33554432
    error_message = "body_bytes_max must be 65536 to 33554432."
  }
}

# SQS takes 1048576, but version 5 of the AWS provider, and version 6 before 6.8, refuse more than 262144.
variable "queue_message_bytes_max" {
  description = "Longest message of the queues; larger packs are divided, larger bodies spilled. With a provider from 6.8 on, 1048576 spills fewer bodies; the bill is the same, as SQS counts each 64 KiB."
  type        = number
  default     = 262144

  validation {
    condition     = var.queue_message_bytes_max >= 65536 && var.queue_message_bytes_max <= 1048576
    error_message = "queue_message_bytes_max must be 65536 to 1048576."
  }
}

variable "stop_timeout_seconds" {
  description = "From SIGTERM to SIGKILL, of both services. Fargate allows 120."
  type        = number
  default     = 90

  validation {
    condition     = var.stop_timeout_seconds >= 2 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds must be 2 to 120."
  }
}

variable "deregistration_delay_seconds" {
  description = "How long a leaving ingress task still accepts, until the load balancer has noticed; also of the target group."
  type        = number
  default     = 15

  validation {
    condition     = var.deregistration_delay_seconds >= 15 && var.deregistration_delay_seconds <= 300
    error_message = "deregistration_delay_seconds must be 15 to 300: load balancers take some seconds to send no more."
  }
}

variable "ingress_drain_seconds" {
  description = "From the end of accepting to the end of an ingress task."
  type        = number
  default     = 20

  validation {
    condition     = var.ingress_drain_seconds >= 1 && var.deregistration_delay_seconds + var.ingress_drain_seconds + 5 <= var.stop_timeout_seconds
    error_message = "deregistration_delay_seconds, ingress_drain_seconds and 5 seconds for the end must fit in stop_timeout_seconds, or a stopping task is killed with requests in it."
  }
}

variable "worker_drain_seconds" {
  description = "From a worker's stop signal to handing back what still waits. A call under way may take partner.toml's [api] timeout_ms longer, which must fit too: the worker checks that itself when it starts."
  type        = number
  default     = 30

  validation {
    condition     = var.worker_drain_seconds >= 6 && var.worker_drain_seconds + 5 < var.stop_timeout_seconds
    error_message = "worker_drain_seconds must be longer than a receive waits (5 s), and with 5 seconds more for the end and a call to the partner fit in stop_timeout_seconds."
  }
}

variable "alb_idle_timeout_seconds" {
  description = "How long the load balancer keeps a connection that rests. Ingress keeps it 60 s longer, so that it never closes one that is about to be used."
  type        = number
  default     = 120

  validation {
    condition     = var.alb_idle_timeout_seconds >= 15 && var.alb_idle_timeout_seconds <= 3540
    error_message = "alb_idle_timeout_seconds must be 15 to 3540: longer than ingress waits for a body (10 s)."
  }
}
