locals {
  retention_seconds_max = floor(var.queue_retention_days * 86400 * var.retention_percent_max / 100)

  # On the dead-letter queue the metric counts from the move, but what SQS itself moved there expires by the time it was first sent.
  # It has been on main or retry for as long as their alarms allow, at worst: the share is one of what is left from then on.
  dead_retention_seconds_max = floor((var.queue_retention_days * 86400 - local.retention_seconds_max) * var.retention_percent_max / 100)

  age_metric = { namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", stat = "Maximum" }

  queue_alarms = {
    main-age = {
      severity   = "page"
      do         = "Messages wait too long on the main queue: see whether workers run, and whether the partner or we are the limit."
      period     = 60
      evaluate   = [5, 5]
      comparison = local.above
      threshold  = var.main_age_seconds_max
      # SQS stops publishing for a queue that nobody used for six hours: then nothing waits in it.
      missing    = "notBreaching"
      expression = null
      metrics    = { age = merge(local.age_metric, { dimensions = local.main }) }
    }

    retry-age = {
      severity   = "ticket"
      do         = "Messages wait on the retry queue beyond their delay: see whether workers keep up with what comes back."
      period     = 60
      evaluate   = [10, 10]
      comparison = local.above
      threshold  = var.retry_age_seconds_max
      missing    = "notBreaching" # as for main-age
      expression = null
      metrics    = { age = merge(local.age_metric, { dimensions = local.retry }) }
    }

    main-retention = {
      severity   = "page"
      do         = "Messages on the main queue have used up half of the time after which SQS deletes them: deliver or save them today."
      period     = 300
      evaluate   = [1, 1]
      comparison = local.above
      threshold  = local.retention_seconds_max
      missing    = "notBreaching" # as for main-age
      expression = null
      metrics    = { age = merge(local.age_metric, { dimensions = local.main }) }
    }

    retry-retention = {
      severity   = "page"
      do         = "Messages on the retry queue have used up half of the time after which SQS deletes them: get workers to run."
      period     = 300
      evaluate   = [1, 1]
      comparison = local.above
      threshold  = local.retention_seconds_max
      missing    = "notBreaching" # as for main-age
      expression = null
      metrics    = { age = merge(local.age_metric, { dimensions = local.retry }) }
    }

    dead-retention = {
      severity   = "page"
      do         = "Dead letters may have used up most of the time after which SQS deletes them for good: redrive them or save them."
      period     = 300
      evaluate   = [1, 1]
      comparison = local.above
      threshold  = local.dead_retention_seconds_max
      missing    = "notBreaching" # as for main-age
      expression = null
      metrics    = { age = merge(local.age_metric, { dimensions = local.dead }) }
    }

    dead-letters = {
      severity   = "ticket"
      do         = "Items were set aside for a person: list the dead letters by reason, mend the cause, redrive."
      period     = 60
      evaluate   = [1, 5] # SQS' numbers come late: a minute that FILL made 0 may have been judged before they are there
      comparison = local.above
      threshold  = 0
      missing    = "notBreaching" # as for main-age
      # Those hidden count too: `dead-letters list` hides what it looks at for up to two minutes.
      expression = "FILL(visible, 0) + FILL(hidden, 0)"
      metrics = {
        visible = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = local.dead }
        hidden  = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesNotVisible", stat = "Maximum", dimensions = local.dead }
      }
    }

    spend = {
      severity   = "ticket"
      do         = "SQS requests cost more than planned: see who makes them, and whether packs are small."
      period     = 3600
      evaluate   = [3, 3]
      comparison = local.above
      threshold  = var.spend_dollars_per_day_max
      missing    = "notBreaching" # nobody publishes, nobody calls SQS
      # A function publishes nothing; each of its invocations is one send, seldom more.
      expression = "(FILL(ingress, 0) + FILL(worker, 0)) * 24 * ${var.sqs_dollars_per_million} / 1000000"
      metrics = {
        ingress = local.ingress_billed_requests
        worker  = { namespace = "Penstock", metric = "QueueBilledRequests", stat = "Sum", dimensions = local.as_worker }
      }
    }
  }

  ingress_billed_requests = local.fargate ? {
    namespace = "Penstock", metric = "QueueBilledRequests", stat = "Sum", dimensions = tomap(local.as_ingress)
    } : {
    namespace = "AWS/Lambda", metric = "Invocations", stat = "Sum", dimensions = tomap(local.function)
  }

  store_alarms = {
    dynamodb-throttled = {
      severity   = "ticket"
      do         = "DynamoDB throttles: see which table, and whether one account's subscriptions are hot."
      period     = 300
      evaluate   = [2, 3]
      comparison = local.above
      threshold  = var.throttles_per_5_minutes_max
      missing    = "notBreaching" # DynamoDB publishes these only when it throttles
      expression = "FILL(subscriptions_reads, 0) + FILL(subscriptions_writes, 0) + FILL(quota_reads, 0) + FILL(quota_writes, 0)"
      metrics = {
        subscriptions_reads  = { namespace = "AWS/DynamoDB", metric = "ReadThrottleEvents", stat = "Sum", dimensions = { TableName = var.subscriptions_table_name } }
        subscriptions_writes = { namespace = "AWS/DynamoDB", metric = "WriteThrottleEvents", stat = "Sum", dimensions = { TableName = var.subscriptions_table_name } }
        quota_reads          = { namespace = "AWS/DynamoDB", metric = "ReadThrottleEvents", stat = "Sum", dimensions = { TableName = var.quota_table_name } }
        quota_writes         = { namespace = "AWS/DynamoDB", metric = "WriteThrottleEvents", stat = "Sum", dimensions = { TableName = var.quota_table_name } }
      }
    }
  }
}
