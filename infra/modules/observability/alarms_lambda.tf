# Ingress as a function has no load balancer, no tasks and no metrics of its own.
locals {
  lambda_alarms = {
    lambda-errors = {
      severity   = "page"
      do         = "The function fails, and mParticle tries again only a limited number of times: read the log, then look at SQS."
      period     = 60
      evaluate   = [3, 5]
      comparison = local.above
      threshold  = var.server_errors_percent_max
      missing    = "notBreaching" # no invocations, no share; ingress-quiet tells of none
      expression = "IF(FILL(invocations, 0) >= ${var.requests_min}, 100 * FILL(errors, 0) / invocations, 0)"
      metrics = {
        invocations = { namespace = "AWS/Lambda", metric = "Invocations", stat = "Sum", dimensions = local.function }
        errors      = { namespace = "AWS/Lambda", metric = "Errors", stat = "Sum", dimensions = local.function }
      }
    }

    lambda-refused = {
      severity   = "page"
      do         = "The function refuses messages, which loses them for good but for a copy: list the dead letters with the reason unreadable."
      period     = 300
      evaluate   = [2, 3]
      comparison = local.above
      threshold  = var.client_errors_percent_max
      missing    = "notBreaching" # no invocations, no share
      expression = "IF(FILL(invocations, 0) >= ${var.requests_min}, 100 * FILL(refused, 0) / invocations, 0)"
      metrics = {
        invocations = { namespace = "AWS/Lambda", metric = "Invocations", stat = "Sum", dimensions = local.function }
        refused     = { namespace = local.log_namespace, metric = "Refused", stat = "Sum", dimensions = {} }
      }
    }

    lambda-slow = {
      severity   = "page"
      do         = "The function takes longer than mParticle allows: see whether SQS is slow, or starts are many."
      period     = 60
      evaluate   = [3, 5]
      comparison = local.above
      threshold  = var.lambda_p99_milliseconds_max
      missing    = "notBreaching" # no invocations, no time
      expression = "IF(FILL(invocations, 0) >= ${var.requests_min}, p99, 0)"
      metrics = {
        invocations = { namespace = "AWS/Lambda", metric = "Invocations", stat = "Sum", dimensions = local.function }
        p99         = { namespace = "AWS/Lambda", metric = "Duration", stat = "p99", dimensions = local.function }
      }
    }

    lambda-throttled = {
      severity   = "page"
      do         = "Lambda throttles invocations, which mParticle sees as 429: raise the account's or the function's concurrency."
      period     = 60
      evaluate   = [2, 5]
      comparison = local.above
      threshold  = 0
      missing    = "notBreaching" # no invocations, no throttles
      expression = null
      metrics    = { throttles = { namespace = "AWS/Lambda", metric = "Throttles", stat = "Sum", dimensions = local.function } }
    }

    ingress-quiet = merge(local.quiet_alarm, {
      expression = null
      metrics    = { taken = { namespace = "AWS/Lambda", metric = "Invocations", stat = "Sum", dimensions = local.function } }
    })
  }
}
