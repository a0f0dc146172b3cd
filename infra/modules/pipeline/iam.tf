# What the two processes may do: exactly the calls they make. The table of rights in the root README.md is the same list in words.
#
# Nobody has rights on the quota table: no process reads or writes it yet.

resource "aws_iam_role" "ingress" {
  name               = "${local.name}-ingress-task"
  description        = "What ingress may do"
  assume_role_policy = local.is_fargate ? local.tasks_may_assume : local.functions_may_assume
}

resource "aws_iam_role_policy" "ingress" {
  name   = "ingress"
  role   = aws_iam_role.ingress.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.ingress_statements })
}

resource "aws_iam_role" "worker" {
  name               = "${local.name}-worker-task"
  description        = "What workers may do"
  assume_role_policy = local.tasks_may_assume
}

resource "aws_iam_role_policy" "worker" {
  name   = "worker"
  role   = aws_iam_role.worker.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.worker_statements })
}

locals {
  # Tokens guard what comes over HTTP. Who invokes a function directly is known by IAM.
  reads_tokens = local.is_fargate || var.lambda_url_auth != null

  ingress_statements = concat(
    [
      {
        Sid      = "Queue"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [local.queue_arns.main, local.queue_arns.dead] # dead: quarantine of what nobody can read
      },
      {
        Sid      = "Spill"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = "${local.bucket_arn}/*" # every object of the bucket
      },
      {
        Sid      = "SuspendedAccounts"
        Effect   = "Allow"
        Action   = ["dynamodb:Query"]
        Resource = local.subscriptions_arn
      },
      {
        Sid       = "EncryptMessagesAndBodies"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey"]
        Resource  = aws_kms_key.this.arn
        Condition = { StringEquals = { "kms:ViaService" = local.kms_via.queue_and_spill } }
      },
      {
        # SQS asks for it of senders too; DynamoDB to open the table.
        Sid       = "Decrypt"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = aws_kms_key.this.arn
        Condition = { StringEquals = { "kms:ViaService" = local.reads_tokens ? local.kms_via.ingress_with_tokens : local.kms_via.ingress } }
      },
    ],
    # A task asks while nothing is sent whether the queue is there; a function has no such task.
    local.is_fargate ? [{
      Sid      = "Probe"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes"]
      Resource = local.queue_arns.main
    }] : [],
    local.reads_tokens ? [{
      Sid      = "Tokens"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = aws_secretsmanager_secret.tokens.arn
    }] : [],
    local.is_fargate ? [] : [{
      Sid      = "WriteLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${local.log_group_arn}${local.ingress_log_group}:*" # its streams
    }],
  )

  worker_statements = [
    {
      Sid      = "Receive"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
      Resource = [local.queue_arns.main, local.queue_arns.retry]
    },
    {
      Sid      = "TryAgainOrSetAside"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [local.queue_arns.retry, local.queue_arns.dead]
    },
    {
      Sid      = "WatchDeadLetters"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes"]
      Resource = local.queue_arns.dead
    },
    {
      Sid      = "SpilledBodies"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
      Resource = "${local.bucket_arn}/*" # every object of the bucket
    },
    {
      # Without it S3 answers 403 for an object that is not there.
      Sid      = "TellMissingBodies"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = local.bucket_arn
    },
    {
      Sid      = "Subscriptions"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"]
      Resource = local.subscriptions_arn
    },
    {
      Sid       = "EncryptMessagesAndBodies"
      Effect    = "Allow"
      Action    = ["kms:GenerateDataKey"]
      Resource  = aws_kms_key.this.arn
      Condition = { StringEquals = { "kms:ViaService" = local.kms_via.queue_and_spill } }
    },
    {
      Sid       = "Decrypt"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = aws_kms_key.this.arn
      Condition = { StringEquals = { "kms:ViaService" = local.kms_via.worker } }
    },
    {
      # A busy worker asks not to be the one that is taken away. Called by ECS's agent for the task, with the task's role.
      Sid      = "ScaleInProtection"
      Effect   = "Allow"
      Action   = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
      Resource = "arn:${local.partition}:ecs:${var.region}:${local.account_id}:task/${local.name}/*" # tasks of this cluster
    },
  ]

  kms_via = {
    queue_and_spill     = [for service in ["sqs", "s3"] : "${service}.${var.region}.amazonaws.com"]
    ingress             = [for service in ["sqs", "dynamodb"] : "${service}.${var.region}.amazonaws.com"]
    ingress_with_tokens = [for service in ["sqs", "dynamodb", "secretsmanager"] : "${service}.${var.region}.amazonaws.com"]
    worker              = [for service in ["sqs", "s3", "dynamodb"] : "${service}.${var.region}.amazonaws.com"]
  }
}
