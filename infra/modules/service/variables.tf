variable "name" {
  description = "Prefix of every name, such as penstock-us1."
  type        = string
}

variable "role" {
  description = "Which subcommand of the image runs: ingress or worker."
  type        = string

  validation {
    condition     = contains(["ingress", "worker"], var.role)
    error_message = "role must be ingress or worker."
  }
}

variable "region" {
  description = "The AWS region, where the log group is."
  type        = string
}

variable "cluster_arn" {
  description = "The cluster."
  type        = string
}

variable "image" {
  description = "The image, with its tag."
  type        = string
}

variable "cpu_units" {
  description = "CPU of a task; 1024 are one vCPU."
  type        = number
}

variable "memory_mib" {
  description = "Memory of a task."
  type        = number
}

variable "environment" {
  description = "Environment variables of the container."
  type        = map(string)
}

variable "secrets" {
  description = "Environment variables whose values are secrets: name to ARN. Read by the execution role when a task starts."
  type        = map(string)
  default     = {}
}

variable "ports" {
  description = "Ports that are listened on."
  type        = list(number)
}

variable "stop_timeout_seconds" {
  description = "From SIGTERM to SIGKILL."
  type        = number
}

variable "task_role_arn" {
  description = "What the process may do."
  type        = string
}

variable "execution_role_arn" {
  description = "What ECS may do to start the task: pull the image, write the log, read secrets."
  type        = string
}

variable "log_group_name" {
  description = "Log group of the container."
  type        = string
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts the log."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the tasks."
  type        = string
}

variable "target_group_arn" {
  description = "Target group that the first port is registered in; null for none."
  type        = string
  default     = null
}

variable "count_min" {
  description = "Tasks at first. From then on autoscaling owns the number."
  type        = number
}

variable "health_check_grace_seconds" {
  description = "How long a new task may fail the load balancer's health check."
  type        = number
  default     = 60
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits until the new tasks serve and the old ones are gone, and fails if they don't."
  type        = bool
}

variable "deploy_after" {
  description = "Any value of what must be deployed before this service."
  type        = string
  default     = null
}
