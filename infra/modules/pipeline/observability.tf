# What is watched, and who is told. The thresholds have defaults in the module; those that depend on a partner are variables here.
module "observability" {
  source = "../observability"

  name                     = local.name
  pod                      = var.pod
  region                   = var.region
  main_queue_name          = aws_sqs_queue.main.name
  retry_queue_name         = aws_sqs_queue.retry.name
  dead_queue_name          = aws_sqs_queue.dead.name
  subscriptions_table_name = aws_dynamodb_table.subscriptions.name
  quota_table_name         = aws_dynamodb_table.quota.name
  cluster_name             = aws_ecs_cluster.this.name
  worker_service_name      = module.worker.service_name
  ingress_kind             = var.ingress_kind
  ingress_service_name     = local.is_fargate ? module.ingress[0].service_name : null
  alb_arn_suffix           = local.is_fargate ? module.load_balancer[0].arn_suffix : null
  target_group_arn_suffix  = local.is_fargate ? module.load_balancer[0].target_group_arn_suffix : null
  certificate_arn          = local.is_fargate ? module.load_balancer[0].certificate_arn : null
  watch_certificate        = local.is_fargate
  lambda_function_name     = local.is_fargate ? null : module.function[0].function_name
  lambda_alias_name        = local.is_fargate ? null : module.function[0].alias_name
  log_group_names          = local.log_group_names

  queue_retention_days      = var.queue_retention_days
  worker_count_max          = var.worker_count_max
  partner_limited_share_max = var.partner_limited_share_max
  spend_dollars_per_day_max = var.spend_dollars_per_day_max
  requests_expected         = var.requests_expected
  alarm_email_addresses     = var.alarm_email_addresses
  alarm_action_arns         = var.alarm_action_arns
  runbook_url               = var.runbook_url
  kms_key_arn               = aws_kms_key.this.arn
}

output "dashboard_name" {
  description = "The CloudWatch dashboard."
  value       = module.observability.dashboard_name
}

output "alarm_topic_arn" {
  description = "Topic of every alarm. Subscribe whoever is on call."
  value       = module.observability.alarm_topic_arn
}
