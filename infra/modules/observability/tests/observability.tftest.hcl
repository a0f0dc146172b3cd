# Nothing here talks to AWS. Applied, as links and the dashboard name things that are known only then.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111122223333:penstock-us1-alarms" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:penstock-us1-mocked" }
  }
}

variables {
  name                     = "penstock-us1"
  pod                      = "us1"
  region                   = "us-east-1"
  main_queue_name          = "penstock-us1-main"
  retry_queue_name         = "penstock-us1-retry"
  dead_queue_name          = "penstock-us1-dead"
  subscriptions_table_name = "penstock-us1-subscriptions"
  quota_table_name         = "penstock-us1-quota"
  cluster_name             = "penstock-us1"
  worker_service_name      = "penstock-us1-worker"
  log_group_names          = { ingress = "/penstock/us1/ingress", worker = "/penstock/us1/worker" }
  queue_retention_days     = 14
  worker_count_max         = 20
  requests_expected        = true
  runbook_url              = "https://example.com/penstock/RUNBOOK.md"
  kms_key_arn              = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  alarm_email_addresses    = ["oncall@example.com"]
  alarm_action_arns        = ["arn:aws:sns:us-east-1:111122223333:pager", "arn:aws:ssm-incidents::111122223333:response-plan/penstock"]

  spend_dollars_per_day_max = 100
  partner_limited_share_max = 0.5

  ingress_kind            = "fargate"
  ingress_service_name    = "penstock-us1-ingress"
  alb_arn_suffix          = "app/penstock-us1/0123456789abcdef"
  target_group_arn_suffix = "targetgroup/penstock-us1/0123456789abcdef"
  certificate_arn         = "arn:aws:acm:us-east-1:111122223333:certificate/11111111-2222-3333-4444-555555555555"
  watch_certificate       = true
}

