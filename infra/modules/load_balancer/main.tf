# HTTPS only: mParticle calls no plain HTTP, so nothing listens on port 80, not even a redirect.
resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [var.security_group_id]

  idle_timeout               = var.idle_timeout_seconds
  enable_http2               = true
  drop_invalid_header_fields = true
  # "strictest" would answer 400 to what it finds odd, and mParticle drops data on a 400. This mode closes such connections
  # towards ingress instead of reusing them.
  desync_mitigation_mode     = "defensive"
  enable_deletion_protection = var.deletion_protection

  dynamic "access_logs" {
    for_each = var.access_logs_bucket == null ? [] : [var.access_logs_bucket]

    content {
      bucket  = access_logs.value
      prefix  = var.name
      enabled = true
    }
  }
}

resource "aws_lb_target_group" "ingress" {
  name        = "${var.name}-ingress"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP" # inside the VPC, between two security groups that admit only each other
  port        = var.port

  load_balancing_algorithm_type = "least_outstanding_requests"
  deregistration_delay          = var.deregistration_delay_seconds

  health_check {
    protocol          = "HTTP"
    port              = tostring(var.admin_port)
    path              = "/readyz"
    matcher           = "200"
    interval          = 5
    timeout           = 2
    healthy_threshold = 2
    # The most. Ingress is not ready while its queue is away, and ECS replaces what is unhealthy: a new task would know no tokens if
    # the secret cannot be read either, where the one before still knew them.
    unhealthy_threshold = 10
  }
}

# Every path is ingress's: which ones exist, and what the others are answered, is decided in one place, there. A fixed response
# here could be a status on which mParticle drops data.
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = var.tls_policy
  certificate_arn   = local.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.ingress.arn
  }
}
