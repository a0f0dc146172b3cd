resource "aws_sqs_queue" "main" {
  name                       = "${local.name}-main"
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = local.queue_retention_seconds
  max_message_size           = var.queue_message_bytes_max
  receive_wait_time_seconds  = 20 # for receivers that do not say; workers do
  kms_master_key_id          = aws_kms_key.this.arn
  redrive_policy             = local.redrive_policy
  redrive_allow_policy       = jsonencode({ redrivePermission = "denyAll" }) # nobody's dead-letter queue
}

# A queue of its own for what is tried again later, so that it never stands before what is new.
resource "aws_sqs_queue" "retry" {
  name                       = "${local.name}-retry"
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = local.queue_retention_seconds
  max_message_size           = var.queue_message_bytes_max
  receive_wait_time_seconds  = 20
  kms_master_key_id          = aws_kms_key.this.arn
  redrive_policy             = local.redrive_policy
  redrive_allow_policy       = jsonencode({ redrivePermission = "denyAll" })
}

resource "aws_sqs_queue" "dead" {
  name                       = "${local.name}-dead"
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = local.queue_retention_seconds
  max_message_size           = var.queue_message_bytes_max
  receive_wait_time_seconds  = 20
  kms_master_key_id          = aws_kms_key.this.arn
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns.main, local.queue_arns.retry]
  })
}

locals {
  queue_retention_seconds = var.queue_retention_days * 86400

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.receives_max
  })

  queue_urls = {
    main  = aws_sqs_queue.main.url
    retry = aws_sqs_queue.retry.url
    dead  = aws_sqs_queue.dead.url
  }
}

# Grants nothing, denies plain HTTP. Who may use a queue stands in the roles.
resource "aws_sqs_queue_policy" "this" {
  for_each = local.queue_arns

  queue_url = local.queue_urls[each.key]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
