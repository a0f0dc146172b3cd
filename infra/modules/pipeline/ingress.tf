module "load_balancer" {
  source = "../load_balancer"
  count  = local.is_fargate ? 1 : 0

  name                         = local.name
  vpc_id                       = module.network.vpc_id
  subnet_ids                   = module.network.public_subnet_ids
  security_group_id            = aws_security_group.load_balancer[0].id
  port                         = local.port
  admin_port                   = local.admin_port
  idle_timeout_seconds         = var.alb_idle_timeout_seconds
  deregistration_delay_seconds = var.deregistration_delay_seconds
  tls_policy                   = var.tls_policy
  certificate_arn              = var.certificate_arn
  domain_name                  = var.domain_name
  zone_id                      = var.zone_id
  deletion_protection          = var.deletion_protection
  access_logs_bucket           = var.access_logs_bucket

  waf_enabled                             = var.waf_enabled
  waf_stranger_requests_per_5_minutes_max = var.waf_stranger_requests_per_5_minutes_max
  waf_requests_per_5_minutes_max          = var.waf_requests_per_5_minutes_max
  waf_credential_header                   = var.waf_credential_header
}

module "ingress" {
  source = "../service"
  count  = local.is_fargate ? 1 : 0

  name                  = local.name
  role                  = "ingress"
  region                = var.region
  cluster_arn           = aws_ecs_cluster.this.arn
  image                 = "${aws_ecr_repository.this.repository_url}:${var.ingress_image_tag}"
  cpu_units             = var.ingress_cpu_units
  memory_mib            = var.ingress_memory_mib
  environment           = local.ingress_task_environment
  ports                 = [local.port, local.admin_port]
  stop_timeout_seconds  = var.stop_timeout_seconds
  task_role_arn         = aws_iam_role.ingress.arn
  execution_role_arn    = aws_iam_role.execution.arn
  log_group_name        = local.ingress_log_group
  log_retention_days    = var.log_retention_days
  kms_key_arn           = aws_kms_key.this.arn
  subnet_ids            = module.network.private_subnet_ids
  security_group_id     = aws_security_group.ingress[0].id
  target_group_arn      = module.load_balancer[0].target_group_arn
  count_min             = var.ingress_count_min
  wait_for_steady_state = var.wait_for_steady_state

  # Workers first: a worker refuses packs of a later version than its own and leaves them on the queue.
  deploy_after = module.worker.service_id

  # As for workers; and the load balancer must reach the tasks, or it takes them for unhealthy.
  depends_on = [
    aws_iam_role_policy.execution, aws_iam_role_policy.ingress,
    aws_vpc_security_group_ingress_rule.endpoints, aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.gateways,
    aws_vpc_security_group_ingress_rule.ingress, aws_vpc_security_group_egress_rule.load_balancer,
  ]
}

module "function" {
  source = "../function"
  count  = local.is_fargate ? 0 : 1

  name                 = "${local.name}-ingress"
  role_arn             = aws_iam_role.ingress.arn
  zip_path             = var.lambda_zip_path
  s3_object            = var.lambda_s3_object
  memory_mib           = var.lambda_memory_mib
  timeout_seconds      = var.lambda_timeout_seconds
  reserved_concurrency = var.lambda_reserved_concurrency
  environment          = local.function_environment
  alias                = var.lambda_alias
  principals           = var.mparticle_principals != null ? var.mparticle_principals : local.mparticle_principals_us1
  url_auth             = var.lambda_url_auth
  log_group_name       = local.ingress_log_group
  log_retention_days   = var.log_retention_days
  kms_key_arn          = aws_kms_key.this.arn

  depends_on = [aws_iam_role_policy.ingress, module.worker]
}

locals {
  # From mParticle's documentation of outbound integrations.
  mparticle_principals_us1 = ["338661164609", "457804467337"]
}
