# Log lines as metrics. A line of level ERROR means that someone must act.
locals {
  log_namespace = "Penstock/${var.name}"
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = { ErrorLinesIngress = var.log_group_names.ingress, ErrorLinesWorker = var.log_group_names.worker }

  name           = "${var.name}-${each.key}"
  log_group_name = each.value
  pattern        = "{ $.level = \"ERROR\" }"

  metric_transformation {
    namespace = local.log_namespace
    name      = each.key
    value     = "1"
  }
}

# The function logs a line with the status of each message that it did not accept.
resource "aws_cloudwatch_log_metric_filter" "refused" {
  count = local.fargate ? 0 : 1

  name           = "${var.name}-Refused"
  log_group_name = var.log_group_names.ingress
  pattern        = "{ ($.status >= 400) && ($.status < 500) }"

  metric_transformation {
    namespace = local.log_namespace
    name      = "Refused"
    value     = "1"
  }
}
