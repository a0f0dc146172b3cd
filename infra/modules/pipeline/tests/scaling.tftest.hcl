# When there are more tasks, and when there are not.

mock_provider "aws" {
  source = "../../tests/mocks"

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
}

variables {
  pod                = "us1"
  region             = "us-east-1"
  availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  vpc_cidr           = "10.64.0.0/20"
  domain_name        = "us1.penstock.example.com"
  zone_id            = "Z0123456789EXAMPLE"
  ingress_image_tag  = "v1"
  worker_image_tag   = "v1"
  runbook_url        = "https://example.com/penstock/RUNBOOK.md"
}
run "workers_follow_seconds_of_backlog" {
  assert {
    condition     = local.worker_scaling.backlog.expression == "IF(FILL(limited, REPEAT) >= 0.5, 30, (main + retry) / (IF(FILL(settled, REPEAT) > 60, FILL(settled, REPEAT), 60) / 60))"
    error_message = "The maths changed: ${local.worker_scaling.backlog.expression}"
  }

  assert {
    condition = tomap({ for it in aws_appautoscaling_policy.worker["backlog"].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : it.id =>
      join(" ", concat(flatten([for stat in it.metric_stat : [stat.stat, [for metric in stat.metric : concat([metric.namespace, metric.metric_name], sort([for dimension in metric.dimensions : "${dimension.name}=${dimension.value}"]))]]]), [tostring(it.return_data)]))
      }) == tomap({
      main    = "Average AWS/SQS ApproximateNumberOfMessagesVisible QueueName=penstock-us1-main false"
      retry   = "Average AWS/SQS ApproximateNumberOfMessagesVisible QueueName=penstock-us1-retry false"
      settled = "Sum Penstock MessagesSettled Pod=us1 Role=worker false"
      limited = "Average Penstock PartnerLimitedShare Pod=us1 Role=worker false"
      result  = "true"
    })
    error_message = "The maths is given other metrics than it names."
  }
}

run "cpu_only_keeps_workers_from_being_taken_away" {
  assert {
    condition     = local.worker_scaling.cpu.expression == "IF(FILL(limited, REPEAT) >= 0.5, 60, cpu)"
    error_message = "The maths changed: ${local.worker_scaling.cpu.expression}"
  }

  assert {
    condition = tomap({ for it in aws_appautoscaling_policy.worker["cpu"].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : it.id =>
      join(" ", concat(flatten([for stat in it.metric_stat : [stat.stat, [for metric in stat.metric : concat([metric.namespace, metric.metric_name], sort([for dimension in metric.dimensions : "${dimension.name}=${dimension.value}"]))]]]), [tostring(it.return_data)]))
      }) == tomap({
      cpu     = "Average AWS/ECS CPUUtilization ClusterName=penstock-us1 ServiceName=penstock-us1-worker false"
      limited = "Average Penstock PartnerLimitedShare Pod=us1 Role=worker false"
      result  = "true"
    })
    error_message = "The maths is given other metrics than it names."
  }
}

# Exactly the target: anything else would add or take away while the partner is the limit.
run "while_the_partner_is_the_limit_every_policy_stands_still" {
  variables {
    worker_backlog_seconds    = 45
    worker_cpu_percent        = 55
    partner_limited_share_max = 0.25
  }

  assert {
    condition     = { for key, it in local.worker_scaling : key => startswith(it.expression, "IF(FILL(limited, REPEAT) >= 0.25, ${it.target}, ") } == { backlog = true, cpu = true }
    error_message = "A limited fleet is not held at the target: ${jsonencode(local.worker_scaling)}"
  }

  assert {
    condition     = { for key, it in aws_appautoscaling_policy.worker : key => it.target_tracking_scaling_policy_configuration[0].target_value } == { backlog = 45, cpu = 55 }
    error_message = "The policies have other targets than their maths."
  }

  assert {
    condition     = { for key, it in aws_appautoscaling_policy.worker : key => one([for metric in it.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : metric.expression if metric.return_data]) == local.worker_scaling[key].expression } == { backlog = true, cpu = true }
    error_message = "The policies evaluate something else than the maths."
  }
}

run "ingress_follows_requests_and_cpu" {
  assert {
    condition     = aws_appautoscaling_policy.ingress_requests[0].target_tracking_scaling_policy_configuration[0].target_value == 90000
    error_message = "1500 requests a second are 90000 a minute, which is what the metric counts."
  }

  assert {
    condition     = aws_appautoscaling_policy.ingress_requests[0].target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].resource_label == "app/penstock-us1/0123456789abcdef/targetgroup/penstock-us1-ingress/0123456789abcdef"
    error_message = "The label names load balancer and target group."
  }

  assert {
    condition     = aws_appautoscaling_policy.ingress_cpu[0].target_tracking_scaling_policy_configuration[0].target_value == 40
    error_message = "CPU has its target."
  }
}

run "the_two_scale_apart" {
  variables {
    ingress_count_min = 4
    ingress_count_max = 8
    worker_count_min  = 1
    worker_count_max  = 16
  }

  assert {
    condition     = [aws_appautoscaling_target.ingress[0].min_capacity, aws_appautoscaling_target.ingress[0].max_capacity, aws_appautoscaling_target.ingress[0].resource_id] == [4, 8, "service/penstock-us1/penstock-us1-ingress"]
    error_message = "Ingress has its own bounds."
  }

  assert {
    condition     = [aws_appautoscaling_target.worker.min_capacity, aws_appautoscaling_target.worker.max_capacity, aws_appautoscaling_target.worker.resource_id] == [1, 16, "service/penstock-us1/penstock-us1-worker"]
    error_message = "Workers have their own bounds."
  }
}
