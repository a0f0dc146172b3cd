provider "aws" {
  region = "ap-southeast-2"

  default_tags {
    tags = { Project = "penstock", Pod = "au1" }
  }
}
