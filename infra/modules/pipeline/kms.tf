# One key for all that the pod stores. Customer managed, so that its policy, its rotation and its end are ours.
resource "aws_kms_key" "this" {
  description             = "Penstock ${var.pod}: queues, tables, bodies, tokens, images, logs"
  enable_key_rotation     = true # once a year
  deletion_window_in_days = var.kms_deletion_days

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The account's administrators, as far as their own policies allow: to manage the key, not to use it.
        Sid       = "Manage"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action = [
          "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListKeyPolicies", "kms:ListKeyRotations",
          "kms:ListResourceTags", "kms:ListGrants", "kms:PutKeyPolicy", "kms:UpdateKeyDescription", "kms:EnableKey", "kms:DisableKey",
          "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand", "kms:TagResource", "kms:UntagResource",
          "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:RevokeGrant", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
        ]
        Resource = "*" # in a key's policy: this key
      },
      {
        # The account's principals, as far as their own policies allow, and only through the services that store for us.
        Sid       = "UseThroughServices"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:RetireGrant"]
        Resource  = "*"
        Condition = { StringEquals = {
          "kms:CallerAccount" = local.account_id
          "kms:ViaService"    = [for service in local.kms_services : "${service}.${var.region}.amazonaws.com"]
        } }
      },
      {
        # DynamoDB, ECR and Lambda keep the use of the key as a grant.
        Sid       = "GrantToServices"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = ["kms:CreateGrant"]
        Resource  = "*"
        Condition = {
          StringEquals = { "kms:ViaService" = [for service in ["dynamodb", "ecr", "lambda"] : "${service}.${var.region}.amazonaws.com"] }
          Bool         = { "kms:GrantIsForAWSResource" = "true" }
        }
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "${local.log_group_arn}/penstock/${var.pod}/*" } }
      },
      {
        # Alarms and events are published to an encrypted topic by these two services, which take on no role for it. AWS documents
        # no condition that both of them honour; a topic of another account cannot use this key, as nothing here lets it.
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
      },
    ]
  })
}

locals {
  kms_services = ["sqs", "dynamodb", "s3", "secretsmanager", "ecr", "lambda", "sns"]
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.key_id
}
