# Every alarm is one entry of the maps in alarms_*.tf:
#   severity    page: data is lost, refused or about to be; someone gets up. ticket: someone looks on the next working day.
#   do          one sentence: what to do first
#   period      seconds of one datapoint
#   evaluate    [datapoints that must be bad, datapoints that are looked at]
#   comparison, threshold
#   missing     what a period without data counts as, and why
#   expression  of the metrics below, by their ids; null when there is one metric and it is the value
#   metrics     id → namespace, metric, stat, dimensions
# The key is the alarm's short name: the end of its name, and its section in RUNBOOK.md.
locals {
  fargate = var.ingress_kind == "fargate"

  above    = "GreaterThanThreshold"
  at_least = "GreaterThanOrEqualToThreshold"
  below    = "LessThanThreshold"

  # Dimensions.
  as_ingress = { Pod = var.pod, Role = "ingress" }
  as_worker  = { Pod = var.pod, Role = "worker" }
  main       = { QueueName = var.main_queue_name }
  retry      = { QueueName = var.retry_queue_name }
  dead       = { QueueName = var.dead_queue_name }

  worker_service  = { ClusterName = var.cluster_name, ServiceName = var.worker_service_name }
  ingress_service = { ClusterName = var.cluster_name, ServiceName = var.ingress_service_name }

  balancer     = { LoadBalancer = var.alb_arn_suffix }
  target_group = { LoadBalancer = var.alb_arn_suffix, TargetGroup = var.target_group_arn_suffix }
  # Of the alias, which mParticle invokes; not of the function, which people may try out.
  function = local.fargate ? {} : {
    FunctionName = var.lambda_function_name
    Resource     = "${var.lambda_function_name}:${var.lambda_alias_name}"
  }

  alarms = merge(
    local.queue_alarms,
    local.worker_alarms,
    local.store_alarms,
    { for key, alarm in local.fargate_alarms : key => alarm if local.fargate },
    { for key, alarm in local.lambda_alarms : key => alarm if !local.fargate },
    { for key, alarm in local.certificate_alarms : key => alarm if local.fargate && var.watch_certificate },
  )

  page_arns = [for arn in var.alarm_action_arns : arn]
  # Only topics can be told that all is well again; incident plans are for alarms alone.
  page_topics = [for arn in var.alarm_action_arns : arn if strcontains(arn, ":sns:")]
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.do} ${var.runbook_url}#${each.key}"

  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  datapoints_to_alarm = each.value.evaluate[0]
  evaluation_periods  = each.value.evaluate[1]
  treat_missing_data  = each.value.missing

  alarm_actions = concat([aws_sns_topic.alarms.arn], each.value.severity == "page" ? local.page_arns : [])
  ok_actions    = concat([aws_sns_topic.alarms.arn], each.value.severity == "page" ? local.page_topics : [])

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id          = metric_query.key
      return_data = each.value.expression == null

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        stat        = metric_query.value.stat
        period      = each.value.period
        dimensions  = metric_query.value.dimensions
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.expression == null ? [] : [each.value.expression]

    content {
      id          = "value"
      label       = each.key
      expression  = metric_query.value
      return_data = true
    }
  }

  tags = { Severity = each.value.severity }
}
