# Each region's values: its pod, its place, and nothing shared with another.

mock_provider "aws" {
  alias  = "virginia"
  source = "./mocks"

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
}

mock_provider "aws" {
  alias  = "frankfurt"
  source = "./mocks"

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }
}

mock_provider "aws" {
  alias  = "sydney"
  source = "./mocks"

  mock_data "aws_region" {
    defaults = { id = "ap-southeast-2" }
  }
}

variables {
  ingress_image_tag = "v1"
  worker_image_tag  = "v1"
}

run "us1" {
  command = plan

  module {
    source = "../regions/us1"
  }

  providers = { aws = aws.virginia }

  assert {
    condition     = [output.pipeline.cluster_name, output.pipeline.spill_bucket_name, output.pipeline.ingress_kind] == ["penstock-us1", "penstock-us1-spill-123456789012-us-east-1", "fargate"]
    error_message = "us1 is another pod's, or elsewhere."
  }
}

run "us2" {
  command = plan

  module {
    source = "../regions/us2"
  }

  providers = { aws = aws.virginia }

  assert {
    condition     = [output.pipeline.cluster_name, output.pipeline.spill_bucket_name, output.pipeline.ingress_kind] == ["penstock-us2", "penstock-us2-spill-123456789012-us-east-1", "fargate"]
    error_message = "us2 is another pod's, or elsewhere."
  }
}

run "eu1" {
  command = plan

  module {
    source = "../regions/eu1"
  }

  providers = { aws = aws.frankfurt }

  assert {
    condition     = [output.pipeline.cluster_name, output.pipeline.spill_bucket_name, output.pipeline.ingress_kind] == ["penstock-eu1", "penstock-eu1-spill-123456789012-eu-central-1", "fargate"]
    error_message = "eu1 is another pod's, or elsewhere."
  }
}

run "au1" {
  command = plan

  module {
    source = "../regions/au1"
  }

  providers = { aws = aws.sydney }

  assert {
    condition     = [output.pipeline.cluster_name, output.pipeline.spill_bucket_name, output.pipeline.ingress_kind] == ["penstock-au1", "penstock-au1-spill-123456789012-ap-southeast-2", "fargate"]
    error_message = "au1 is another pod's, or elsewhere."
  }
}

# What plans with an invented provider cannot tell.
run "folders" {
  command = plan

  providers = { aws = aws.virginia }

  variables {
    folders = { us1 = "us-east-1", us2 = "us-east-1", eu1 = "eu-central-1", au1 = "ap-southeast-2" }
  }

  assert {
    condition     = { for pod in keys(var.folders) : pod => [for file in ["main.tf", "providers.tf"] : one(regex("\\bregion\\s*=\\s*\"([^\"]+)\"", file("../regions/${pod}/${file}")))] } == { for pod, region in var.folders : pod => [region, region] }
    error_message = "A region's provider works elsewhere than its values say."
  }

  assert {
    condition     = { for pod in keys(var.folders) : pod => one(regex("\\bPod\\s*=\\s*\"([^\"]+)\"", file("../regions/${pod}/providers.tf"))) } == { for pod in keys(var.folders) : pod => pod }
    error_message = "A region's tags name another pod."
  }

  assert {
    condition     = length(distinct([for pod in keys(var.folders) : one(regex("\\bvpc_cidr\\s*=\\s*\"([^\"]+)\"", file("../regions/${pod}/main.tf")))])) == length(var.folders)
    error_message = "Two regions have the same addresses."
  }

  assert {
    condition     = alltrue([for pod in keys(var.folders) : sum([for file in fileset("../regions/${pod}", "*.tf") : length(split("\n", file("../regions/${pod}/${file}")))]) < 60])
    error_message = "A region has become more than values."
  }

  assert {
    condition     = toset([for path in fileset("../regions", "*/main.tf") : dirname(path)]) == toset(keys(var.folders))
    error_message = "A region is not tested here."
  }
}
