# Endpoint policies are a fence, not a grant: what a task may do stands in its role. They keep credentials from elsewhere
# from using these endpoints, and these tasks from sending data to another account's queues, tables and buckets.

locals {
  ours = {
    StringEquals = {
      "aws:PrincipalAccount" = var.account_id
      "aws:ResourceAccount"  = var.account_id
    }
  }

  # KMS has no endpoint, as no task calls it: SQS, S3, DynamoDB, Secrets Manager and ECR do so on their side.
  # ECS has none either: Fargate's own agent talks to it, outside the VPC.
  interface_endpoints = {
    sqs            = ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    secretsmanager = ["secretsmanager:GetSecretValue"]
    logs           = ["logs:CreateLogStream", "logs:PutLogEvents"]
    "ecr.api"      = ["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    "ecr.dkr"      = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
  }

  route_table_ids = concat([aws_route_table.private.id], [for table in aws_route_table.egress : table.id])
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints: HTTPS from ingress and workers; starts nothing itself"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "OursOnly"
        Effect    = "Allow"
        Principal = "*"
        Action    = [for action in each.value : action if action != "ecr:GetAuthorizationToken"]
        Resource  = "*"
        Condition = local.ours
      }],
      # GetAuthorizationToken is of no resource, hence of no resource's account.
      [for action in each.value : {
        Sid       = "LogIn"
        Effect    = "Allow"
        Principal = "*"
        Action    = [action]
        Resource  = "*"
        Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
      } if action == "ecr:GetAuthorizationToken"],
    )
  })

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.route_table_ids

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "SpilledBodies"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
        Resource  = [var.bucket_arn, "${var.bucket_arn}/*"]
        Condition = local.ours
      },
      {
        # ECR keeps the layers of images in a bucket of its own in each region, and signs the URLs to them.
        Sid       = "ImageLayers"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:GetObject"]
        Resource  = ["arn:${var.partition}:s3:::prod-${var.region}-starport-layer-bucket/*"]
      },
    ]
  })

  tags = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "dynamodb" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.dynamodb"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.route_table_ids

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OurTables"
      Effect    = "Allow"
      Principal = "*"
      Action    = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"]
      Resource  = var.table_arns
      Condition = local.ours
    }]
  })

  tags = { Name = "${var.name}-dynamodb" }
}
