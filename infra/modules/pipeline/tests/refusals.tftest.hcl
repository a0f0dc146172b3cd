# What is refused before anything is planned. A rule that reads another variable is not asked when that one is refused, so such rules
# have runs of their own.

mock_provider "aws" {
  source = "../../tests/mocks"

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
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
}

run "words" {
  command = plan

  variables {
    pod                                     = "US1"
    ingress_mode                            = "fast"
    tls_policy                              = "ELBSecurityPolicy-2016-08"
    ingress_image_tag                       = "latest one"
    worker_image_tag                        = ""
    log_retention_days                      = 31
    container_insights                      = "on"
    ingress_cidrs                           = ["everybody"]
    partner_cidrs                           = []
    lambda_alias                            = "7"
    lambda_url_auth                         = "OPEN"
    worker_secrets                          = { API_KEY = "s3cret" }
    waf_stranger_requests_per_5_minutes_max = 9
  }

  expect_failures = [
    var.pod, var.ingress_mode, var.tls_policy, var.ingress_image_tag, var.worker_image_tag, var.log_retention_days, var.container_insights,
    var.ingress_cidrs, var.partner_cidrs, var.lambda_alias, var.lambda_url_auth, var.worker_secrets,
    var.waf_stranger_requests_per_5_minutes_max,
  ]
}

run "numbers_too_small" {
  command = plan

  variables {
    visibility_timeout_seconds           = 1
    queue_retention_days                 = 0
    receives_max                         = 2
    delivery_attempts_max                = 0
    body_bytes_max                       = 65535
    queue_message_bytes_max              = 65535
    stop_timeout_seconds                 = 1
    deregistration_delay_seconds         = 14
    alb_idle_timeout_seconds             = 14
    ingress_count_min                    = 1
    ingress_requests_per_second_per_task = 0
    ingress_cpu_percent                  = 9
    worker_count_min                     = 0
    worker_backlog_seconds               = 4
    worker_cpu_percent                   = 9
    partner_limited_share_max            = 0
    lambda_memory_mib                    = 128
    lambda_timeout_seconds               = 4
    lambda_reserved_concurrency          = 999
    secret_recovery_days                 = 6
    kms_deletion_days                    = 6
  }

  expect_failures = [
    var.visibility_timeout_seconds, var.queue_retention_days, var.receives_max, var.delivery_attempts_max, var.body_bytes_max,
    var.queue_message_bytes_max, var.stop_timeout_seconds, var.deregistration_delay_seconds,
    var.alb_idle_timeout_seconds, var.ingress_count_min, var.ingress_requests_per_second_per_task,
    var.ingress_cpu_percent, var.worker_count_min, var.worker_backlog_seconds, var.worker_cpu_percent, var.partner_limited_share_max,
    var.lambda_memory_mib, var.lambda_timeout_seconds, var.lambda_reserved_concurrency, var.secret_recovery_days, var.kms_deletion_days,
  ]
}

run "numbers_too_large" {
  command = plan

  variables {
    visibility_timeout_seconds           = 43201
    queue_retention_days                 = 15
    receives_max                         = 1001
    delivery_attempts_max                = 1001
    body_bytes_max                       = 33554433
    queue_message_bytes_max              = 1048577
    stop_timeout_seconds                 = 121
    alb_idle_timeout_seconds             = 3541
    ingress_requests_per_second_per_task = 100001
    ingress_cpu_percent                  = 91
    worker_backlog_seconds               = 3601
    worker_cpu_percent                   = 91
    partner_limited_share_max            = 1.01
    lambda_memory_mib                    = 10241
    lambda_timeout_seconds               = 61
    secret_recovery_days                 = 31
    kms_deletion_days                    = 31
    waf_requests_per_5_minutes_max       = 2000000001
  }

  expect_failures = [
    var.visibility_timeout_seconds, var.queue_retention_days, var.receives_max, var.delivery_attempts_max, var.body_bytes_max,
    var.queue_message_bytes_max, var.stop_timeout_seconds, var.alb_idle_timeout_seconds, var.ingress_requests_per_second_per_task,
    var.ingress_cpu_percent, var.worker_backlog_seconds, var.worker_cpu_percent, var.partner_limited_share_max, var.lambda_memory_mib,
    var.lambda_timeout_seconds, var.secret_recovery_days, var.kms_deletion_days, var.waf_requests_per_5_minutes_max,
  ]
}