run "fargate" {
  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : endswith(alarm.alarm_description, " ${var.runbook_url}#${key}")])
    error_message = "An alarm's description does not end with its link into the runbook."
  }

  assert {
    condition = alltrue([
      for key in concat(keys(aws_cloudwatch_metric_alarm.this), keys(aws_cloudwatch_event_rule.ecs)) :
      can(regex("(?m)^### ${key}$", file("../../RUNBOOK.md")))
    ])
    error_message = "The runbook has no section for: ${join(", ", [
      for key in concat(keys(aws_cloudwatch_metric_alarm.this), keys(aws_cloudwatch_event_rule.ecs)) : key
      if !can(regex("(?m)^### ${key}$", file("../../RUNBOOK.md")))
    ])}."
  }

  # A sentence that says what to do, not only a link; SNS subjects and the console cut what is longer.
  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      length(split(" ", alarm.alarm_description)) >= 8 && length(alarm.alarm_description) <= 400
    ])
    error_message = "An alarm's description says too little or too much."
  }

  assert {
    condition = alltrue([for key in [
      "main-age", "retry-age", "dead-letters", "dead-letters-share", "main-retention", "retry-retention", "dead-retention",
      "unaccounted", "worker-silent", "worker-tasks", "worker-capped", "worker-memory", "partner-throttled", "partner-failing", "later-packs",
      "dynamodb-throttled", "spend", "errors-logged", "ingress-5xx", "ingress-4xx", "ingress-slow", "ingress-quiet",
      "ingress-tasks", "ingress-unhealthy", "ingress-cpu", "ingress-memory", "tokens", "quarantine-lost", "certificate",
    ] : output.alarm_names[key] == "penstock-us1-${key}"])
    error_message = "An alarm is missing, or has another name."
  }

  assert {
    condition     = length([for key in keys(output.alarm_names) : key if startswith(key, "lambda-")]) == 0
    error_message = "There are alarms on a function that there is not."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : contains(["breaching", "notBreaching", "ignore"], alarm.treat_missing_data)])
    error_message = "An alarm leaves open what missing data means."
  }

  # Exactly one value an alarm, no more than the ten metrics that CloudWatch allows, ids as it wants them.
  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : (
      length([for query in alarm.metric_query : query if query.return_data]) == 1 && length(alarm.metric_query) <= 10
      && alltrue([for query in alarm.metric_query : can(regex("^[a-z][a-zA-Z0-9_]*$", query.id))])
    )])
    error_message = "An alarm's metrics are not what CloudWatch takes."
  }

  # What the processes publish; a metric that nobody publishes makes an alarm that never goes off.
  assert {
    condition = length(setsubtract(
      concat(
        flatten([for alarm in aws_cloudwatch_metric_alarm.this : [for query in alarm.metric_query : [for metric in query.metric : metric.metric_name if metric.namespace == "Penstock"]]]),
        flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : metric[1] if try(metric[0] == "Penstock", false)]]),
      ),
      [
        "Requests", "ServerErrors", "ClientErrors", "AnswerSeconds", "QuarantineLost", "Tokens", "FallbackFirst", "QueueBilledRequests",
        "ItemsReceived", "ItemsDelivered", "ItemsFiltered", "ItemsRequeued", "ItemsDeadLettered", "ItemsLapsed", "ItemsInFlight", "ItemsUnaccounted",
        "MessagesSettled", "PartnerLimitedShare", "CallErrors", "Calls", "PartnerThrottled", "PacksLaterVersion",
      ],
    )) == 0
    error_message = "An alarm or a graph uses a metric that no process publishes."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["main-retention"].threshold == 14 * 86400 / 2
    error_message = "Half of the retention of 14 days is seven days."
  }

  # A message that SQS moved after seven days has seven left, and its age on the dead-letter queue begins at 0.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["dead-retention"].threshold == 14 * 86400 / 4
    error_message = "Half of what is left after half of the retention is three and a half days."
  }

  # A metric that comes late must still find its period looked at.
  assert {
    condition = alltrue([for key in ["dead-letters", "errors-logged"] :
      aws_cloudwatch_metric_alarm.this[key].datapoints_to_alarm == 1 && aws_cloudwatch_metric_alarm.this[key].evaluation_periods > 1
    ])
    error_message = "An alarm on a sum of filled metrics looks at the last period alone."
  }

  # One pack of a later version, or one item unaccounted for, is enough.
  assert {
    condition = alltrue([for key, seconds in { later-packs = 300, unaccounted = 60 } : (
      aws_cloudwatch_metric_alarm.this[key].threshold == 0
      && aws_cloudwatch_metric_alarm.this[key].comparison_operator == "GreaterThanThreshold"
      && aws_cloudwatch_metric_alarm.this[key].datapoints_to_alarm == 1
      && aws_cloudwatch_metric_alarm.this[key].evaluation_periods == 1
      && alltrue(flatten([for query in aws_cloudwatch_metric_alarm.this[key].metric_query : [for metric in query.metric : metric.period == seconds]]))
    )])
    error_message = "A single later pack or item unaccounted for goes unnoticed."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["later-packs"].tags.Severity == "ticket"
    error_message = "Later packs wait for hours: a ticket is enough."
  }

  # Everybody hears of everything on the topic; the pager hears of pages alone, and only topics hear that all is well.
  assert {
    condition = (
      length(aws_cloudwatch_metric_alarm.this["unaccounted"].alarm_actions) == 3
      && length(aws_cloudwatch_metric_alarm.this["unaccounted"].ok_actions) == 2
      && toset(aws_cloudwatch_metric_alarm.this["spend"].alarm_actions) == toset([output.alarm_topic_arn])
    )
    error_message = "Alarms do not go to whom they should."
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.kms_key_arn
    error_message = "The topic is not encrypted with the key that was given."
  }

  assert {
    condition = (
      toset([for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : statement.Principal.Service])
      == toset(["cloudwatch.amazonaws.com", "events.amazonaws.com"])
      && alltrue([for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : statement.Action == "sns:Publish"])
      && jsondecode(aws_sns_topic_policy.alarms.policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333"
    )
    error_message = "Others than CloudWatch and EventBridge may publish to the topic."
  }

  # A deploy's own stops are no alarm.
  assert {
    condition = (
      jsondecode(aws_cloudwatch_event_rule.ecs["task-stops"].event_pattern).detail.stopCode == ["EssentialContainerExited", "TaskFailedToStart"]
      && jsondecode(aws_cloudwatch_event_rule.ecs["task-stops"].event_pattern).detail.clusterArn == ["arn:aws:ecs:us-east-1:111122223333:cluster/penstock-us1"]
    )
    error_message = "The rule on stopped tasks looks at other tasks, or at other stops."
  }

  assert {
    condition     = alltrue([for key, target in aws_cloudwatch_event_target.ecs : strcontains(jsondecode(target.input_transformer[0].input_template), "${var.runbook_url}#${key}")])
    error_message = "What ECS says comes without its link, or is no JSON text."
  }

  assert {
    condition = alltrue([
      for name in [var.main_queue_name, var.retry_queue_name, var.dead_queue_name] :
      strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"QueueName\",\"${name}\"")
    ])
    error_message = "The dashboard leaves out a queue."
  }

  assert {
    condition = [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : split("\n", widget.properties.markdown)[0] if widget.type == "text"] == [
      "## The promise", "## Ingress", "## Queues", "## Worker and partner", "## Store", "## Cost",
    ]
    error_message = "The dashboard has other rows."
  }

  # Nothing lies on something else, and nothing hangs over the edge of 24 columns.
  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.x + widget.width <= 24
      ]) && length(distinct([
        for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x}/${widget.y}"
    ])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
    error_message = "Graphs overlap."
  }

  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "AWS/Lambda")
    error_message = "The dashboard shows a function that there is not."
  }
}

