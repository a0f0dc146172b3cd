# Exactly these rights, no more and no fewer: a change of a policy is a change here.

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

run "ingress_has_these_rights" {
  assert {
    condition = toset(flatten([for it in jsondecode(aws_iam_role_policy.ingress.policy).Statement : [for action in it.Action : [for resource in flatten([it.Resource]) : "${it.Effect} ${action} ${resource}"]]])) == toset([
      "Allow sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-main",
      "Allow sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-dead",
      "Allow sqs:GetQueueAttributes arn:aws:sqs:us-east-1:123456789012:penstock-us1-main",
      "Allow s3:PutObject arn:aws:s3:::penstock-us1-spill-123456789012-us-east-1/*",
      "Allow dynamodb:Query arn:aws:dynamodb:us-east-1:123456789012:table/penstock-us1-subscriptions",
      "Allow secretsmanager:GetSecretValue ${aws_secretsmanager_secret.tokens.arn}",
      "Allow kms:GenerateDataKey ${aws_kms_key.this.arn}",
      "Allow kms:Decrypt ${aws_kms_key.this.arn}",
    ])
    error_message = "Ingress may do more or less than it should: ${aws_iam_role_policy.ingress.policy}"
  }
}

run "workers_have_these_rights" {
  assert {
    condition = toset(flatten([for it in jsondecode(aws_iam_role_policy.worker.policy).Statement : [for action in it.Action : [for resource in flatten([it.Resource]) : "${it.Effect} ${action} ${resource}"]]])) == toset([
      "Allow sqs:ReceiveMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-main",
      "Allow sqs:ReceiveMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-retry",
      "Allow sqs:DeleteMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-main",
      "Allow sqs:DeleteMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-retry",
      "Allow sqs:ChangeMessageVisibility arn:aws:sqs:us-east-1:123456789012:penstock-us1-main",
      "Allow sqs:ChangeMessageVisibility arn:aws:sqs:us-east-1:123456789012:penstock-us1-retry",
      "Allow sqs:GetQueueAttributes arn:aws:sqs:us-east-1:123456789012:penstock-us1-main",
      "Allow sqs:GetQueueAttributes arn:aws:sqs:us-east-1:123456789012:penstock-us1-retry",
      "Allow sqs:GetQueueAttributes arn:aws:sqs:us-east-1:123456789012:penstock-us1-dead",
      "Allow sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-retry",
      "Allow sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-dead",
      "Allow s3:GetObject arn:aws:s3:::penstock-us1-spill-123456789012-us-east-1/*",
      "Allow s3:PutObject arn:aws:s3:::penstock-us1-spill-123456789012-us-east-1/*",
      "Allow s3:DeleteObject arn:aws:s3:::penstock-us1-spill-123456789012-us-east-1/*",
      "Allow s3:ListBucket arn:aws:s3:::penstock-us1-spill-123456789012-us-east-1",
      "Allow dynamodb:GetItem arn:aws:dynamodb:us-east-1:123456789012:table/penstock-us1-subscriptions",
      "Allow dynamodb:UpdateItem arn:aws:dynamodb:us-east-1:123456789012:table/penstock-us1-subscriptions",
      "Allow dynamodb:DeleteItem arn:aws:dynamodb:us-east-1:123456789012:table/penstock-us1-subscriptions",
      "Allow dynamodb:Query arn:aws:dynamodb:us-east-1:123456789012:table/penstock-us1-subscriptions",
      "Allow kms:GenerateDataKey ${aws_kms_key.this.arn}",
      "Allow kms:Decrypt ${aws_kms_key.this.arn}",
      "Allow ecs:GetTaskProtection arn:aws:ecs:us-east-1:123456789012:task/penstock-us1/*",
      "Allow ecs:UpdateTaskProtection arn:aws:ecs:us-east-1:123456789012:task/penstock-us1/*",
    ])
    error_message = "Workers may do more or less than they should: ${aws_iam_role_policy.worker.policy}"
  }
}

