locals {
  # CloudWatch's notation of a metric: namespace, name, dimension, value, …, options.
  ingress_metric = ["Pod", var.pod, "Role", "ingress"]
  worker_metric  = ["Pod", var.pod, "Role", "worker"]

  queues = { main = var.main_queue_name, retry = var.retry_queue_name, dead = var.dead_queue_name }
  tables = { subscriptions = var.subscriptions_table_name, quota = var.quota_table_name }

  worker_tasks = ["ClusterName", var.cluster_name, "ServiceName", var.worker_service_name]

  rows = concat(
    [local.promise_row],
    local.fargate ? [local.fargate_row] : [],
    local.fargate ? [] : [local.lambda_row],
    [local.queues_row, local.worker_row, local.store_row, local.cost_row],
  )

  promise_row = {
    title = "The promise"
    says  = "Every item that came in ends delivered, filtered or dead-lettered, or is still in flight. [Runbook](${var.runbook_url})"
    graphs = [
      {
        title = "Items in", unit = "items a minute", stacked = false, limits = []
        metrics = [
          concat(["Penstock", "ItemsReceived"], local.worker_metric, [{ stat = "Sum", label = "received" }]),
          concat(["Penstock", "ItemsInFlight"], local.worker_metric, [{ stat = "Sum", label = "in flight now" }]),
        ]
      },
      {
        title = "Items out, by how they ended", unit = "items a minute", stacked = true, limits = []
        metrics = [
          for outcome in ["Delivered", "Filtered", "Requeued", "DeadLettered", "Lapsed"] :
          concat(["Penstock", "Items${outcome}"], local.worker_metric, [{ stat = "Sum", label = lower(outcome) }])
        ]
      },
      {
        title  = "Items unaccounted for, worst task", unit = "items", stacked = false
        limits = [{ label = "anything but 0 is a defect", value = 0 }]
        metrics = [
          concat(["Penstock", "ItemsUnaccounted"], local.worker_metric, [{ stat = "Maximum", label = "most" }]),
          concat(["Penstock", "ItemsUnaccounted"], local.worker_metric, [{ stat = "Minimum", label = "least" }]),
        ]
      },
    ]
  }

  fargate_row = {
    title = "Ingress"
    says  = "mParticle allows 100 ms and sends 4xx never again. A quiet load balancer is an alarm, too."
    graphs = [
      {
        title = "Answers", unit = "a minute", stacked = true, limits = []
        metrics = [
          for answer in ["Target_2XX", "Target_4XX", "Target_5XX", "ELB_4XX", "ELB_5XX"] :
          ["AWS/ApplicationELB", "HTTPCode_${answer}_Count", "LoadBalancer", var.alb_arn_suffix, { stat = "Sum", label = answer }]
        ]
      },
      {
        title  = "Time to answer", unit = "seconds", stacked = false
        limits = [{ label = "alarm", value = var.answer_p99_milliseconds_max / 1000 }, { label = "mParticle's limit", value = 0.1 }]
        metrics = [
          ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.alb_arn_suffix, { stat = "p50", label = "p50, balancer" }],
          ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.alb_arn_suffix, { stat = "p99", label = "p99, balancer" }],
          concat(["Penstock", "AnswerSeconds"], local.ingress_metric, [{ stat = "p99", label = "p99, ingress" }]),
        ]
      },
      {
        title = "Tasks", unit = "tasks", stacked = false, limits = []
        metrics = [
          ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", var.cluster_name, "ServiceName", var.ingress_service_name, { stat = "Average", label = "running" }],
          ["ECS/ContainerInsights", "DesiredTaskCount", "ClusterName", var.cluster_name, "ServiceName", var.ingress_service_name, { stat = "Average", label = "desired" }],
          ["AWS/ApplicationELB", "UnHealthyHostCount", "TargetGroup", var.target_group_arn_suffix, "LoadBalancer", var.alb_arn_suffix, { stat = "Maximum", label = "unhealthy" }],
          concat(["Penstock", "Tokens"], local.ingress_metric, [{ stat = "Minimum", label = "tokens known, fewest" }]),
          concat(["Penstock", "QuarantineLost"], local.ingress_metric, [{ stat = "Sum", label = "quarantine lost" }]),
        ]
      },
      {
        title  = "What tasks use", unit = "percent", stacked = false
        limits = [{ label = "alarm, processor", value = var.cpu_percent_max }, { label = "alarm, memory", value = var.memory_percent_max }]
        metrics = [
          ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", var.ingress_service_name, { stat = "Average", label = "processor" }],
          ["AWS/ECS", "MemoryUtilization", "ClusterName", var.cluster_name, "ServiceName", var.ingress_service_name, { stat = "Maximum", label = "memory, fullest" }],
        ]
      },
    ]
  }

  lambda_metric = local.fargate ? [] : ["FunctionName", local.function.FunctionName, "Resource", local.function.Resource]

  lambda_row = {
    title = "Ingress"
    says  = "The alias that mParticle invokes. It allows a function 200 ms; errors and throttles are tried again a limited number of times."
    graphs = [
      {
        title = "Invocations", unit = "a minute", stacked = false, limits = []
        metrics = [
          for metric in ["Invocations", "Errors", "Throttles"] :
          concat(["AWS/Lambda", metric], local.lambda_metric, [{ stat = "Sum", label = lower(metric) }])
        ]
      },
      {
        title  = "Duration", unit = "milliseconds", stacked = false
        limits = [{ label = "alarm", value = var.lambda_p99_milliseconds_max }, { label = "mParticle's limit", value = 200 }]
        metrics = [
          for stat in ["p50", "p99"] :
          concat(["AWS/Lambda", "Duration"], local.lambda_metric, [{ stat = stat, label = stat }])
        ]
      },
      {
        title = "Concurrent executions", unit = "executions", stacked = false, limits = []
        metrics = [
          concat(["AWS/Lambda", "ConcurrentExecutions"], local.lambda_metric, [{ stat = "Maximum", label = "of the alias" }]),
          ["AWS/Lambda", "ConcurrentExecutions", { stat = "Maximum", label = "of the account in this region" }],
        ]
      },
      {
        title = "Messages refused for good", unit = "a minute", stacked = false, limits = []
        metrics = [
          [local.log_namespace, "Refused", { stat = "Sum", label = "refused" }],
        ]
      },
    ]
  }

  queues_row = {
    title = "Queues"
    says  = "main: as stored. retry: failed or held back, per account. dead: waits for a person."
    graphs = [
      {
        title = "Messages that wait", unit = "messages", stacked = false, limits = []
        metrics = [
          for label, name in local.queues :
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name, { stat = "Maximum", label = label }]
        ]
      },
      {
        title  = "Age of the oldest message", unit = "seconds", stacked = false
        limits = [{ label = "alarm, main", value = var.main_age_seconds_max }, { label = "alarm, retry", value = var.retry_age_seconds_max }]
        metrics = [
          for label, name in local.queues :
          ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", name, { stat = "Maximum", label = label }]
        ]
      },
      {
        title = "Sent and deleted", unit = "messages a minute", stacked = false, limits = []
        metrics = concat(
          [for label, name in local.queues : ["AWS/SQS", "NumberOfMessagesSent", "QueueName", name, { stat = "Sum", label = "${label}, sent" }]],
          [for label, name in local.queues : ["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", name, { stat = "Sum", label = "${label}, deleted" }]],
        )
      },
      {
        title  = "In flight and delayed", unit = "messages", stacked = false
        limits = [{ label = "SQS's limit in flight", value = 120000 }]
        metrics = [
          ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.main_queue_name, { stat = "Maximum", label = "main, in flight" }],
          ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.retry_queue_name, { stat = "Maximum", label = "retry, in flight" }],
          ["AWS/SQS", "ApproximateNumberOfMessagesDelayed", "QueueName", var.retry_queue_name, { stat = "Maximum", label = "retry, delayed" }],
        ]
      },
    ]
  }

  worker_row = {
    title = "Worker and partner"
    says  = "Where the share that waits for the partner is near 1, more workers do not help."
    graphs = [
      {
        title = "Calls to the partner", unit = "calls a minute", stacked = false, limits = []
        metrics = [
          for metric, label in { Calls = "all", CallErrors = "failed", PartnerThrottled = "429" } :
          concat(["Penstock", metric], local.worker_metric, [{ stat = "Sum", label = label }])
        ]
      },
      {
        title  = "Share of the work that waits for the partner", unit = "0 to 1", stacked = false
        limits = [{ label = "autoscaling stands still from here on", value = var.partner_limited_share_max }]
        metrics = [
          concat(["Penstock", "PartnerLimitedShare"], local.worker_metric, [{ stat = "Average", label = "share" }]),
        ]
      },
      {
        title  = "Tasks", unit = "tasks", stacked = false
        limits = [{ label = "worker_count_max", value = var.worker_count_max }]
        metrics = [
          concat(["ECS/ContainerInsights", "RunningTaskCount"], local.worker_tasks, [{ stat = "Average", label = "running" }]),
          concat(["ECS/ContainerInsights", "DesiredTaskCount"], local.worker_tasks, [{ stat = "Average", label = "desired" }]),
        ]
      },
      {
        title  = "What tasks use", unit = "percent", stacked = false
        limits = [{ label = "alarm, memory", value = var.memory_percent_max }]
        metrics = [
          concat(["AWS/ECS", "CPUUtilization"], local.worker_tasks, [{ stat = "Average", label = "processor" }]),
          concat(["AWS/ECS", "MemoryUtilization"], local.worker_tasks, [{ stat = "Maximum", label = "memory, fullest" }]),
        ]
      },
    ]
  }

  store_row = {
    title = "Store"
    says  = "DynamoDB, on demand. Answers to mParticle do not depend on it."
    graphs = [
      {
        title = "Capacity consumed", unit = "units a minute", stacked = false, limits = []
        metrics = concat(
          [for label, name in local.tables : ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", name, { stat = "Sum", label = "${label}, reads" }]],
          [for label, name in local.tables : ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", name, { stat = "Sum", label = "${label}, writes" }]],
        )
      },
      {
        title = "Throttled", unit = "a minute", stacked = false, limits = []
        metrics = concat(
          [for label, name in local.tables : ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", name, { stat = "Sum", label = "${label}, reads" }]],
          [for label, name in local.tables : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", name, { stat = "Sum", label = "${label}, writes" }]],
        )
      },
      {
        title = "Latency", unit = "milliseconds", stacked = false, limits = []
        metrics = [
          for operation in ["GetItem", "UpdateItem", "Query"] :
          ["AWS/DynamoDB", "SuccessfulRequestLatency", "TableName", var.subscriptions_table_name, "Operation", operation, { stat = "Average", label = operation }]
        ]
      },
    ]
  }

  cost_row = {
    title = "Cost"
    says  = "Of SQS requests at list price, as billed: one for each call, and one more for each further 64 KiB."
    graphs = [
      {
        title = "SQS requests as billed", unit = "a minute", stacked = true, limits = []
        metrics = [
          concat(["Penstock", "QueueBilledRequests"], local.worker_metric, [{ stat = "Sum", label = "worker" }]),
          concat(["Penstock", "QueueBilledRequests"], local.ingress_metric, [{ stat = "Sum", label = "ingress" }]),
        ]
      },
      {
        title  = "Spend at this pace", unit = "dollars a day", stacked = false
        limits = [{ label = "alarm", value = var.spend_dollars_per_day_max }]
        metrics = [
          [{ expression = "(FILL(ingress, 0) + FILL(worker, 0)) * 1440 * ${var.sqs_dollars_per_million} / 1000000", label = "dollars a day", id = "dollars" }],
          concat(["Penstock", "QueueBilledRequests"], local.worker_metric, [{ stat = "Sum", id = "worker", visible = false }]),
          concat(local.ingress_billed_as_list, [{ stat = "Sum", id = "ingress", visible = false }]),
        ]
      },
    ]
  }

  ingress_billed_as_list = local.fargate ? concat(["Penstock", "QueueBilledRequests"], local.ingress_metric) : concat(["AWS/Lambda", "Invocations"], local.lambda_metric)
}
