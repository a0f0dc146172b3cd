locals {
  # Decided by what the operator gave, not by what other resources will be, so that the first plan knows the keys.
  made_certificates = toset(var.certificate_arn == null && var.domain_name != null ? [var.domain_name] : [])
  certificate_arn   = var.certificate_arn != null ? var.certificate_arn : one([for it in aws_acm_certificate_validation.this : it.certificate_arn])

  validation_options = {
    for domain, certificate in aws_acm_certificate.this : domain => one([
      for option in certificate.domain_validation_options : option if option.domain_name == domain
    ])
  }
}

resource "aws_acm_certificate" "this" {
  for_each = local.made_certificates

  domain_name       = each.key
  validation_method = "DNS"
  key_algorithm     = "RSA_2048" # what every client of mParticle's, whose list nobody published, can verify

  options {
    certificate_transparency_logging_preference = "ENABLED"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = local.made_certificates

  zone_id         = var.zone_id
  name            = local.validation_options[each.key].resource_record_name
  type            = local.validation_options[each.key].resource_record_type
  records         = [local.validation_options[each.key].resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  for_each = local.made_certificates

  certificate_arn         = aws_acm_certificate.this[each.key].arn
  validation_record_fqdns = [aws_route53_record.validation[each.key].fqdn]
}

resource "aws_route53_record" "endpoint" {
  for_each = toset(var.domain_name != null && var.zone_id != null ? [var.domain_name] : [])

  zone_id = var.zone_id
  name    = each.key
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}
