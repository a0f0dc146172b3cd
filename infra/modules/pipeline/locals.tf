data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {
  lifecycle {
    postcondition {
      condition     = self.id == var.region
      error_message = "The provider works in ${self.id}, the region's values say ${var.region}."
    }
  }
}

locals {
  name       = "penstock-${var.pod}"
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  is_fargate = var.ingress_kind == "fargate"

  # Log groups and the bucket are named before they exist, and so are the ARNs below: policies are then known at plan time, where
  # they can be reviewed, and do not change when what they name is replaced.
  ingress_log_group = "/penstock/${var.pod}/ingress"
  worker_log_group  = "/penstock/${var.pod}/worker"
  flow_log_group    = "/penstock/${var.pod}/flow"
  bucket_name       = "${local.name}-spill-${local.account_id}-${var.region}"

  queue_arns = {
    for queue in ["main", "retry", "dead"] : queue => "arn:${local.partition}:sqs:${var.region}:${local.account_id}:${local.name}-${queue}"
  }
  subscriptions_arn = "arn:${local.partition}:dynamodb:${var.region}:${local.account_id}:table/${local.name}-subscriptions"
  quota_arn         = "arn:${local.partition}:dynamodb:${var.region}:${local.account_id}:table/${local.name}-quota"
  bucket_arn        = "arn:${local.partition}:s3:::${local.bucket_name}"
  repository_arn    = "arn:${local.partition}:ecr:${var.region}:${local.account_id}:repository/${local.name}"
  log_group_arn     = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:"

  log_group_names = {
    ingress = local.is_fargate ? module.ingress[0].log_group_name : module.function[0].log_group_name
    worker  = module.worker.log_group_name
  }

  port       = 8080
  admin_port = 9090

  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html, for Linux
  fargate_memory_mib = {
    "256"   = [512, 1024, 2048]
    "512"   = range(1024, 4096 + 1, 1024)
    "1024"  = range(2048, 8192 + 1, 1024)
    "2048"  = range(4096, 16384 + 1, 1024)
    "4096"  = range(8192, 30720 + 1, 1024)
    "8192"  = range(16384, 61440 + 1, 4096)
    "16384" = range(32768, 122880 + 1, 8192)
  }
}
