# What a region is: its pod, its place, its endpoint, its images. Numbers are in variables_numbers.tf, sizes in
# variables_scaling.tf, the function's in variables_function.tf, alarms' in variables_alarms.tf.

variable "pod" {
  description = "mParticle's data centre that calls come from: us1, us2, eu1 or au1, or a name of your own. Part of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$", var.pod))
    error_message = "pod must be 1 to 16 characters of a-z, 0-9 and '-', with no '-' at either end."
  }
}

variable "region" {
  description = "The AWS region; the provider's must be the same."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-east-1."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, /16 to /22. Choose another for each region, in case they are ever joined."
  type        = string
}

variable "availability_zones" {
  description = "Two or three zones. A third may be added at the end later."
  type        = list(string)
}

variable "nat_gateways" {
  description = "single: one NAT gateway, whose zone takes all workers' way to the partner with it when it fails (ingress and what is queued are not touched); per_zone: one in each zone."
  type        = string
  default     = "per_zone"
}

variable "flow_logs" {
  description = "Which traffic the VPC's flow log records: none, REJECT (what a security group refused) or ALL."
  type        = string
  default     = "REJECT"
}

variable "ingress_cidrs" {
  description = "Who may reach the load balancer. mParticle publishes no addresses to call from, hence everybody; the token is the guard."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.ingress_cidrs) > 0 && alltrue([for cidr in var.ingress_cidrs : can(cidrhost(cidr, 0))])
    error_message = "ingress_cidrs must be at least one IPv4 block."
  }
}

variable "partner_cidrs" {
  description = "Where workers may connect to, on port 443. A partner whose API has fixed addresses should give them."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.partner_cidrs) > 0 && alltrue([for cidr in var.partner_cidrs : can(cidrhost(cidr, 0))])
    error_message = "partner_cidrs must be at least one IPv4 block."
  }
}

variable "ingress_kind" {
  description = "fargate: tasks behind a load balancer, called over HTTPS; lambda: a function that mParticle invokes."
  type        = string
  default     = "fargate"

  validation {
    condition     = contains(["fargate", "lambda"], var.ingress_kind)
    error_message = "ingress_kind must be fargate or lambda."
  }
}

variable "ingress_mode" {
  description = "What packing is tuned for: latency, quick answers; thrift, few billed SQS requests."
  type        = string
  default     = "latency"

  validation {
    condition     = contains(["latency", "thrift"], var.ingress_mode)
    error_message = "ingress_mode must be latency or thrift."
  }
}

variable "domain_name" {
  description = "Host name that mParticle calls. Without certificate_arn a certificate is made for it; with zone_id so is its record."
  type        = string
  default     = null
}

variable "zone_id" {
  description = "Route 53 zone that domain_name belongs to."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null || var.domain_name != null
    error_message = "zone_id is of no use without domain_name."
  }
}

variable "certificate_arn" {
  description = "ACM certificate of the load balancer, in the same region. null: one is made for domain_name in zone_id."
  type        = string
  default     = null

  validation {
    condition     = var.ingress_kind != "fargate" || var.certificate_arn != null || (var.domain_name != null && var.zone_id != null)
    error_message = "The load balancer needs certificate_arn, or domain_name and zone_id to make a certificate."
  }
}

variable "tls_policy" {
  description = "Security policy of the load balancer: TLS 1.3, and 1.2 with forward secrecy and authenticated ciphers alone."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"

  validation {
    condition     = can(regex("^ELBSecurityPolicy-TLS13-1-[23]-", var.tls_policy))
    error_message = "tls_policy must be one of AWS's ELBSecurityPolicy-TLS13-1-2-… or …-1-3-…: none older than TLS 1.2."
  }
}

variable "access_logs_bucket" {
  description = "Bucket for the load balancer's access logs, whose policy lets the region's load balancers write; null for none. They hold no headers and no bodies, and cost more than the load balancer at 10,000 requests/s."
  type        = string
  default     = null
}

variable "waf_enabled" {
  description = "Whether a web ACL limits the rate of single callers. AWS bills about $0.60 for each million requests it looks at."
  type        = bool
  default     = false
}

