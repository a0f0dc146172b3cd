output "arn_suffix" {
  description = "What CloudWatch calls the load balancer."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "What CloudWatch calls the target group."
  value       = aws_lb_target_group.ingress.arn_suffix
}

output "target_group_arn" {
  description = "The target group. Known once the listener forwards to it: a service may not use it before."
  value       = aws_lb_target_group.ingress.arn

  depends_on = [aws_lb_listener.https]
}

output "certificate_arn" {
  description = "Certificate that is served."
  value       = local.certificate_arn
}

output "url" {
  description = "What mParticle is to call."
  value       = "https://${coalesce(var.domain_name, aws_lb.this.dns_name)}"
}
