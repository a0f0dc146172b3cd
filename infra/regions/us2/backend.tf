# terraform init -backend-config=backend.hcl: bucket, key, region, and use_lockfile = true.
terraform {
  backend "s3" {}
}
