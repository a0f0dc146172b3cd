# What operators, tests and alarms find things by.

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

run "every_name_holds_the_pod" {
  assert {
    condition     = [for queue in [aws_sqs_queue.main, aws_sqs_queue.retry, aws_sqs_queue.dead] : queue.name] == ["penstock-us1-main", "penstock-us1-retry", "penstock-us1-dead"]
    error_message = "The queues have other names."
  }

  assert {
    condition     = [aws_dynamodb_table.subscriptions.name, aws_dynamodb_table.quota.name] == ["penstock-us1-subscriptions", "penstock-us1-quota"]
    error_message = "The tables have other names."
  }

  assert {
    condition     = aws_s3_bucket.spill.bucket == "penstock-us1-spill-123456789012-us-east-1"
    error_message = "The bucket has another name."
  }

  assert {
    condition     = [aws_iam_role.ingress.name, aws_iam_role.worker.name, aws_iam_role.execution.name] == ["penstock-us1-ingress-task", "penstock-us1-worker-task", "penstock-us1-execution"]
    error_message = "The roles have other names."
  }

  assert {
    condition     = [aws_ecs_cluster.this.name, module.ingress[0].service_name, module.worker.service_name] == ["penstock-us1", "penstock-us1-ingress", "penstock-us1-worker"]
    error_message = "Cluster and services have other names."
  }

  assert {
    condition     = output.log_group_names == { ingress = "/penstock/us1/ingress", worker = "/penstock/us1/worker" }
    error_message = "The log groups have other names."
  }

  assert {
    condition     = [aws_ecr_repository.this.name, aws_secretsmanager_secret.tokens.name, aws_kms_alias.this.name] == ["penstock-us1", "penstock-us1-tokens", "alias/penstock-us1"]
    error_message = "Repository, secret or key have other names."
  }
}

# Policies name things before they exist. If a name and its ARN drift apart, a role loses its rights without a word.
run "arns_are_those_of_the_names" {
  assert {
    condition = local.queue_arns == {
      for key, queue in { main = aws_sqs_queue.main, retry = aws_sqs_queue.retry, dead = aws_sqs_queue.dead } :
      key => "arn:aws:sqs:us-east-1:123456789012:${queue.name}"
    }
    error_message = "The queues' ARNs are not those of their names."
  }

  assert {
    condition     = local.subscriptions_arn == "arn:aws:dynamodb:us-east-1:123456789012:table/${aws_dynamodb_table.subscriptions.name}" && local.quota_arn == "arn:aws:dynamodb:us-east-1:123456789012:table/${aws_dynamodb_table.quota.name}"
    error_message = "The tables' ARNs are not those of their names."
  }

  assert {
    condition     = local.bucket_arn == "arn:aws:s3:::${aws_s3_bucket.spill.bucket}" && local.repository_arn == "arn:aws:ecr:us-east-1:123456789012:repository/${aws_ecr_repository.this.name}"
    error_message = "The ARNs of bucket or repository are not those of their names."
  }
}
