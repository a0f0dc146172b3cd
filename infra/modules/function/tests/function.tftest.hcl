# Ingress as a function: mParticle invokes the alias, and nobody anything else.

mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name                 = "penstock-us1-ingress"
  role_arn             = "arn:aws:iam::123456789012:role/penstock-us1-ingress-task"
  zip_path             = "./versions.tf" # any file
  s3_object            = null
  memory_mib           = 1024
  timeout_seconds      = 10
  reserved_concurrency = 1000
  environment          = { PENSTOCK_POD = "us1" }
  alias                = "production"
  principals           = ["338661164609", "457804467337"]
  url_auth             = null
  log_group_name       = "/penstock/us1/ingress"
  log_retention_days   = 30
  kms_key_arn          = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "the_function" {
  assert {
    condition     = [aws_lambda_function.this.runtime, one(aws_lambda_function.this.architectures), aws_lambda_function.this.memory_size, aws_lambda_function.this.timeout, aws_lambda_function.this.reserved_concurrent_executions] == ["provided.al2023", "arm64", 1024, 10, 1000]
    error_message = "The function is not as it should be."
  }

  assert {
    condition     = aws_lambda_function.this.source_code_hash == filebase64sha256("./versions.tf") && aws_lambda_function.this.filename == "./versions.tf"
    error_message = "A new package is not noticed."
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn && one(aws_lambda_function.this.logging_config).log_group == "/penstock/us1/ingress"
    error_message = "Environment or log are in the clear, or the log is elsewhere."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0
    error_message = "The function is in a VPC, which its first answers would wait for."
  }
}

run "mparticle_invokes_the_alias" {
  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_alias.this.function_version == aws_lambda_function.this.version && aws_lambda_alias.this.name == "production"
    error_message = "The alias does not point at the published version."
  }

  assert {
    condition     = toset([for it in aws_lambda_permission.mparticle : join(" ", [it.principal, it.action, it.qualifier])]) == toset(["338661164609 lambda:InvokeFunction production", "457804467337 lambda:InvokeFunction production"])
    error_message = "Others may invoke, or something else than the alias."
  }

  assert {
    condition     = length(aws_lambda_function_url.this) == 0 && output.url == null
    error_message = "The function can be reached over HTTP though nobody asked for it."
  }
}

run "a_url_on_request" {
  variables {
    url_auth = "NONE"
  }

  assert {
    condition     = [for it in aws_lambda_function_url.this : [it.qualifier, it.authorization_type]] == [["production", "NONE"]]
    error_message = "The URL is not the alias's, or asks for a signature."
  }
}

run "a_package_in_s3" {
  variables {
    zip_path             = null
    s3_object            = { bucket = "packages", key = "penstock/v1.zip", version = "3" }
    reserved_concurrency = null
  }

  assert {
    condition     = [aws_lambda_function.this.s3_bucket, aws_lambda_function.this.s3_key, aws_lambda_function.this.s3_object_version] == ["packages", "penstock/v1.zip", "3"] && aws_lambda_function.this.filename == null
    error_message = "The package is not the one in S3."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "Concurrency is reserved though nobody asked for it."
  }
}
