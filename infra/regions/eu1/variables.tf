variable "worker_image_tag" {
  description = "Image that workers run. Deployed before the same tag is given to ingress."
  type        = string
}

variable "ingress_image_tag" {
  description = "Image that ingress runs; not needed where it is a function."
  type        = string
  default     = null
}
