output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "alias_name" {
  description = "Name of the alias."
  value       = aws_lambda_alias.this.name
}

output "alias_arn" {
  description = "What mParticle is to invoke."
  value       = aws_lambda_alias.this.arn
}

output "url" {
  description = "The function's URL; null without one."
  value       = one(aws_lambda_function_url.this[*].function_url)
}

output "log_group_name" {
  description = "Log group of the function."
  value       = aws_cloudwatch_log_group.this.name
}

output "invokers" {
  description = "Accounts that may invoke the alias."
  value       = [for it in aws_lambda_permission.mparticle : it.principal]
}
