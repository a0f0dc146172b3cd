module "network" {
  source = "../network"

  name                = local.name
  account_id          = local.account_id
  region              = var.region
  partition           = local.partition
  cidr                = var.vpc_cidr
  availability_zones  = var.availability_zones
  nat_gateways        = var.nat_gateways
  bucket_arn          = local.bucket_arn
  table_arns          = [local.subscriptions_arn, local.quota_arn]
  flow_logs           = var.flow_logs
  flow_log_group_name = local.flow_log_group
  log_retention_days  = var.log_retention_days
  kms_key_arn         = aws_kms_key.this.arn
}
