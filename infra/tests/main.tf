# Nothing is made here: terraform init wants a configuration before it fetches the modules that the tests name.
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }
}

variable "folders" {
  description = "The regions that are tested, pod by pod, each with where it is."
  type        = map(string)
  default     = {}
}
