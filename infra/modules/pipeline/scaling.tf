# Ingress follows requests and CPU, whichever asks for more tasks.

resource "aws_appautoscaling_target" "ingress" {
  count = local.is_fargate ? 1 : 0

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${module.ingress[0].service_name}"
  min_capacity       = var.ingress_count_min
  max_capacity       = var.ingress_count_max
}

resource "aws_appautoscaling_policy" "ingress_requests" {
  count = local.is_fargate ? 1 : 0

  name               = "${local.name}-ingress-requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.ingress[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.ingress[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.ingress[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.ingress_requests_per_second_per_task * 60 # the metric counts a minute
    scale_out_cooldown = 30
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${module.load_balancer[0].arn_suffix}/${module.load_balancer[0].target_group_arn_suffix}"
    }
  }
}

resource "aws_appautoscaling_policy" "ingress_cpu" {
  count = local.is_fargate ? 1 : 0

  name               = "${local.name}-ingress-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.ingress[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.ingress[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.ingress[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.ingress_cpu_percent
    scale_out_cooldown = 30
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
