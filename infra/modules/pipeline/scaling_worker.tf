# Workers follow the seconds of backlog, and nothing at all while the partner is the limit.
#
#   seconds of backlog = messages visible on main and retry ÷ messages that the fleet settles in a second
#
# - Messages that are delayed until they are due are not visible, so retries in the future ask for no workers.
# - Nothing settled (a start, a stall) would divide by zero: one message a second is assumed at least. A few messages at night are then
#   a few seconds of backlog; thousands that nobody settles are thousands.
# - While the share of the workers' work that waits because the partner said so (429, Retry-After) is at or above the limit, the metric
#   is exactly its target, and target tracking neither adds nor takes away. More workers could not deliver more then, and fewer would
#   have to come back when the partner opens again. The limits of partner.toml do not count: they are each worker's own, the partner's
#   limit divided by worker_count_max, so that each further worker delivers more.
# - Workers' metrics arrive a little later than SQS's: a minute that lacks them counts as the minute before. Taken for nothing settled,
#   it would look like a stall. Without any worker there are no points at all and nothing is scaled: the least number starts by
#   itself, publishes within a minute, and is followed from then on.
#
# Backlog alone would take workers away as long as they keep up, until they no longer do. So there is a second policy, on CPU: ECS
# takes away only when both agree. It too stands still while the partner is the limit.
#
# A worker that is taken away is one that is not protected: while it holds messages it asks ECS to be spared.

locals {
  worker_settled_per_minute_min = 60

  worker_is_limited = "FILL(limited, REPEAT) >= ${var.partner_limited_share_max}"

  worker_scaling = {
    backlog = {
      target     = var.worker_backlog_seconds
      label      = "Seconds of backlog"
      expression = "IF(${local.worker_is_limited}, ${var.worker_backlog_seconds}, (main + retry) / (IF(FILL(settled, REPEAT) > ${local.worker_settled_per_minute_min}, FILL(settled, REPEAT), ${local.worker_settled_per_minute_min}) / 60))"
      metrics = {
        main    = local.worker_metrics.main
        retry   = local.worker_metrics.retry
        settled = local.worker_metrics.settled
        limited = local.worker_metrics.limited
      }
    }
    cpu = {
      target     = var.worker_cpu_percent
      label      = "CPU that is not spent waiting"
      expression = "IF(${local.worker_is_limited}, ${var.worker_cpu_percent}, cpu)"
      metrics = {
        cpu     = local.worker_metrics.cpu
        limited = local.worker_metrics.limited
      }
    }
  }

  worker_metrics = {
    main    = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Average", dimensions = { QueueName = aws_sqs_queue.main.name } }
    retry   = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Average", dimensions = { QueueName = aws_sqs_queue.retry.name } }
    settled = { namespace = "Penstock", name = "MessagesSettled", stat = "Sum", dimensions = { Pod = var.pod, Role = "worker" } }
    limited = { namespace = "Penstock", name = "PartnerLimitedShare", stat = "Average", dimensions = { Pod = var.pod, Role = "worker" } }
    cpu     = { namespace = "AWS/ECS", name = "CPUUtilization", stat = "Average", dimensions = { ClusterName = aws_ecs_cluster.this.name, ServiceName = module.worker.service_name } }
  }
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${module.worker.service_name}"
  min_capacity       = var.worker_count_min
  max_capacity       = var.worker_count_max
}

resource "aws_appautoscaling_policy" "worker" {
  for_each = local.worker_scaling

  name               = "${local.name}-worker-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60  # about what a task takes to start and settle its first messages
    scale_in_cooldown  = 300 # a worker that is taken away drains, which costs the others its messages

    customized_metric_specification {
      dynamic "metrics" {
        for_each = each.value.metrics

        content {
          id          = metrics.key
          return_data = false

          metric_stat {
            stat = metrics.value.stat

            metric {
              namespace   = metrics.value.namespace
              metric_name = metrics.value.name

              dynamic "dimensions" {
                for_each = metrics.value.dimensions

                content {
                  name  = dimensions.key
                  value = dimensions.value
                }
              }
            }
          }
        }
      }

      metrics {
        id          = "result"
        label       = each.value.label
        expression  = each.value.expression
        return_data = true
      }
    }
  }
}
