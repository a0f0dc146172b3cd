# Who may talk to whom. Each rule is a resource of its own, so that a change of one never opens or closes the others for a moment.
#
#   internet ─443→ load balancer ─8080, 9090→ ingress ─443→ endpoints
#                                             workers ─443→ endpoints, partner

resource "aws_security_group" "load_balancer" {
  count = local.is_fargate ? 1 : 0

  name        = "${local.name}-load-balancer"
  description = "Load balancer: HTTPS in, ingress out"
  vpc_id      = module.network.vpc_id

  tags = { Name = "${local.name}-load-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  for_each = local.is_fargate ? toset(var.ingress_cidrs) : []

  security_group_id = aws_security_group.load_balancer[0].id
  description       = "mParticle"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  for_each = local.is_fargate ? { calls = local.port, health = local.admin_port } : {}

  security_group_id            = aws_security_group.load_balancer[0].id
  description                  = "Ingress: ${each.key}"
  referenced_security_group_id = aws_security_group.ingress[0].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_security_group" "ingress" {
  count = local.is_fargate ? 1 : 0

  name        = "${local.name}-ingress"
  description = "Ingress tasks: the load balancer in, endpoints out"
  vpc_id      = module.network.vpc_id

  tags = { Name = "${local.name}-ingress" }
}

resource "aws_vpc_security_group_ingress_rule" "ingress" {
  for_each = local.is_fargate ? { calls = local.port, health = local.admin_port } : {}

  security_group_id            = aws_security_group.ingress[0].id
  description                  = "Load balancer: ${each.key}"
  referenced_security_group_id = aws_security_group.load_balancer[0].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_security_group" "worker" {
  name        = "${local.name}-worker"
  description = "Workers: nothing in, endpoints and the partner out"
  vpc_id      = module.network.vpc_id

  tags = { Name = "${local.name}-worker" }
}

resource "aws_vpc_security_group_egress_rule" "partner" {
  for_each = toset(var.partner_cidrs)

  security_group_id = aws_security_group.worker.id
  description       = "The partner's API"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

locals {
  task_security_groups = merge(
    { worker = aws_security_group.worker.id },
    local.is_fargate ? { ingress = aws_security_group.ingress[0].id } : {},
  )
  gateways = ["s3", "dynamodb"]
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = local.task_security_groups

  security_group_id            = module.network.endpoint_security_group_id
  description                  = "From ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each = local.task_security_groups

  security_group_id            = each.value
  description                  = "SQS, secrets, logs, ECR"
  referenced_security_group_id = module.network.endpoint_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "gateways" {
  for_each = {
    for pair in setproduct(keys(local.task_security_groups), local.gateways) : "${pair[0]}-${pair[1]}" => { role = pair[0], gateway = pair[1] }
  }

  security_group_id = local.task_security_groups[each.value.role]
  description       = each.value.gateway == "s3" ? "S3: spilled bodies, layers of the image" : "DynamoDB"
  prefix_list_id    = module.network.gateway_prefix_list_ids[each.value.gateway]
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
