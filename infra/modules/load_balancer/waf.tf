# A web ACL can only do harm by what it blocks: mParticle drops data on 403. So
# - what is blocked is answered 429, on which mParticle tries again;
# - the two rules count requests and look at one header. No managed rule group: the common one blocks bodies over 8 KB and whatever
#   looks like markup or SQL, and a batch of events is up to 16 MiB of customers' free text. Ingress judges bodies itself.
# AWS bills each request that a web ACL looks at: about $0.60 a million, more than all the rest of the way in.
resource "aws_wafv2_web_acl" "this" {
  count = var.waf_enabled ? 1 : 0

  name        = var.name
  description = "Rate limits in front of ingress"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  rule {
    name     = "strangers"
    priority = 0

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        limit                 = var.waf_stranger_requests_per_5_minutes_max
        evaluation_window_sec = 300
        aggregate_key_type    = "IP"

        # A request without the header does not match the inner statement, so it counts.
        scope_down_statement {
          not_statement {
            statement {
              size_constraint_statement {
                comparison_operator = "GT"
                size                = 0

                field_to_match {
                  single_header {
                    name = lower(var.waf_credential_header)
                  }
                }

                text_transformation {
                  priority = 0
                  type     = "NONE"
                }
              }
            }
          }
        }
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-strangers"
      sampled_requests_enabled   = false # samples would show tokens
    }
  }

  rule {
    name     = "everybody"
    priority = 1

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        limit                 = var.waf_requests_per_5_minutes_max
        evaluation_window_sec = 300
        aggregate_key_type    = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-everybody"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count = var.waf_enabled ? 1 : 0

  resource_arn = aws_lb.this.arn
  web_acl_arn  = aws_wafv2_web_acl.this[0].arn
}
