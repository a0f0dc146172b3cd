output "main_queue_url" {
  description = "URL of the main queue."
  value       = aws_sqs_queue.main.url
}

output "retry_queue_url" {
  description = "URL of the retry queue."
  value       = aws_sqs_queue.retry.url
}

output "dead_queue_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead.url
}

output "main_queue_arn" {
  description = "ARN of the main queue."
  value       = aws_sqs_queue.main.arn
}

output "retry_queue_arn" {
  description = "ARN of the retry queue."
  value       = aws_sqs_queue.retry.arn
}

output "dead_queue_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead.arn
}

output "subscriptions_table_name" {
  description = "Table of subscriptions and suspended accounts."
  value       = aws_dynamodb_table.subscriptions.name
}

output "quota_table_name" {
  description = "Table of the fleet's shares of rate limits."
  value       = aws_dynamodb_table.quota.name
}

output "spill_bucket_name" {
  description = "Bucket of bodies that the queue cannot hold."
  value       = aws_s3_bucket.spill.bucket
}

output "tokens_secret_arn" {
  description = "Secret to put mParticle's tokens into."
  value       = aws_secretsmanager_secret.tokens.arn
}

output "repository_url" {
  description = "Where to push images."
  value       = aws_ecr_repository.this.repository_url
}

output "ingress_kind" {
  description = "fargate or lambda."
  value       = var.ingress_kind
}

output "ingress_url" {
  description = "What mParticle is to call; null for a function without a URL."
  value       = local.is_fargate ? module.load_balancer[0].url : module.function[0].url
}

output "cluster_name" {
  description = "The ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "ingress_task_definition_arn" {
  description = "The revision that ingress runs; null for lambda."
  value       = local.is_fargate ? module.ingress[0].task_definition_arn : null
}

output "worker_task_definition_arn" {
  description = "The revision that workers run."
  value       = module.worker.task_definition_arn
}

output "ingress_role_name" {
  description = "Role of the ingress process."
  value       = aws_iam_role.ingress.name
}

output "worker_role_name" {
  description = "Role of the worker process."
  value       = aws_iam_role.worker.name
}

output "lambda_alias_arn" {
  description = "What mParticle is to invoke; null for fargate."
  value       = local.is_fargate ? null : module.function[0].alias_arn
}

output "log_group_names" {
  description = "Log groups of the two roles."
  value       = local.log_group_names
}

output "nat_public_ips" {
  description = "Addresses that the partner sees calls come from, for its allow-lists."
  value       = module.network.nat_public_ips
}
