variable "name" {
  description = "Name of the function."
  type        = string
}

variable "role_arn" {
  description = "What the function may do."
  type        = string
}

variable "zip_path" {
  description = "Path of the package; null when it is in S3."
  type        = string
}

variable "s3_object" {
  description = "The package in S3; null when it is a file."
  type = object({
    bucket  = string
    key     = string
    version = string
  })
}

variable "memory_mib" {
  description = "Memory; CPU follows it, 1769 MiB are one vCPU."
  type        = number
}

variable "timeout_seconds" {
  description = "Longest run."
  type        = number
}

variable "reserved_concurrency" {
  description = "Functions at once, at most, kept from the account's others; null shares the account's."
  type        = number
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "alias" {
  description = "Name of the alias that callers use."
  type        = string
}

variable "principals" {
  description = "Accounts that may invoke the alias."
  type        = set(string)
}

variable "url_auth" {
  description = "Authorization of a function URL on the alias, NONE or AWS_IAM; null for no URL. With NONE, URLs made since October 2025 also need a permission for lambda:InvokeFunction with --invoked-via-function-url, which provider 5.100 cannot write: without it every call is answered 403."
  type        = string
}

variable "log_group_name" {
  description = "Log group of the function."
  type        = string
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts the log and the environment."
  type        = string
}
