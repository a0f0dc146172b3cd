# Sizes and numbers of tasks.

variable "ingress_cpu_units" {
  description = "CPU of an ingress task; 1024 are one vCPU."
  type        = number
  default     = 1024

  validation {
    condition     = contains(keys(local.fargate_memory_mib), tostring(var.ingress_cpu_units))
    error_message = "ingress_cpu_units must be 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "ingress_memory_mib" {
  description = "Memory of an ingress task. A quarter of it may be bodies in flight."
  type        = number
  default     = 2048

  validation {
    condition     = contains(lookup(local.fargate_memory_mib, tostring(var.ingress_cpu_units), []), var.ingress_memory_mib)
    error_message = "Fargate has no tasks with so much CPU and memory: ingress_memory_mib must be one of ${join(", ", lookup(local.fargate_memory_mib, tostring(var.ingress_cpu_units), []))}."
  }

  validation {
    condition     = var.ingress_memory_mib * 1048576 / 4 >= 4 * var.body_bytes_max
    error_message = "A quarter of ingress_memory_mib must hold four bodies of body_bytes_max, or a few large ones turn all others away."
  }
}

variable "ingress_count_min" {
  description = "Fewest ingress tasks. One in each zone, so that the loss of a zone costs a share and not the endpoint."
  type        = number
  default     = 3

  validation {
    condition     = var.ingress_count_min >= 2 && floor(var.ingress_count_min) == var.ingress_count_min
    error_message = "ingress_count_min must be at least 2: a single task is an outage waiting."
  }
}

variable "ingress_count_max" {
  description = "Most ingress tasks."
  type        = number
  default     = 20

  validation {
    condition     = var.ingress_count_max >= var.ingress_count_min
    error_message = "ingress_count_max must not be below ingress_count_min."
  }
}

variable "ingress_requests_per_second_per_task" {
  description = "Requests a second at which a task has enough to do: autoscaling's target. About a third of what it can, as more tasks take two to three minutes to come and a burst does not wait."
  type        = number
  default     = 1500

  validation {
    condition     = var.ingress_requests_per_second_per_task >= 1 && var.ingress_requests_per_second_per_task <= 100000
    error_message = "ingress_requests_per_second_per_task must be 1 to 100000."
  }
}

variable "ingress_cpu_percent" {
  description = "CPU at which ingress tasks have enough to do: autoscaling's other target."
  type        = number
  default     = 40

  validation {
    condition     = var.ingress_cpu_percent >= 10 && var.ingress_cpu_percent <= 90
    error_message = "ingress_cpu_percent must be 10 to 90."
  }
}

variable "worker_cpu_units" {
  description = "CPU of a worker; 1024 are one vCPU."
  type        = number
  default     = 1024

  validation {
    condition     = contains(keys(local.fargate_memory_mib), tostring(var.worker_cpu_units))
    error_message = "worker_cpu_units must be 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "worker_memory_mib" {
  description = "Memory of a worker. An eighth of it may be messages in flight, as much again spilled bodies, and mapped items."
  type        = number
  default     = 4096

  validation {
    condition     = contains(lookup(local.fargate_memory_mib, tostring(var.worker_cpu_units), []), var.worker_memory_mib)
    error_message = "Fargate has no tasks with so much CPU and memory: worker_memory_mib must be one of ${join(", ", lookup(local.fargate_memory_mib, tostring(var.worker_cpu_units), []))}."
  }
}

variable "worker_count_min" {
  description = "Fewest workers. They publish what autoscaling goes by, so there is always one."
  type        = number
  default     = 2

  validation {
    condition     = var.worker_count_min >= 1 && floor(var.worker_count_min) == var.worker_count_min
    error_message = "worker_count_min must be at least 1."
  }
}

variable "worker_count_max" {
  description = "Most workers."
  type        = number
  default     = 20

  validation {
    condition     = var.worker_count_max >= var.worker_count_min
    error_message = "worker_count_max must not be below worker_count_min."
  }
}

variable "worker_backlog_seconds" {
  description = "How far behind workers may be before there are more of them: messages that wait, divided by messages settled in a second."
  type        = number
  default     = 30

  validation {
    condition     = var.worker_backlog_seconds >= 5 && var.worker_backlog_seconds <= 3600
    error_message = "worker_backlog_seconds must be 5 to 3600."
  }
}

variable "worker_cpu_percent" {
  description = "CPU at which workers have enough to do. It keeps autoscaling from taking away workers that keep up only just."
  type        = number
  default     = 60

  validation {
    condition     = var.worker_cpu_percent >= 10 && var.worker_cpu_percent <= 90
    error_message = "worker_cpu_percent must be 10 to 90."
  }
}

variable "partner_limited_share_max" {
  description = "From which share of the workers' work on, waiting because the partner said so (429, Retry-After), their number stays as it is: more of them would only wait too."
  type        = number
  default     = 0.5

  validation {
    condition     = var.partner_limited_share_max > 0 && var.partner_limited_share_max <= 1
    error_message = "partner_limited_share_max must be above 0, and at most 1."
  }
}

variable "container_insights" {
  description = "Container Insights of the cluster: enabled (the alarms on tasks need it), enhanced (a metric for each task, dearer) or disabled."
  type        = string
  default     = "enabled"

  validation {
    condition     = contains(["enabled", "enhanced", "disabled"], var.container_insights)
    error_message = "container_insights must be enabled, enhanced or disabled."
  }
}
