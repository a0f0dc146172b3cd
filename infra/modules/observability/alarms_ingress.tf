locals {
  fargate_alarms = {
    ingress-5xx = {
      severity   = "page"
      do         = "mParticle gets 5xx and tries again only a limited number of times: find out whether the queue, the load or the tasks are the cause."
      period     = 60
      evaluate   = [3, 5]
      comparison = local.above
      threshold  = var.server_errors_percent_max
      missing    = "notBreaching" # no requests, no share; ingress-quiet tells of none
      # What the load balancer answers itself (no healthy task, a broken connection) is not in RequestCount.
      expression = "IF(FILL(requests, 0) + FILL(by_balancer, 0) >= ${var.requests_min}, 100 * (FILL(by_ingress, 0) + FILL(by_balancer, 0)) / (FILL(requests, 0) + FILL(by_balancer, 0)), 0)"
      metrics = {
        requests    = { namespace = "AWS/ApplicationELB", metric = "RequestCount", stat = "Sum", dimensions = local.balancer }
        by_ingress  = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", stat = "Sum", dimensions = local.balancer }
        by_balancer = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", stat = "Sum", dimensions = local.balancer }
      }
    }

    ingress-4xx = {
      severity   = "page"
      do         = "mParticle may get 4xx, which loses that data for good: see whether it is 401, 400 or 413, and whether it is mParticle."
      period     = 300
      evaluate   = [2, 3]
      comparison = local.above
      threshold  = var.client_errors_percent_max
      missing    = "notBreaching" # no requests, no share
      # What a web application firewall blocks counts as the balancer's.
      expression = "IF(FILL(requests, 0) + FILL(by_balancer, 0) >= ${var.requests_min}, 100 * (FILL(by_ingress, 0) + FILL(by_balancer, 0)) / (FILL(requests, 0) + FILL(by_balancer, 0)), 0)"
      metrics = {
        requests    = { namespace = "AWS/ApplicationELB", metric = "RequestCount", stat = "Sum", dimensions = local.balancer }
        by_ingress  = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_4XX_Count", stat = "Sum", dimensions = local.balancer }
        by_balancer = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_4XX_Count", stat = "Sum", dimensions = local.balancer }
      }
    }

    ingress-slow = {
      severity   = "page"
      do         = "Answers take longer than mParticle allows: see whether SQS is slow or ingress is short of processor time."
      period     = 60
      evaluate   = [3, 5]
      comparison = local.above
      threshold  = var.answer_p99_milliseconds_max
      missing    = "notBreaching" # no requests, no time
      expression = "IF(FILL(requests, 0) >= ${var.requests_min}, 1000 * p99, 0)"
      metrics = {
        requests = { namespace = "AWS/ApplicationELB", metric = "RequestCount", stat = "Sum", dimensions = local.balancer }
        p99      = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", stat = "p99", dimensions = local.balancer }
      }
    }

    ingress-quiet = merge(local.quiet_alarm, {
      expression = null
      # Answers 2xx, as strangers who try doors would hide silence in RequestCount.
      metrics = { taken = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_2XX_Count", stat = "Sum", dimensions = local.balancer } }
    })

    ingress-tasks = {
      severity   = "page"
      do         = "Fewer ingress tasks run than should: read why tasks stop or do not start."
      period     = 60
      evaluate   = [10, 15] # a deploy or a scaling step may be short of tasks for some minutes
      comparison = local.above
      threshold  = 0
      missing    = "breaching" # Container Insights is off or the service is gone: nobody would see tasks fail
      expression = "desired - running"
      metrics = {
        desired = { namespace = "ECS/ContainerInsights", metric = "DesiredTaskCount", stat = "Average", dimensions = local.ingress_service }
        running = { namespace = "ECS/ContainerInsights", metric = "RunningTaskCount", stat = "Average", dimensions = local.ingress_service }
      }
    }

    ingress-unhealthy = {
      severity   = "page"
      do         = "Ingress tasks fail their health check: they are not ready because SQS cannot be reached, or because they hang."
      period     = 60
      evaluate   = [5, 5]
      comparison = local.at_least
      threshold  = 1
      missing    = "notBreaching" # no task is registered: ingress-tasks tells
      expression = null
      metrics    = { unhealthy = { namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", stat = "Maximum", dimensions = local.target_group } }
    }

    ingress-cpu = {
      severity   = "ticket"
      do         = "Ingress is short of processor time although it was scaled: raise the most tasks it may have."
      period     = 60
      evaluate   = [10, 10]
      comparison = local.above
      threshold  = var.cpu_percent_max
      missing    = "notBreaching" # ingress-tasks tells when no task runs
      expression = null
      metrics    = { cpu = { namespace = "AWS/ECS", metric = "CPUUtilization", stat = "Average", dimensions = local.ingress_service } }
    }

    ingress-memory = {
      severity   = "ticket"
      do         = "An ingress task is close to its memory limit: give tasks more memory, or look for a leak."
      period     = 60
      evaluate   = [10, 15]
      comparison = local.above
      threshold  = var.memory_percent_max
      missing    = "notBreaching" # ingress-tasks tells when no task runs
      expression = null
      metrics    = { memory = { namespace = "AWS/ECS", metric = "MemoryUtilization", stat = "Maximum", dimensions = local.ingress_service } }
    }

    tokens = {
      severity   = "page"
      do         = "An ingress task knows no token and answers 503 to all data: put a token into the secret, or mend the right to read it."
      period     = 60
      evaluate   = [3, 3]
      comparison = local.below
      threshold  = 1
      # No ingress reports: it does not run, or its metrics are lost on the way. Either way nobody knows about tokens.
      missing    = "breaching"
      expression = null
      metrics    = { tokens = { namespace = "Penstock", metric = "Tokens", stat = "Minimum", dimensions = local.as_ingress } }
    }

    quarantine-lost = {
      severity   = "page"
      do         = "Unreadable bodies were refused without keeping a copy: see whether the dead-letter queue takes messages, and who floods."
      period     = 60
      evaluate   = [1, 1]
      comparison = local.above
      threshold  = 0
      missing    = "notBreaching" # tokens tells when no ingress reports
      expression = null
      metrics    = { lost = { namespace = "Penstock", metric = "QuarantineLost", stat = "Sum", dimensions = local.as_ingress } }
    }
  }

  quiet_alarm = {
    severity   = "page"
    do         = "mParticle sends nothing: check that the endpoint answers from outside, and that its connections are not switched off."
    period     = 300
    evaluate   = [var.quiet_minutes_max / 5, var.quiet_minutes_max / 5]
    comparison = local.below
    threshold  = 1
    # Both services publish nothing when nothing comes. Before mParticle sends, that is as it should be.
    missing = var.requests_expected ? "breaching" : "notBreaching"
  }

  certificate_alarms = {
    certificate = {
      severity   = "page"
      do         = "The certificate ends soon and was not renewed: see which validation record is missing."
      period     = 86400
      evaluate   = [1, 1]
      comparison = local.below
      threshold  = var.certificate_days_min
      missing    = "ignore" # ACM publishes twice a day; a late datapoint says nothing
      expression = null
      metrics    = { days = { namespace = "AWS/CertificateManager", metric = "DaysToExpiry", stat = "Minimum", dimensions = { CertificateArn = var.certificate_arn } } }
    }
  }
}