run "lambda" {
  variables {
    ingress_kind            = "lambda"
    ingress_service_name    = null
    alb_arn_suffix          = null
    target_group_arn_suffix = null
    certificate_arn         = null
    watch_certificate       = false
    lambda_function_name    = "penstock-us1-ingress"
    lambda_alias_name       = "production"
  }

  assert {
    condition = alltrue([
      for key in keys(aws_cloudwatch_metric_alarm.this) : can(regex("(?m)^### ${key}$", file("../../RUNBOOK.md")))
    ])
    error_message = "The runbook has no section for: ${join(", ", [
      for key in keys(aws_cloudwatch_metric_alarm.this) : key if !can(regex("(?m)^### ${key}$", file("../../RUNBOOK.md")))
    ])}."
  }

  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : endswith(alarm.alarm_description, " ${var.runbook_url}#${key}")])
    error_message = "An alarm's description does not end with its link into the runbook."
  }

  assert {
    condition = toset([for key in keys(output.alarm_names) : key if startswith(key, "ingress-") || startswith(key, "lambda-")]) == toset([
      "ingress-quiet", "lambda-errors", "lambda-refused", "lambda-slow", "lambda-throttled",
    ])
    error_message = "A function has other alarms."
  }

  # Of the alias: what people try out on the function itself is not mParticle's.
  assert {
    condition = alltrue([
      for query in aws_cloudwatch_metric_alarm.this["lambda-slow"].metric_query :
      one(query.metric).dimensions == tomap({ FunctionName = "penstock-us1-ingress", Resource = "penstock-us1-ingress:production" })
      if length(query.metric) == 1
    ])
    error_message = "The alarms look at something else than the alias."
  }

  assert {
    condition = (
      !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "AWS/ApplicationELB")
      && strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"penstock-us1-ingress:production\"")
      && length([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget if widget.type == "text"]) == 6
    )
    error_message = "The dashboard does not show the function."
  }
}

run "quiet_is_no_alarm_before_mparticle_sends" {
  variables {
    requests_expected = false
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["ingress-quiet"].treat_missing_data == "notBreaching"
    error_message = "Silence is an alarm although nobody is expected to send."
  }
}

run "kind_and_names_belong_together" {
  command = plan

  variables {
    ingress_kind = "lambda"
  }

  expect_failures = [
    var.ingress_service_name, var.alb_arn_suffix, var.target_group_arn_suffix, var.lambda_function_name, var.lambda_alias_name,
  ]
}

run "thresholds_are_checked" {
  command = plan

  variables {
    answer_p99_milliseconds_max = 250
    retry_age_seconds_max       = 600
    retention_percent_max       = 100
    runbook_url                 = "http://example.com/RUNBOOK.md#x"
  }

  expect_failures = [
    var.answer_p99_milliseconds_max, var.retry_age_seconds_max, var.retention_percent_max, var.runbook_url,
  ]
}
