locals {
  worker_alarms = {
    unaccounted = {
      severity   = "page"
      do         = "Items are not accounted for, which is a defect of ours: keep the logs, stop deploying, compare the counters task by task."
      period     = 60
      evaluate   = [1, 1] # set under one lock, so that a single value other than 0 is a defect
      comparison = local.above
      threshold  = 0
      missing    = "notBreaching" # worker-silent tells when no worker counts
      # Each task counts for itself; the worst of them, whatever its sign.
      expression = "MAX([ABS(most), ABS(least)])"
      metrics = {
        most  = { namespace = "Penstock", metric = "ItemsUnaccounted", stat = "Maximum", dimensions = local.as_worker }
        least = { namespace = "Penstock", metric = "ItemsUnaccounted", stat = "Minimum", dimensions = local.as_worker }
      }
    }

    worker-silent = {
      severity   = "page"
      do         = "No worker reports: see whether tasks run, and why they stop."
      period     = 60
      evaluate   = [10, 10]
      comparison = local.below
      threshold  = 1
      missing    = "breaching" # silence is what this is about
      expression = null
      metrics    = { reports = { namespace = "Penstock", metric = "ItemsInFlight", stat = "SampleCount", dimensions = local.as_worker } }
    }

    dead-letters-share = {
      severity   = "page"
      do         = "A large share of the items is being dead-lettered: find the reason, and stop or roll back what was changed last."
      period     = 300
      evaluate   = [2, 2]
      comparison = local.above
      threshold  = var.dead_letters_percent_max
      missing    = "notBreaching" # no items, no share
      expression = "IF(received >= ${var.requests_min}, 100 * FILL(dead, 0) / received, 0)"
      metrics = {
        received = { namespace = "Penstock", metric = "ItemsReceived", stat = "Sum", dimensions = local.as_worker }
        dead     = { namespace = "Penstock", metric = "ItemsDeadLettered", stat = "Sum", dimensions = local.as_worker }
      }
    }

    partner-throttled = {
      severity   = "ticket"
      do         = "The partner answers 429: lower [limits] in partner.toml, or ask the partner for more."
      period     = 300
      evaluate   = [3, 3]
      comparison = local.above
      threshold  = var.partner_throttled_percent_max
      missing    = "notBreaching" # no calls, no share
      expression = "IF(calls >= ${var.requests_min}, 100 * FILL(throttled, 0) / calls, 0)"
      metrics = {
        calls     = { namespace = "Penstock", metric = "Calls", stat = "Sum", dimensions = local.as_worker }
        throttled = { namespace = "Penstock", metric = "PartnerThrottled", stat = "Sum", dimensions = local.as_worker }
      }
    }

    partner-failing = {
      severity   = "ticket"
      do         = "Calls to the partner fail: see with which status, and follow the procedure for an outage of the partner."
      period     = 300
      evaluate   = [3, 3]
      comparison = local.above
      threshold  = var.partner_errors_percent_max
      missing    = "notBreaching" # no calls, no share
      # 429 has an alarm of its own.
      expression = "IF(calls >= ${var.requests_min}, 100 * (FILL(errors, 0) - FILL(throttled, 0)) / calls, 0)"
      metrics = {
        calls     = { namespace = "Penstock", metric = "Calls", stat = "Sum", dimensions = local.as_worker }
        errors    = { namespace = "Penstock", metric = "CallErrors", stat = "Sum", dimensions = local.as_worker }
        throttled = { namespace = "Penstock", metric = "PartnerThrottled", stat = "Sum", dimensions = local.as_worker }
      }
    }

    later-packs = {
      severity   = "ticket"
      do         = "Workers find packs of a later version than they read: deploy the workers that ingress is ahead of, today; after hours such packs become dead letters."
      period     = 300
      evaluate   = [1, 1]
      comparison = local.above
      threshold  = 0
      missing    = "notBreaching" # no worker counts: worker-silent tells
      expression = null
      metrics    = { later = { namespace = "Penstock", metric = "PacksLaterVersion", stat = "Sum", dimensions = local.as_worker } }
    }

    worker-tasks = {
      severity   = "page"
      do         = "Fewer workers run than should: read why tasks stop or do not start."
      period     = 60
      evaluate   = [10, 15] # a deploy or a scaling step may be short of tasks for some minutes
      comparison = local.above
      threshold  = 0
      missing    = "breaching" # Container Insights is off or the service is gone: nobody would see tasks fail
      expression = "desired - running"
      metrics = {
        desired = { namespace = "ECS/ContainerInsights", metric = "DesiredTaskCount", stat = "Average", dimensions = local.worker_service }
        running = { namespace = "ECS/ContainerInsights", metric = "RunningTaskCount", stat = "Average", dimensions = local.worker_service }
      }
    }

    worker-capped = {
      severity   = "ticket"
      do         = "All workers that autoscaling may start are running and the backlog still grows: raise worker_count_max."
      period     = 300
      evaluate   = [3, 3]
      comparison = local.at_least
      threshold  = 1
      missing    = "notBreaching" # worker-tasks tells when the counts are missing
      # Not while the partner is the limit: more workers would only wait with the others.
      expression = "IF(running >= ${var.worker_count_max} AND RATE(FILL(main, 0) + FILL(retry, 0)) > 0 AND FILL(limited, 0) < ${var.partner_limited_share_max}, 1, 0)"
      metrics = {
        running = { namespace = "ECS/ContainerInsights", metric = "RunningTaskCount", stat = "Average", dimensions = local.worker_service }
        main    = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = local.main }
        retry   = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = local.retry }
        limited = { namespace = "Penstock", metric = "PartnerLimitedShare", stat = "Average", dimensions = local.as_worker }
      }
    }

    worker-memory = {
      severity   = "ticket"
      do         = "A worker is close to its memory limit: give tasks more memory, or lower what they hold."
      period     = 60
      evaluate   = [10, 15]
      comparison = local.above
      threshold  = var.memory_percent_max
      missing    = "notBreaching" # worker-tasks tells when no task runs
      expression = null
      metrics    = { memory = { namespace = "AWS/ECS", metric = "MemoryUtilization", stat = "Maximum", dimensions = local.worker_service } }
    }

    errors-logged = {
      severity   = "ticket"
      do         = "A process logged an error, which means that someone must act: read the line."
      period     = 300
      evaluate   = [1, 3] # lines may be counted late, after FILL made their period 0
      comparison = local.above
      threshold  = 0
      missing    = "notBreaching" # no line, no error
      expression = "FILL(ingress, 0) + FILL(worker, 0)"
      metrics = {
        ingress = { namespace = local.log_namespace, metric = "ErrorLinesIngress", stat = "Sum", dimensions = {} }
        worker  = { namespace = local.log_namespace, metric = "ErrorLinesWorker", stat = "Sum", dimensions = {} }
      }
    }
  }
}
