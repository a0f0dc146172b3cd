# Variables become the processes' settings here, and nowhere else.

locals {
  # A quarter, and an eighth that a worker may hold up to three times: the rest of the memory is for connections, compression and
  # the partner's answers.
  ingress_bytes_in_flight = floor(var.ingress_memory_mib * 1048576 * 0.25)
  worker_bytes_in_flight  = floor(var.worker_memory_mib * 1048576 * 0.125)

  # Both roles, as task or function.
  common_environment = {
    PENSTOCK_POD                     = var.pod
    PENSTOCK_QUEUE                   = "sqs"
    PENSTOCK_SQS_MAIN_URL            = aws_sqs_queue.main.url
    PENSTOCK_SQS_RETRY_URL           = aws_sqs_queue.retry.url
    PENSTOCK_SQS_DEAD_URL            = aws_sqs_queue.dead.url
    PENSTOCK_S3_BUCKET               = aws_s3_bucket.spill.bucket
    PENSTOCK_STORE                   = "dynamodb"
    PENSTOCK_DYNAMODB_TABLE          = aws_dynamodb_table.subscriptions.name
    PENSTOCK_QUEUE_MESSAGE_BYTES_MAX = format("%d", var.queue_message_bytes_max)
    PENSTOCK_TELEMETRY_LOG_FORMAT    = "json"
  }

  task_environment = merge(local.common_environment, {
    AWS_REGION                              = var.region
    PENSTOCK_PARTNER                        = "/etc/penstock/partner.toml" # in the image
    PENSTOCK_ADMIN                          = "0.0.0.0:${local.admin_port}"
    PENSTOCK_TELEMETRY_CLOUDWATCH_NAMESPACE = "Penstock"
    PENSTOCK_CONTAINER_STOP_TIMEOUT_MS      = format("%d", var.stop_timeout_seconds * 1000)
  })

  ingress_task_environment = merge(var.ingress_environment, local.task_environment, {
    PENSTOCK_INGRESS_LISTEN                  = "0.0.0.0:${local.port}"
    PENSTOCK_INGRESS_MODE                    = var.ingress_mode
    PENSTOCK_TOKENS_SECRET                   = aws_secretsmanager_secret.tokens.arn
    PENSTOCK_CONTAINER_MEMORY_BYTES          = format("%d", var.ingress_memory_mib * 1048576)
    PENSTOCK_INGRESS_BODY_BYTES_MAX          = format("%d", var.body_bytes_max)
    PENSTOCK_INGRESS_BYTES_IN_FLIGHT_MAX     = format("%d", local.ingress_bytes_in_flight)
    PENSTOCK_INGRESS_DEREGISTRATION_DELAY_MS = format("%d", var.deregistration_delay_seconds * 1000)
    PENSTOCK_INGRESS_DRAIN_DEADLINE_MS       = format("%d", var.ingress_drain_seconds * 1000)
    PENSTOCK_INGRESS_IDLE_TIMEOUT_MS         = format("%d", (var.alb_idle_timeout_seconds + 60) * 1000)
  })

  worker_task_environment = merge(var.worker_environment, local.task_environment, {
    PENSTOCK_CONTAINER_MEMORY_BYTES     = format("%d", var.worker_memory_mib * 1048576)
    PENSTOCK_WORKER_IN_FLIGHT_BYTES_MAX = format("%d", local.worker_bytes_in_flight)
    PENSTOCK_WORKER_LEASE_MS            = format("%d", var.visibility_timeout_seconds * 1000)
    PENSTOCK_WORKER_DRAIN_DEADLINE_MS   = format("%d", var.worker_drain_seconds * 1000)
    PENSTOCK_WORKER_SCALE_IN_PROTECTION = "true"
    PENSTOCK_SQS_VISIBILITY_TIMEOUT_MS  = format("%d", var.visibility_timeout_seconds * 1000)
    PENSTOCK_SQS_RETENTION_MS           = format("%d", local.queue_retention_seconds * 1000)
    PENSTOCK_SQS_RECEIVES_MAX           = format("%d", var.receives_max)
    }, var.delivery_attempts_max == null ? {} : {
    PENSTOCK_WORKER_ATTEMPTS_MAX = format("%d", var.delivery_attempts_max)
  })

  # Lambda sets AWS_REGION itself, carries partner.toml in the package, and has nothing that listens, drains or is scraped.
  function_environment = merge(local.function_defaults, var.ingress_environment, local.common_environment, {
    PENSTOCK_INGRESS_BODY_BYTES_MAX = format("%d", var.body_bytes_max)
    }, var.lambda_url_auth == null ? {} : {
    PENSTOCK_TOKENS_SECRET = aws_secretsmanager_secret.tokens.arn
  })

  # Behind a URL mParticle allows 100 ms, not a function's 200. ingress_environment may say otherwise.
  function_defaults = var.lambda_url_auth == null ? {} : { PENSTOCK_INGRESS_ANSWER_BUDGET_MS = "80" }

  # What ingress_environment and worker_environment may not say, because it is said above. Spelled out, as a check of a variable may
  # not look at what is made of the same variable.
  owned_variables = [
    "AWS_REGION", "PENSTOCK_ADMIN", "PENSTOCK_CONTAINER_MEMORY_BYTES", "PENSTOCK_CONTAINER_STOP_TIMEOUT_MS", "PENSTOCK_DYNAMODB_TABLE",
    "PENSTOCK_INGRESS_BODY_BYTES_MAX", "PENSTOCK_INGRESS_BYTES_IN_FLIGHT_MAX", "PENSTOCK_INGRESS_DEREGISTRATION_DELAY_MS",
    "PENSTOCK_INGRESS_DRAIN_DEADLINE_MS", "PENSTOCK_INGRESS_IDLE_TIMEOUT_MS", "PENSTOCK_INGRESS_LISTEN", "PENSTOCK_INGRESS_MODE",
    "PENSTOCK_PARTNER", "PENSTOCK_POD", "PENSTOCK_QUEUE", "PENSTOCK_QUEUE_MESSAGE_BYTES_MAX", "PENSTOCK_S3_BUCKET",
    "PENSTOCK_SQS_DEAD_URL", "PENSTOCK_SQS_MAIN_URL", "PENSTOCK_SQS_RECEIVES_MAX", "PENSTOCK_SQS_RETENTION_MS", "PENSTOCK_SQS_RETRY_URL",
    "PENSTOCK_SQS_VISIBILITY_TIMEOUT_MS", "PENSTOCK_STORE", "PENSTOCK_TELEMETRY_CLOUDWATCH_NAMESPACE", "PENSTOCK_TELEMETRY_LOG_FORMAT",
    "PENSTOCK_TOKENS_SECRET", "PENSTOCK_WORKER_ATTEMPTS_MAX", "PENSTOCK_WORKER_DRAIN_DEADLINE_MS", "PENSTOCK_WORKER_IN_FLIGHT_BYTES_MAX",
    "PENSTOCK_WORKER_LEASE_MS", "PENSTOCK_WORKER_SCALE_IN_PROTECTION",
  ]

  # Nor this: tokens are secrets and belong in Secrets Manager; without them the endpoint is open to everybody; and a fallback queue
  # needs rights, and for another region's a way out, which ingress does not have here.
  refused_variables = ["PENSTOCK_TOKENS", "PENSTOCK_TOKENS_FILE", "PENSTOCK_NO_AUTH", "PENSTOCK_SQS_FALLBACK_URL", "PENSTOCK_SQS_FALLBACK_REGION"]
}