variable "waf_stranger_requests_per_5_minutes_max" {
  description = "Most requests in five minutes from one address without credentials; further ones are answered 429. Cookie sync pixels of one office share an address."
  type        = number
  default     = 3000

  validation {
    condition     = var.waf_stranger_requests_per_5_minutes_max >= 10 && var.waf_stranger_requests_per_5_minutes_max <= 2000000000
    error_message = "waf_stranger_requests_per_5_minutes_max must be 10 to 2000000000."
  }
}

variable "waf_requests_per_5_minutes_max" {
  description = "Most requests in five minutes from one address, with credentials or without; further ones are answered 429. Far above what mParticle sends: 10,000/s from a single address are 3,000,000."
  type        = number
  default     = 6000000

  validation {
    condition     = var.waf_requests_per_5_minutes_max >= var.waf_stranger_requests_per_5_minutes_max && var.waf_requests_per_5_minutes_max <= 2000000000
    error_message = "waf_requests_per_5_minutes_max must be at least the limit of strangers, and at most 2000000000."
  }
}

variable "waf_credential_header" {
  description = "The header whose callers are no strangers: authorization, or ingress.oauth_header if the registration asks for that."
  type        = string
  default     = "authorization"
}

variable "ingress_image_tag" {
  description = "Tag of the image that ingress runs; not needed for lambda. Change worker_image_tag first: a worker must know every version of pack that ingress writes."
  type        = string
  default     = null

  validation {
    condition     = var.ingress_kind != "fargate" || can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.ingress_image_tag))
    error_message = "ingress_image_tag must be the tag of an image when ingress_kind is fargate."
  }
}

variable "worker_image_tag" {
  description = "Tag of the image that workers run."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.worker_image_tag))
    error_message = "worker_image_tag must be the tag of an image."
  }
}

variable "ingress_environment" {
  description = "More settings of ingress, as environment variables. None that this module sets by itself, and no secret."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.ingress_environment), concat(local.owned_variables, local.refused_variables))) == 0
    error_message = "ingress_environment sets what this module sets by itself, or refuses (environment.tf): ${join(", ", setintersection(keys(var.ingress_environment), concat(local.owned_variables, local.refused_variables)))}."
  }
}

variable "worker_environment" {
  description = "More settings of workers, as environment variables. None that this module sets by itself, and no secret."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.worker_environment), concat(local.owned_variables, local.refused_variables))) == 0
    error_message = "worker_environment sets what this module sets by itself, or refuses (environment.tf): ${join(", ", setintersection(keys(var.worker_environment), concat(local.owned_variables, local.refused_variables)))}."
  }
}

variable "worker_secrets" {
  description = "What partner.toml reads from the environment and nobody else may see: name of the variable to ARN of the secret in Secrets Manager (…:json-key:: for one member of it). Read when a task starts."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.worker_secrets) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$", arn))])
    error_message = "worker_secrets must be ARNs of secrets in Secrets Manager."
  }
}

variable "worker_secret_kms_key_arns" {
  description = "Customer keys that encrypt worker_secrets, where that is not AWS's own key or this module's."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "How long logs are kept. They hold no personal data, and the metrics in them live on in CloudWatch."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one that CloudWatch Logs has, such as 7, 14, 30, 90, 365."
  }
}

variable "deletion_protection" {
  description = "Whether tables and load balancer refuse to be deleted. Set false and apply before a destroy."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Whether a destroy deletes the bucket with the objects, and the repository with the images, that are in them."
  type        = bool
  default     = false
}

variable "secret_recovery_days" {
  description = "How long the deleted secret of tokens can be restored: 7 to 30, or 0 for not at all."
  type        = number
  default     = 30

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "secret_recovery_days must be 0 or 7 to 30."
  }
}

variable "kms_deletion_days" {
  description = "How long the deleted key can be restored. With it goes everything it encrypts, backups of tables among it."
  type        = number
  default     = 30

  validation {
    condition     = var.kms_deletion_days >= 7 && var.kms_deletion_days <= 30
    error_message = "kms_deletion_days must be 7 to 30."
  }
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits for each service to run its new tasks and nothing else, workers before ingress, and fails if it rolls back."
  type        = bool
  default     = true
}
