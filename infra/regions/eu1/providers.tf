provider "aws" {
  region = "eu-central-1"

  default_tags {
    tags = { Project = "penstock", Pod = "eu1" }
  }
}
