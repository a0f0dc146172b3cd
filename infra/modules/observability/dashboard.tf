# One dashboard: rows from the promise down to what it costs. A row is a headline and up to four graphs; their places
# come from their order. The graphs are in dashboard_rows.tf.
locals {
  headline_height = 2
  graph_height    = 6
  row_height      = local.headline_height + local.graph_height

  headlines = [
    for index, row in local.rows : {
      type       = "text"
      x          = 0
      y          = index * local.row_height
      width      = 24
      height     = local.headline_height
      properties = { markdown = "## ${row.title}\n${row.says}" }
    }
  ]

  graphs = flatten([
    for index, row in local.rows : [
      for column, graph in row.graphs : {
        type   = "metric"
        x      = column * floor(24 / length(row.graphs))
        y      = index * local.row_height + local.headline_height
        width  = floor(24 / length(row.graphs))
        height = local.graph_height
        properties = {
          title   = graph.title
          region  = var.region
          view    = "timeSeries"
          stacked = graph.stacked
          period  = 60
          metrics = graph.metrics
          yAxis   = { left = { min = 0, label = graph.unit, showUnits = false } }
          annotations = {
            horizontal = [for limit in graph.limits : { label = limit.label, value = limit.value }]
          }
        }
      }
    ]
  ])

  alarms_widget = {
    type   = "alarm"
    x      = 0
    y      = length(local.rows) * local.row_height
    width  = 24
    height = local.graph_height
    properties = {
      title  = "Alarms"
      alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn]
    }
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat([for headline in local.headlines : headline], [for graph in local.graphs : graph], [local.alarms_widget])
  })
}