run "numbers_that_are_held_against_others" {
  command = plan

  variables {
    ingress_drain_seconds          = 0
    worker_drain_seconds           = 5
    waf_requests_per_5_minutes_max = 2999
    mparticle_principals           = ["mparticle"]
  }

  expect_failures = [var.ingress_drain_seconds, var.worker_drain_seconds, var.waf_requests_per_5_minutes_max, var.mparticle_principals]
}

run "the_most_is_not_below_the_least" {
  command = plan

  variables {
    ingress_count_min = 5
    ingress_count_max = 4
    worker_count_min  = 5
    worker_count_max  = 4
  }

  expect_failures = [var.ingress_count_max, var.worker_count_max]
}

# 14 + 14 days in queues, and as many after a redrive: a body that expires on the 56th may be missed by a message on its last day.
run "bodies_outlive_their_messages" {
  command = plan

  variables {
    spill_retention_days = 56
  }

  expect_failures = [var.spill_retention_days]
}

# 15 + 71 s do not fit in 90 with the 5 s of the end, and 85 leave nothing for a call.
run "drains_fit_in_the_stop_timeout" {
  command = plan

  variables {
    ingress_drain_seconds = 71
    worker_drain_seconds  = 85
  }

  expect_failures = [var.ingress_drain_seconds, var.worker_drain_seconds]
}

run "drains_may_fill_the_stop_timeout" {
  command = plan

  variables {
    ingress_drain_seconds = 70
    worker_drain_seconds  = 84
  }
}

run "fargate_has_no_such_cpu" {
  command = plan

  variables {
    ingress_cpu_units = 1000
    worker_cpu_units  = 1000
  }

  expect_failures = [var.ingress_cpu_units, var.worker_cpu_units]
}

run "fargate_has_no_such_memory" {
  command = plan

  variables {
    ingress_memory_mib = 2500
    worker_memory_mib  = 9216
  }

  expect_failures = [var.ingress_memory_mib, var.worker_memory_mib]
}

# 512 MiB leave 128 for bodies; four of 33,554,432 bytes fit, and no more.
run "memory_holds_a_few_of_the_longest_bodies" {
  command = plan

  variables {
    ingress_cpu_units  = 256
    ingress_memory_mib = 512
    body_bytes_max     = 33554432
  }
}

run "memory_does_not_hold_a_few_of_the_longest_bodies" {
  command = plan

  variables {
    ingress_cpu_units  = 256
    ingress_memory_mib = 500
    body_bytes_max     = 33554432
  }

  expect_failures = [var.ingress_memory_mib]
}

run "https_needs_a_certificate" {
  command = plan

  variables {
    zone_id = null
  }

  expect_failures = [var.certificate_arn]
}

run "a_zone_needs_a_name" {
  command = plan

  variables {
    domain_name     = null
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  }

  expect_failures = [var.zone_id]
}

run "what_the_module_says_is_not_said_twice" {
  command = plan

  variables {
    ingress_environment = { PENSTOCK_INGRESS_BODY_BYTES_MAX = "1" }
    worker_environment  = { PENSTOCK_WORKER_LEASE_MS = "1" }
  }

  expect_failures = [var.ingress_environment, var.worker_environment]
}

run "neither_a_token_nor_an_open_door_is_environment" {
  command = plan

  variables {
    ingress_environment = { PENSTOCK_TOKENS = "secret" }
    worker_environment  = { PENSTOCK_NO_AUTH = "true" }
  }

  expect_failures = [var.ingress_environment, var.worker_environment]
}

run "a_function_needs_its_package" {
  command = plan

  variables {
    ingress_kind = "lambda"
  }

  expect_failures = [var.lambda_zip_path]
}

run "a_function_needs_one_package" {
  command = plan

  variables {
    ingress_kind     = "lambda"
    lambda_zip_path  = "./versions.tf"
    lambda_s3_object = { bucket = "packages", key = "penstock/v1.zip" }
  }

  expect_failures = [var.lambda_zip_path]
}

run "nobody_knows_who_invokes_in_other_pods" {
  command = plan

  variables {
    pod             = "eu1"
    ingress_kind    = "lambda"
    lambda_zip_path = "./versions.tf"
  }

  expect_failures = [var.mparticle_principals]
}

run "no_such_kind" {
  command = plan

  variables {
    ingress_kind = "ec2"
  }

  expect_failures = [var.ingress_kind]
}

run "the_region_is_the_providers" {
  command = plan

  variables {
    region = "eu-central-1"
  }

  expect_failures = [data.aws_region.current]
}

run "no_such_region" {
  command = plan

  variables {
    region = "virginia"
  }

  expect_failures = [var.region]
}
