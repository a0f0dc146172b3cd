# What is stored, how long, and under which lock.

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

run "queues" {
  assert {
    condition = alltrue([for queue in [aws_sqs_queue.main, aws_sqs_queue.retry, aws_sqs_queue.dead] :
      queue.message_retention_seconds == 1209600 && queue.receive_wait_time_seconds == 20 && queue.kms_master_key_id == aws_kms_key.this.arn
    ])
    error_message = "A queue keeps messages shorter than 14 days, polls short, or is not encrypted with the pod's key."
  }

  assert {
    condition = alltrue([for queue in [aws_sqs_queue.main, aws_sqs_queue.retry] :
      jsondecode(queue.redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 20 }
      && jsondecode(queue.redrive_allow_policy) == { redrivePermission = "denyAll" }
    ])
    error_message = "main and retry go to dead after 20 receives, and are nobody's dead-letter queue."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:us-east-1:123456789012:penstock-us1-main", "arn:aws:sqs:us-east-1:123456789012:penstock-us1-retry"]
    }
    error_message = "dead is the dead-letter queue of main and retry alone."
  }

  assert {
    condition = alltrue([for key, policy in aws_sqs_queue_policy.this : [for it in jsondecode(policy.policy).Statement :
      [it.Effect, it.Principal, it.Action, it.Resource, it.Condition.Bool["aws:SecureTransport"]]
    ] == [["Deny", "*", "sqs:*", local.queue_arns[key], "false"]]]) && length(aws_sqs_queue_policy.this) == 3
    error_message = "Each queue's policy denies plain HTTP and grants nothing."
  }
}

run "tables" {
  assert {
    condition = alltrue([for table in [aws_dynamodb_table.subscriptions, aws_dynamodb_table.quota] :
      table.billing_mode == "PAY_PER_REQUEST" && table.deletion_protection_enabled && table.server_side_encryption[0].kms_key_arn == aws_kms_key.this.arn
      && table.ttl[0].enabled && table.ttl[0].attribute_name == "expires"
    ])
    error_message = "A table is provisioned, deletable, not under the pod's key, or without TTL."
  }

  assert {
    condition     = aws_dynamodb_table.subscriptions.point_in_time_recovery[0].enabled
    error_message = "Subscriptions can be recovered to a point in time."
  }

  assert {
    condition     = [aws_dynamodb_table.subscriptions.hash_key, aws_dynamodb_table.subscriptions.range_key, aws_dynamodb_table.quota.hash_key] == ["pk", "sk", "pk"]
    error_message = "The tables have other keys than the processes use."
  }

  assert {
    condition     = { for it in aws_dynamodb_table.subscriptions.attribute : it.name => it.type } == { pk = "S", sk = "N" } && { for it in aws_dynamodb_table.quota.attribute : it.name => it.type } == { pk = "S" }
    error_message = "pk is a string, sk a number."
  }
}

run "spilled_bodies" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.spill.block_public_acls, aws_s3_bucket_public_access_block.spill.block_public_policy,
      aws_s3_bucket_public_access_block.spill.ignore_public_acls, aws_s3_bucket_public_access_block.spill.restrict_public_buckets,
      aws_s3_bucket_ownership_controls.spill.rule[0].object_ownership == "BucketOwnerEnforced",
      !aws_s3_bucket.spill.force_destroy,
    ])
    error_message = "The bucket can be opened to others, or is emptied by a destroy."
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.spill.rule :
      rule.bucket_key_enabled && alltrue([for it in rule.apply_server_side_encryption_by_default : it.sse_algorithm == "aws:kms" && it.kms_master_key_id == aws_kms_key.this.arn])
    ])
    error_message = "Bodies are encrypted with the pod's key, through a bucket key."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.spill.rule[0].expiration[0].days == 90 && aws_s3_bucket_lifecycle_configuration.spill.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 1
    error_message = "Bodies expire after 90 days, unfinished uploads after one."
  }

  assert {
    condition = [for it in jsondecode(aws_s3_bucket_policy.spill.policy).Statement :
      [it.Effect, it.Action, it.Condition.Bool["aws:SecureTransport"]]
    ] == [["Deny", "s3:*", "false"]]
    error_message = "The bucket's policy denies plain HTTP and grants nothing."
  }
}

run "images_secrets_and_the_key" {
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push && aws_ecr_repository.this.encryption_configuration[0].kms_key == aws_kms_key.this.arn && !aws_ecr_repository.this.force_delete
    error_message = "Images have fixed tags, are scanned, encrypted with the pod's key, and not deleted with their repository."
  }

  assert {
    condition     = aws_secretsmanager_secret.tokens.kms_key_id == aws_kms_key.this.arn && aws_secretsmanager_secret.tokens.recovery_window_in_days == 30
    error_message = "Tokens are under the pod's key and can be restored."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key rotates, and its deletion can be undone for 30 days."
  }

  # Whoever manages the key cannot read with it, and whoever reads with it does so through a service.
  assert {
    condition     = alltrue([for it in jsondecode(aws_kms_key.this.policy).Statement : try(it.Condition != null, false) || length(setintersection(it.Action, ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"])) == 0 || it.Sid == "Alarms"])
    error_message = "The key's policy lets it be used without a condition."
  }

  assert {
    condition     = alltrue(flatten([for it in jsondecode(aws_kms_key.this.policy).Statement : [for action in it.Action : !strcontains(action, "*")]]))
    error_message = "The key's policy has a wildcard among its actions."
  }
}

run "a_test_stack_can_be_destroyed" {
  variables {
    deletion_protection  = false
    force_destroy        = true
    secret_recovery_days = 0
    kms_deletion_days    = 7
  }

  assert {
    condition     = !aws_dynamodb_table.subscriptions.deletion_protection_enabled && !aws_dynamodb_table.quota.deletion_protection_enabled && aws_s3_bucket.spill.force_destroy && aws_ecr_repository.this.force_delete && aws_secretsmanager_secret.tokens.recovery_window_in_days == 0
    error_message = "Something would outlive a destroy."
  }
}
