module "pipeline" {
  source = "../../modules/pipeline"

  pod                = "us2"
  region             = "us-east-1"
  availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  vpc_cidr           = "10.65.0.0/20"

  # Yours: the host name that mParticle is to call, and the Route 53 zone that it belongs to.
  domain_name = "us2.penstock.example.com"
  zone_id     = "Z0123456789EXAMPLE"

  # Where those on call read infra/RUNBOOK.md, and who gets alarms by mail.
  runbook_url           = "https://git.example.com/penstock/blob/main/infra/RUNBOOK.md"
  alarm_email_addresses = ["on-call@example.com"]

  ingress_image_tag = var.ingress_image_tag
  worker_image_tag  = var.worker_image_tag
}
