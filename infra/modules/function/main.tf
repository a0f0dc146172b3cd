resource "aws_cloudwatch_log_group" "this" {
  name              = var.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# In no VPC: all it calls are AWS's public endpoints over TLS, and nothing can call it but through Lambda itself.
resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = "Penstock's ingress: stores mParticle's messages and answers"
  role          = var.role_arn

  package_type  = "Zip"
  runtime       = "provided.al2023"
  architectures = ["arm64"]
  handler       = "bootstrap"

  filename          = var.zip_path
  source_code_hash  = var.zip_path == null ? null : filebase64sha256(var.zip_path)
  s3_bucket         = try(var.s3_object.bucket, null)
  s3_key            = try(var.s3_object.key, null)
  s3_object_version = try(var.s3_object.version, null)

  memory_size                    = var.memory_mib
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1) # -1: none reserved
  publish                        = true                                   # a version for the alias to point at

  kms_key_arn = var.kms_key_arn

  environment {
    variables = var.environment
  }

  logging_config {
    log_format = "Text" # the lines are JSON already, of the function's own making
    log_group  = aws_cloudwatch_log_group.this.name
  }
}

resource "aws_lambda_alias" "this" {
  name             = var.alias
  description      = "What mParticle invokes"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

# Whole accounts of mParticle's, as it asks for: it tells nobody which of its roles calls. On the alias alone, so that neither
# $LATEST nor an old version can be invoked.
resource "aws_lambda_permission" "mparticle" {
  for_each = var.principals

  statement_id  = "mparticle-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  qualifier     = aws_lambda_alias.this.name
  principal     = each.key
}

# With NONE anybody who knows the URL reaches the function, and the token is the only guard, as with the load balancer.
# The provider adds the public permission that belongs to NONE itself. URLs made since October 2025 need a second statement
# (lambda:InvokeFunction, only via the URL), which providers below 6.28 do not add and 5.100 cannot even be told of. Until somebody
# adds it by hand (aws lambda add-permission --invoked-via-function-url), every call is answered 403.
resource "aws_lambda_function_url" "this" {
  count = var.url_auth == null ? 0 : 1

  function_name      = aws_lambda_function.this.function_name
  qualifier          = aws_lambda_alias.this.name
  authorization_type = var.url_auth
}
