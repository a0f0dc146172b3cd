# Only read with ingress_kind = "lambda".

variable "lambda_zip_path" {
  description = "Path of the function's package, for arm64, with partner.toml in it. This or lambda_s3_object."
  type        = string
  default     = null

  validation {
    condition     = var.ingress_kind != "lambda" || (var.lambda_zip_path == null) != (var.lambda_s3_object == null)
    error_message = "The function needs its package: lambda_zip_path or lambda_s3_object, not both."
  }
}

variable "lambda_s3_object" {
  description = "The package in S3, in the same region. Give its version, or a new key each time: Terraform does not see another content under an old name."
  type = object({
    bucket  = string
    key     = string
    version = optional(string)
  })
  default = null
}

variable "lambda_memory_mib" {
  description = "Memory of the function; CPU follows it, 1769 MiB are one vCPU."
  type        = number
  default     = 1024

  validation {
    condition     = var.lambda_memory_mib >= 256 && var.lambda_memory_mib <= 10240
    error_message = "lambda_memory_mib must be 256 to 10240: mParticle asks for 256 at least."
  }
}

variable "lambda_timeout_seconds" {
  description = "Longest run of the function. It gives up by itself long before; a spilled body may take 3 s."
  type        = number
  default     = 10

  validation {
    condition     = var.lambda_timeout_seconds >= 5 && var.lambda_timeout_seconds <= 60
    error_message = "lambda_timeout_seconds must be 5 to 60."
  }
}

variable "lambda_reserved_concurrency" {
  description = "Functions at once, kept from the account's others: mParticle asks for at least 1000 before publishing. AWS leaves 100 to the others, so an account with the usual quota of 1000 must have it raised first. null: as many as the account has left."
  type        = number
  default     = 1000

  validation {
    condition     = var.lambda_reserved_concurrency == null || try(var.lambda_reserved_concurrency >= 1000, false)
    error_message = "lambda_reserved_concurrency must be at least 1000, or null."
  }
}

variable "lambda_alias" {
  description = "Name of the alias that mParticle invokes."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.lambda_alias)) && !can(regex("^[0-9]+$", var.lambda_alias))
    error_message = "lambda_alias must be 1 to 128 letters, digits, '-' and '_', and not a number."
  }
}

variable "mparticle_principals" {
  description = "mParticle's AWS accounts that may invoke the function. null: those it has published for us1. Ask it for those of other pods."
  type        = set(string)
  default     = null

  validation {
    condition     = var.mparticle_principals == null || try(alltrue([for account in var.mparticle_principals : can(regex("^[0-9]{12}$", account))]) && length(var.mparticle_principals) > 0, false)
    error_message = "mparticle_principals must be AWS account numbers of twelve digits."
  }

  validation {
    condition     = var.ingress_kind != "lambda" || var.pod == "us1" || var.mparticle_principals != null
    error_message = "mParticle has published the accounts that invoke functions for us1 alone: ask it for this pod's, and give mparticle_principals."
  }
}

variable "lambda_url_auth" {
  description = "A function URL beside direct invocation: null for none; NONE: open to everybody, the token is the guard; AWS_IAM: for callers of your own who sign. With NONE, URLs made since October 2025 also need a permission for lambda:InvokeFunction with --invoked-via-function-url, which provider 5.100 cannot write: without it every call is answered 403."
  type        = string
  default     = null

  validation {
    condition     = var.lambda_url_auth == null || try(contains(["NONE", "AWS_IAM"], var.lambda_url_auth), false)
    error_message = "lambda_url_auth must be null, NONE or AWS_IAM."
  }
}
