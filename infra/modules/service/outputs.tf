output "service_name" {
  description = "Name of the service."
  value       = aws_ecs_service.this.name
}

output "service_id" {
  description = "ARN of the service, known once it is deployed."
  value       = aws_ecs_service.this.id
}

output "task_definition_arn" {
  description = "The revision that the service runs."
  value       = aws_ecs_task_definition.this.arn
}

output "log_group_name" {
  description = "Log group of the container."
  value       = aws_cloudwatch_log_group.this.name
}

output "container_definition" {
  description = "The container as ECS gets it."
  value       = local.container
}
