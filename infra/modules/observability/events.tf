# What ECS says of single tasks and deployments, which no metric does. ECS itself forgets a stopped task after an hour.
locals {
  cluster_arn    = "arn:${local.partition}:ecs:${var.region}:${local.account}:cluster/${var.cluster_name}"
  service_prefix = "arn:${local.partition}:ecs:${var.region}:${local.account}:service/${var.cluster_name}/"

  rules = {
    task-stops = {
      description = "A task ended by itself: its process ended, ran out of memory, or never started."
      # Stops by a deploy, by scaling in or by a person have other codes.
      pattern = {
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail = {
          clusterArn = [local.cluster_arn]
          lastStatus = ["STOPPED"]
          stopCode   = ["EssentialContainerExited", "TaskFailedToStart"]
        }
      }
      paths = { what = "$.detail.group", code = "$.detail.stopCode", reason = "$.detail.stoppedReason", task = "$.detail.taskArn", container = "$.detail.containers[0].reason", exit = "$.detail.containers[0].exitCode" }
      text  = "A task of <what> ended by itself: <code>, exit code <exit>, <reason> <container>. Task <task>."
    }

    deployments = {
      description = "A deployment failed and was rolled back, or tasks cannot be placed or started."
      pattern = {
        source      = ["aws.ecs"]
        detail-type = ["ECS Deployment State Change", "ECS Service Action"]
        resources   = [{ prefix = local.service_prefix }]
        detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED", "SERVICE_TASK_PLACEMENT_FAILURE", "SERVICE_TASK_START_IMPAIRED", "SERVICE_TASK_CONFIGURATION_FAILURE"] }
      }
      paths = { what = "$.resources[0]", code = "$.detail.eventName", reason = "$.detail.reason" }
      text  = "<what>: <code>. <reason>"
    }
  }
}

resource "aws_cloudwatch_event_rule" "ecs" {
  for_each = local.rules

  name          = "${var.name}-${each.key}"
  description   = "${each.value.description} ${var.runbook_url}#${each.key}"
  event_pattern = jsonencode(each.value.pattern)
}

resource "aws_cloudwatch_event_target" "ecs" {
  for_each = local.rules

  rule      = aws_cloudwatch_event_rule.ecs[each.key].name
  target_id = "alarms"
  arn       = aws_sns_topic.alarms.arn

  input_transformer {
    input_paths = each.value.paths
    # A JSON text. What a path does not find is left empty.
    input_template = "\"${var.name}: ${each.value.text} ${var.runbook_url}#${each.key}\""
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
