module "worker" {
  source = "../service"

  name                  = local.name
  role                  = "worker"
  region                = var.region
  cluster_arn           = aws_ecs_cluster.this.arn
  image                 = "${aws_ecr_repository.this.repository_url}:${var.worker_image_tag}"
  cpu_units             = var.worker_cpu_units
  memory_mib            = var.worker_memory_mib
  environment           = local.worker_task_environment
  secrets               = var.worker_secrets
  ports                 = [local.admin_port]
  stop_timeout_seconds  = var.stop_timeout_seconds
  task_role_arn         = aws_iam_role.worker.arn
  execution_role_arn    = aws_iam_role.execution.arn
  log_group_name        = local.worker_log_group
  log_retention_days    = var.log_retention_days
  kms_key_arn           = aws_kms_key.this.arn
  subnet_ids            = module.network.egress_subnet_ids
  security_group_id     = aws_security_group.worker.id
  count_min             = var.worker_count_min
  wait_for_steady_state = var.wait_for_steady_state

  # A task that starts before it may reach anything fails, and a first deploy with it.
  depends_on = [
    aws_iam_role_policy.execution, aws_iam_role_policy.worker,
    aws_vpc_security_group_ingress_rule.endpoints, aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.gateways, aws_vpc_security_group_egress_rule.partner,
  ]
}
