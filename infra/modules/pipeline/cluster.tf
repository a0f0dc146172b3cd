resource "aws_ecs_cluster" "this" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }
}

# What ECS itself may do to start a task: pull our images, write our log groups, read the workers' secrets. Shared by both
# services, as the process never gets these rights.
resource "aws_iam_role" "execution" {
  name               = "${local.name}-execution"
  description        = "Starts Penstock's tasks"
  assume_role_policy = local.tasks_may_assume
}

resource "aws_iam_role_policy" "execution" {
  name = "start-tasks"
  role = aws_iam_role.execution.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "LogInToRegistry"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = "*" # AWS has no resource for it
        },
        {
          Sid      = "PullImages"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
          Resource = local.repository_arn
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = [for group in compact([local.is_fargate ? local.ingress_log_group : "", local.worker_log_group]) : "${local.log_group_arn}${group}:*"] # their streams
        },
      ],
      [for statement in [
        {
          Sid      = "ReadWorkersSecrets"
          Effect   = "Allow"
          Action   = ["secretsmanager:GetSecretValue"]
          Resource = local.worker_secret_arns
        },
        {
          Sid       = "DecryptWorkersSecrets"
          Effect    = "Allow"
          Action    = ["kms:Decrypt"]
          Resource  = concat([aws_kms_key.this.arn], var.worker_secret_kms_key_arns)
          Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
        },
      ] : statement if length(local.worker_secret_arns) > 0],
    )
  })
}

locals {
  # Without the JSON key and version that a task definition may append.
  worker_secret_arns = distinct([for arn in values(var.worker_secrets) : join(":", slice(split(":", arn), 0, 7))])

  # Only ECS, only for tasks of this account in this region.
  tasks_may_assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${var.region}:${local.account_id}:*" }
      }
    }]
  })

  # No condition on the source: a function can only be given a role of its own account, and only by who may pass that role.
  functions_may_assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}
