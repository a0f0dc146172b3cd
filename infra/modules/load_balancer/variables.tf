variable "name" {
  description = "Prefix of every name, such as penstock-us1."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the load balancer."
  type        = string
}

variable "port" {
  description = "Port of ingress."
  type        = number
}

variable "admin_port" {
  description = "Port where ingress says whether it is ready."
  type        = number
}

variable "idle_timeout_seconds" {
  description = "How long a connection may rest. Below the idle timeout of ingress, or the load balancer would reuse a connection that is just being closed and answer 502."
  type        = number
}

variable "deregistration_delay_seconds" {
  description = "How long a leaving task keeps getting the answers to what it was given."
  type        = number
}

variable "tls_policy" {
  description = "The listener's security policy."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate to serve; null makes one for domain_name, validated through zone_id."
  type        = string
}

variable "domain_name" {
  description = "Host name of the endpoint; null for none."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone of domain_name; null leaves DNS to others."
  type        = string
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted."
  type        = bool
}

variable "access_logs_bucket" {
  description = "Bucket for access logs, which must let the region's load balancers write; null for none."
  type        = string
}

variable "waf_enabled" {
  description = "Whether a web ACL stands before the load balancer."
  type        = bool
}

variable "waf_stranger_requests_per_5_minutes_max" {
  description = "Most requests in five minutes from one address that bring no credentials."
  type        = number
}

variable "waf_requests_per_5_minutes_max" {
  description = "Most requests in five minutes from one address, whatever they bring."
  type        = number
}

variable "waf_credential_header" {
  description = "The header that brings a caller's credentials."
  type        = string
}
