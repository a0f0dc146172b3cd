# Every operational number has one owner: what a resource gets and what the process is told are the same variable.

mock_provider "aws" {
  source = "../../tests/mocks"

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
}

override_resource {
  target = aws_sqs_queue.main
  values = { url = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-main" }
}

override_resource {
  target = aws_sqs_queue.retry
  values = { url = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-retry" }
}

override_resource {
  target = aws_sqs_queue.dead
  values = { url = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-dead" }
}

variables {
  pod                = "us1"
  region             = "us-east-1"
  availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  vpc_cidr           = "10.64.0.0/20"
  domain_name        = "us1.penstock.example.com"
  zone_id            = "Z0123456789EXAMPLE"
  ingress_image_tag  = "v1"
  worker_image_tag   = "v1"
  runbook_url        = "https://example.com/penstock/RUNBOOK.md"

  # None is a default, and no two are alike.
  visibility_timeout_seconds   = 71
  queue_retention_days         = 13
  spill_retention_days         = 59
  receives_max                 = 23
  delivery_attempts_max        = 17
  body_bytes_max               = 8388608
  queue_message_bytes_max      = 131072
  stop_timeout_seconds         = 101
  deregistration_delay_seconds = 19
  ingress_drain_seconds        = 37
  worker_drain_seconds         = 41
  alb_idle_timeout_seconds     = 97
  ingress_cpu_units            = 512
  ingress_memory_mib           = 3072
  worker_cpu_units             = 2048
  worker_memory_mib            = 5120
  ingress_mode                 = "thrift"

  ingress_environment = { PENSTOCK_LOG = "info,penstock_ingress=debug" }
  worker_environment  = { PENSTOCK_WORKER_ITEMS_MAX = "30000" }
}

run "resources_get_the_numbers" {
  assert {
    condition = alltrue([for queue in [aws_sqs_queue.main, aws_sqs_queue.retry] :
      queue.visibility_timeout_seconds == 71 && queue.message_retention_seconds == 13 * 86400 && queue.max_message_size == 131072 && jsondecode(queue.redrive_policy).maxReceiveCount == 23
    ])
    error_message = "main or retry have other numbers than were given."
  }

  assert {
    condition     = aws_sqs_queue.dead.message_retention_seconds == 13 * 86400 && aws_sqs_queue.dead.max_message_size == 131072
    error_message = "dead has other numbers than were given."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.spill.rule[0].expiration[0].days == 59
    error_message = "Bodies expire at another time than was given."
  }

  assert {
    condition     = [module.ingress[0].container_definition.stopTimeout, module.worker.container_definition.stopTimeout] == [101, 101]
    error_message = "The containers are killed at another time than was given."
  }

  assert {
    condition     = [for it in [module.ingress[0].container_definition, module.worker.container_definition] : [it.cpu, it.memory]] == [[512, 3072], [2048, 5120]]
    error_message = "The containers have another size than was given."
  }
}

run "ingress_is_told_the_same" {
  assert {
    condition = tomap({ for it in module.ingress[0].container_definition.environment : it.name => it.value }) == tomap({
      AWS_REGION                               = "us-east-1"
      PENSTOCK_ADMIN                           = "0.0.0.0:9090"
      PENSTOCK_CONTAINER_MEMORY_BYTES          = "3221225472"
      PENSTOCK_CONTAINER_STOP_TIMEOUT_MS       = "101000"
      PENSTOCK_DYNAMODB_TABLE                  = "penstock-us1-subscriptions"
      PENSTOCK_INGRESS_BODY_BYTES_MAX          = "8388608"
      PENSTOCK_INGRESS_BYTES_IN_FLIGHT_MAX     = "805306368"
      PENSTOCK_INGRESS_DEREGISTRATION_DELAY_MS = "19000"
      PENSTOCK_INGRESS_DRAIN_DEADLINE_MS       = "37000"
      PENSTOCK_INGRESS_IDLE_TIMEOUT_MS         = "157000"
      PENSTOCK_INGRESS_LISTEN                  = "0.0.0.0:8080"
      PENSTOCK_INGRESS_MODE                    = "thrift"
      PENSTOCK_LOG                             = "info,penstock_ingress=debug"
      PENSTOCK_PARTNER                         = "/etc/penstock/partner.toml"
      PENSTOCK_POD                             = "us1"
      PENSTOCK_QUEUE                           = "sqs"
      PENSTOCK_QUEUE_MESSAGE_BYTES_MAX         = "131072"
      PENSTOCK_S3_BUCKET                       = "penstock-us1-spill-123456789012-us-east-1"
      PENSTOCK_SQS_DEAD_URL                    = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-dead"
      PENSTOCK_SQS_MAIN_URL                    = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-main"
      PENSTOCK_SQS_RETRY_URL                   = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-retry"
      PENSTOCK_STORE                           = "dynamodb"
      PENSTOCK_TELEMETRY_CLOUDWATCH_NAMESPACE  = "Penstock"
      PENSTOCK_TELEMETRY_LOG_FORMAT            = "json"
      PENSTOCK_TOKENS_SECRET                   = "arn:aws:secretsmanager:us-east-1:123456789012:secret:penstock-us1-tokens-AbCdEf"
    })
    error_message = "Ingress is told something else."
  }
}

run "workers_are_told_the_same" {
  assert {
    condition = tomap({ for it in module.worker.container_definition.environment : it.name => it.value }) == tomap({
      AWS_REGION                              = "us-east-1"
      PENSTOCK_ADMIN                          = "0.0.0.0:9090"
      PENSTOCK_CONTAINER_MEMORY_BYTES         = "5368709120"
      PENSTOCK_CONTAINER_STOP_TIMEOUT_MS      = "101000"
      PENSTOCK_DYNAMODB_TABLE                 = "penstock-us1-subscriptions"
      PENSTOCK_PARTNER                        = "/etc/penstock/partner.toml"
      PENSTOCK_POD                            = "us1"
      PENSTOCK_QUEUE                          = "sqs"
      PENSTOCK_QUEUE_MESSAGE_BYTES_MAX        = "131072"
      PENSTOCK_S3_BUCKET                      = "penstock-us1-spill-123456789012-us-east-1"
      PENSTOCK_SQS_DEAD_URL                   = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-dead"
      PENSTOCK_SQS_MAIN_URL                   = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-main"
      PENSTOCK_SQS_RECEIVES_MAX               = "23"
      PENSTOCK_SQS_RETENTION_MS               = "1123200000"
      PENSTOCK_SQS_RETRY_URL                  = "https://sqs.us-east-1.amazonaws.com/123456789012/penstock-us1-retry"
      PENSTOCK_SQS_VISIBILITY_TIMEOUT_MS      = "71000"
      PENSTOCK_STORE                          = "dynamodb"
      PENSTOCK_TELEMETRY_CLOUDWATCH_NAMESPACE = "Penstock"
      PENSTOCK_TELEMETRY_LOG_FORMAT           = "json"
      PENSTOCK_WORKER_ATTEMPTS_MAX            = "17"
      PENSTOCK_WORKER_DRAIN_DEADLINE_MS       = "41000"
      PENSTOCK_WORKER_IN_FLIGHT_BYTES_MAX     = "671088640"
      PENSTOCK_WORKER_ITEMS_MAX               = "30000"
      PENSTOCK_WORKER_LEASE_MS                = "71000"
      PENSTOCK_WORKER_SCALE_IN_PROTECTION     = "true"
    })
    error_message = "Workers are told something else."
  }
}

run "nothing_is_said_of_attempts_when_partner_toml_owns_them" {
  variables {
    delivery_attempts_max = null
  }

  assert {
    condition     = !contains(module.worker.container_definition.environment[*].name, "PENSTOCK_WORKER_ATTEMPTS_MAX")
    error_message = "The worker is told a number of attempts that nobody gave."
  }
}

# owned_variables is spelled out; this holds it to what the module sets.
run "what_the_module_says_nobody_else_may_say" {
  assert {
    condition = toset(local.owned_variables) == setunion(
      setsubtract(keys(local.ingress_task_environment), keys(var.ingress_environment)),
      setsubtract(keys(local.worker_task_environment), keys(var.worker_environment)),
    )
    error_message = "local.owned_variables is not what the module sets."
  }
}
