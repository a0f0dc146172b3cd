# What stands before ingress must never answer mParticle with a status on which it drops data, and speaks nothing but TLS.

mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name                                    = "penstock-us1"
  vpc_id                                  = "vpc-0123456789abcdef0"
  subnet_ids                              = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  security_group_id                       = "sg-0123456789abcdef0"
  port                                    = 8080
  admin_port                              = 9090
  idle_timeout_seconds                    = 120
  deregistration_delay_seconds            = 15
  tls_policy                              = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
  certificate_arn                         = null
  domain_name                             = "us1.penstock.example.com"
  zone_id                                 = "Z0123456789EXAMPLE"
  deletion_protection                     = true
  access_logs_bucket                      = null
  waf_enabled                             = true
  waf_stranger_requests_per_5_minutes_max = 3000
  waf_requests_per_5_minutes_max          = 6000000
  waf_credential_header                   = "Authorization"
}

run "https_alone" {
  assert {
    condition     = [aws_lb_listener.https.protocol, aws_lb_listener.https.port, aws_lb_listener.https.ssl_policy] == ["HTTPS", 443, "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"]
    error_message = "The listener speaks something else than TLS on 443."
  }

  assert {
    condition     = [for action in aws_lb_listener.https.default_action : action.type] == ["forward"]
    error_message = "The listener answers by itself."
  }

  assert {
    condition     = !aws_lb.this.internal && aws_lb.this.drop_invalid_header_fields && aws_lb.this.enable_http2 && aws_lb.this.enable_deletion_protection && aws_lb.this.idle_timeout == 120
    error_message = "The load balancer is not as it should be."
  }

  assert {
    condition     = aws_lb.this.desync_mitigation_mode == "defensive"
    error_message = "The strictest mode answers 400 to what it finds odd, and mParticle drops data on it."
  }
}

run "tasks_are_asked_whether_they_are_ready" {
  assert {
    condition     = [for check in aws_lb_target_group.ingress.health_check : [check.path, check.port, check.protocol, check.matcher]] == [["/readyz", "9090", "HTTP", "200"]]
    error_message = "Health is asked elsewhere."
  }

  assert {
    condition     = aws_lb_target_group.ingress.target_type == "ip" && aws_lb_target_group.ingress.port == 8080 && tonumber(aws_lb_target_group.ingress.deregistration_delay) == var.deregistration_delay_seconds && aws_lb_target_group.ingress.load_balancing_algorithm_type == "least_outstanding_requests"
    error_message = "The target group is not as it should be."
  }

  # A stopping task is deregistered, and needs no failed checks; what fails them is replaced, so they must last.
  assert {
    condition     = alltrue([for check in aws_lb_target_group.ingress.health_check : check.unhealthy_threshold == 10 && check.interval * check.healthy_threshold <= 15])
    error_message = "Tasks are replaced for a short trouble of the queue, or wait long to be let in."
  }
}

run "a_certificate_is_made" {
  assert {
    condition     = [for it in aws_acm_certificate.this : [it.domain_name, it.validation_method]] == [["us1.penstock.example.com", "DNS"]] && keys(aws_route53_record.validation) == ["us1.penstock.example.com"]
    error_message = "The certificate is not made for the name, or not validated in the zone."
  }

  assert {
    condition     = [for it in aws_route53_record.endpoint : [it.name, it.type, it.alias[0].name, it.alias[0].evaluate_target_health]] == [["us1.penstock.example.com", "A", aws_lb.this.dns_name, true]]
    error_message = "The name does not lead to the load balancer."
  }

  assert {
    condition     = aws_lb_listener.https.certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000" && output.url == "https://us1.penstock.example.com"
    error_message = "The listener serves another certificate, or the URL is another."
  }
}

run "a_certificate_is_given" {
  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
  }

  assert {
    condition     = length(aws_acm_certificate.this) == 0 && length(aws_route53_record.validation) == 0 && aws_lb_listener.https.certificate_arn == var.certificate_arn && length(aws_route53_record.endpoint) == 1
    error_message = "A given certificate is served, and none made."
  }
}

run "dns_is_left_to_others" {
  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
    domain_name     = null
    zone_id         = null
  }

  assert {
    condition     = length(aws_route53_record.endpoint) == 0 && output.url == "https://penstock-us1-1234567890.us-east-1.elb.amazonaws.com"
    error_message = "A record is made without a zone."
  }
}

run "what_the_web_acl_blocks_is_tried_again" {
  assert {
    condition     = length(aws_wafv2_web_acl.this[0].default_action[0].allow) == 1
    error_message = "The web ACL lets nobody in."
  }

  assert {
    condition     = toset(flatten([for rule in aws_wafv2_web_acl.this[0].rule : [for action in rule.action : [for block in action.block : [for response in block.custom_response : response.response_code]]]])) == toset([429])
    error_message = "Blocked calls are answered with a status on which mParticle drops data."
  }

  assert {
    condition     = { for rule in aws_wafv2_web_acl.this[0].rule : rule.name => one(flatten([for statement in rule.statement : [for rate in statement.rate_based_statement : rate.limit]])) } == { strangers = 3000, everybody = 6000000 }
    error_message = "The web ACL has other rules than the two rates."
  }

  # Nothing that looks at bodies: they may be 16 MiB of anything.
  assert {
    condition     = alltrue(flatten([for rule in aws_wafv2_web_acl.this[0].rule : [for statement in rule.statement : [length(statement.managed_rule_group_statement) == 0, length(statement.rule_group_reference_statement) == 0, length(statement.size_constraint_statement) == 0]]]))
    error_message = "The web ACL judges bodies."
  }
}

run "no_web_acl_unless_asked" {
  variables {
    waf_enabled = false
  }

  assert {
    condition     = length(aws_wafv2_web_acl.this) == 0 && length(aws_wafv2_web_acl_association.this) == 0
    error_message = "A web ACL is made that nobody asked for."
  }
}
