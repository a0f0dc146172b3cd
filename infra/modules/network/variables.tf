variable "name" {
  description = "Prefix of every name, such as penstock-us1."
  type        = string
}

variable "account_id" {
  description = "The account that the region's resources belong to."
  type        = string
}

variable "region" {
  description = "The AWS region."
  type        = string
}

variable "partition" {
  description = "The AWS partition, aws for the commercial regions."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC: /16 to /22."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "cidr must be an IPv4 block from /16 to /22."
  }
}

variable "availability_zones" {
  description = "Two or three zones. Never take one out of the middle of the list: the subnets' addresses follow its order."
  type        = list(string)

  validation {
    condition     = contains([2, 3], length(distinct(var.availability_zones))) && length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones must name two or three different zones."
  }
}

variable "nat_gateways" {
  description = "single: one NAT gateway, whose zone takes all workers' way to the partner with it when it fails; per_zone: one in each zone."
  type        = string

  validation {
    condition     = contains(["single", "per_zone"], var.nat_gateways)
    error_message = "nat_gateways must be single or per_zone."
  }
}

variable "bucket_arn" {
  description = "The spill bucket, the only one of ours that the S3 endpoint lets through."
  type        = string
}

variable "table_arns" {
  description = "The tables that the DynamoDB endpoint lets through."
  type        = list(string)
}

variable "flow_logs" {
  description = "Which traffic the VPC's flow log records: none, REJECT (what a security group refused) or ALL."
  type        = string

  validation {
    condition     = contains(["none", "REJECT", "ALL"], var.flow_logs)
    error_message = "flow_logs must be none, REJECT or ALL."
  }
}

variable "flow_log_group_name" {
  description = "Log group of the flow log."
  type        = string
}

variable "log_retention_days" {
  description = "How long the flow log is kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow log."
  type        = string
}