run "the_execution_role_has_these_rights" {
  assert {
    condition = toset(flatten([for it in jsondecode(aws_iam_role_policy.execution.policy).Statement : [for action in it.Action : [for resource in flatten([it.Resource]) : "${it.Effect} ${action} ${resource}"]]])) == toset([
      "Allow ecr:GetAuthorizationToken *",
      "Allow ecr:BatchCheckLayerAvailability arn:aws:ecr:us-east-1:123456789012:repository/penstock-us1",
      "Allow ecr:GetDownloadUrlForLayer arn:aws:ecr:us-east-1:123456789012:repository/penstock-us1",
      "Allow ecr:BatchGetImage arn:aws:ecr:us-east-1:123456789012:repository/penstock-us1",
      "Allow logs:CreateLogStream arn:aws:logs:us-east-1:123456789012:log-group:/penstock/us1/ingress:*",
      "Allow logs:PutLogEvents arn:aws:logs:us-east-1:123456789012:log-group:/penstock/us1/ingress:*",
      "Allow logs:CreateLogStream arn:aws:logs:us-east-1:123456789012:log-group:/penstock/us1/worker:*",
      "Allow logs:PutLogEvents arn:aws:logs:us-east-1:123456789012:log-group:/penstock/us1/worker:*",
    ])
    error_message = "The execution role may do more or less than it should: ${aws_iam_role_policy.execution.policy}"
  }
}

run "the_key_is_used_through_services_alone" {
  assert {
    condition = { for it in jsondecode(aws_iam_role_policy.ingress.policy).Statement : one(it.Action) => it.Condition.StringEquals["kms:ViaService"] if startswith(it.Action[0], "kms:") } == {
      "kms:GenerateDataKey" = ["sqs.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"]
      "kms:Decrypt"         = ["sqs.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com", "secretsmanager.us-east-1.amazonaws.com"]
    }
    error_message = "Ingress uses the key through other services."
  }

  assert {
    condition = { for it in jsondecode(aws_iam_role_policy.worker.policy).Statement : one(it.Action) => it.Condition.StringEquals["kms:ViaService"] if startswith(it.Action[0], "kms:") } == {
      "kms:GenerateDataKey" = ["sqs.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"]
      "kms:Decrypt"         = ["sqs.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com"]
    }
    error_message = "Workers use the key through other services."
  }
}

run "only_tasks_of_this_account_take_on_the_roles" {
  assert {
    condition = alltrue([for role in [aws_iam_role.ingress, aws_iam_role.worker, aws_iam_role.execution] : [for it in jsondecode(role.assume_role_policy).Statement :
      [it.Principal.Service, it.Condition.StringEquals["aws:SourceAccount"], it.Condition.ArnLike["aws:SourceArn"]]
    ] == [["ecs-tasks.amazonaws.com", "123456789012", "arn:aws:ecs:us-east-1:123456789012:*"]]])
    error_message = "A role can be taken on by others than ECS's tasks of this account."
  }
}

run "workers_secrets_are_read_by_their_arns" {
  variables {
    worker_secrets = {
      API_KEY  = "arn:aws:secretsmanager:us-east-1:123456789012:secret:partner-AbCdEf:key::"
      API_USER = "arn:aws:secretsmanager:us-east-1:123456789012:secret:partner-AbCdEf:user::"
    }
    worker_secret_kms_key_arns = ["arn:aws:kms:us-east-1:123456789012:key/11111111-1111-1111-1111-111111111111"]
  }

  assert {
    condition     = { for it in jsondecode(aws_iam_role_policy.execution.policy).Statement : it.Sid => it.Resource if strcontains(it.Sid, "Secrets") }["ReadWorkersSecrets"] == ["arn:aws:secretsmanager:us-east-1:123456789012:secret:partner-AbCdEf"]
    error_message = "The execution role reads the secret itself, whatever member of it is wanted."
  }

  assert {
    condition     = { for it in jsondecode(aws_iam_role_policy.execution.policy).Statement : it.Sid => it.Resource if strcontains(it.Sid, "Secrets") }["DecryptWorkersSecrets"] == [aws_kms_key.this.arn, "arn:aws:kms:us-east-1:123456789012:key/11111111-1111-1111-1111-111111111111"]
    error_message = "The execution role decrypts with the pod's key and those that were given."
  }

  assert {
    condition     = tomap({ for it in module.worker.container_definition.secrets : it.name => it.valueFrom }) == var.worker_secrets
    error_message = "The container gets the secrets under their names."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.worker.policy, "secretsmanager")
    error_message = "The worker itself reads no secret."
  }
}
