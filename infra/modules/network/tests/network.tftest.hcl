# Who can reach what, and through where.

mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name                = "penstock-us1"
  account_id          = "123456789012"
  region              = "us-east-1"
  partition           = "aws"
  cidr                = "10.64.0.0/20"
  availability_zones  = ["us-east-1a", "us-east-1b", "us-east-1c"]
  nat_gateways        = "per_zone"
  bucket_arn          = "arn:aws:s3:::spill"
  table_arns          = ["arn:aws:dynamodb:us-east-1:123456789012:table/a", "arn:aws:dynamodb:us-east-1:123456789012:table/b"]
  flow_logs           = "REJECT"
  flow_log_group_name = "/penstock/us1/flow"
  log_retention_days  = 30
  kms_key_arn         = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "three_tiers_in_three_zones" {
  assert {
    condition     = [for tier in [aws_subnet.public, aws_subnet.private, aws_subnet.egress] : [for it in tier : it.cidr_block]] == [["10.64.0.0/24", "10.64.1.0/24", "10.64.2.0/24"], ["10.64.4.0/24", "10.64.5.0/24", "10.64.6.0/24"], ["10.64.8.0/24", "10.64.9.0/24", "10.64.10.0/24"]]
    error_message = "The subnets have other addresses."
  }

  assert {
    condition     = alltrue(flatten([for tier in [aws_subnet.public, aws_subnet.private, aws_subnet.egress] : [for zone, it in tier : [!it.map_public_ip_on_launch, it.availability_zone == zone]]]))
    error_message = "A subnet hands out public addresses, or lies in another zone."
  }
}

run "only_workers_have_a_way_out" {
  assert {
    condition     = aws_route.public.gateway_id == aws_internet_gateway.this.id && alltrue([for zone, it in aws_route.egress : it.nat_gateway_id == aws_nat_gateway.this[zone].id && it.destination_cidr_block == "0.0.0.0/0"])
    error_message = "A default route leads elsewhere."
  }

  assert {
    condition     = !contains(concat([aws_route.public.route_table_id], [for it in aws_route.egress : it.route_table_id]), aws_route_table.private.id) && alltrue([for it in aws_route_table_association.private : it.route_table_id == aws_route_table.private.id])
    error_message = "Ingress and the endpoints have a way out."
  }

  assert {
    condition     = length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "The default security group lets something through."
  }
}

run "one_nat_gateway_on_request" {
  variables {
    nat_gateways = "single"
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["us-east-1a"] && length(aws_route.egress) == 3 && alltrue([for it in aws_route.egress : it.nat_gateway_id == aws_nat_gateway.this["us-east-1a"].id])
    error_message = "The zones do not share the one NAT gateway."
  }
}

run "aws_is_reached_through_endpoints" {
  assert {
    condition     = toset([for it in aws_vpc_endpoint.interface : it.service_name]) == toset([for service in ["sqs", "secretsmanager", "logs", "ecr.api", "ecr.dkr"] : "com.amazonaws.us-east-1.${service}"]) && alltrue([for it in aws_vpc_endpoint.interface : it.private_dns_enabled && it.vpc_endpoint_type == "Interface"])
    error_message = "An interface endpoint is missing, or its usual name leads past it."
  }

  assert {
    condition     = alltrue([for it in [aws_vpc_endpoint.s3, aws_vpc_endpoint.dynamodb] : it.vpc_endpoint_type == "Gateway" && toset(it.route_table_ids) == setunion([aws_route_table.private.id], [for table in aws_route_table.egress : table.id])])
    error_message = "S3 or DynamoDB is not reached through its gateway from everywhere."
  }
}

run "endpoints_let_only_ours_through" {
  assert {
    condition = alltrue(flatten([for it in aws_vpc_endpoint.interface : [for statement in jsondecode(it.policy).Statement :
      statement.Condition.StringEquals["aws:PrincipalAccount"] == "123456789012" && (statement.Sid == "LogIn" || try(statement.Condition.StringEquals["aws:ResourceAccount"], "") == "123456789012")
    ]]))
    error_message = "An interface endpoint serves other accounts."
  }

  assert {
    condition     = alltrue(flatten([for it in concat(values(aws_vpc_endpoint.interface), [aws_vpc_endpoint.s3, aws_vpc_endpoint.dynamodb]) : [for statement in jsondecode(it.policy).Statement : [for action in statement.Action : !strcontains(action, "*")]]]))
    error_message = "An endpoint's policy has a wildcard among its actions."
  }

  assert {
    condition     = { for statement in jsondecode(aws_vpc_endpoint.s3.policy).Statement : statement.Sid => join(" ", statement.Resource) } == { SpilledBodies = "arn:aws:s3:::spill arn:aws:s3:::spill/*", ImageLayers = "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*" }
    error_message = "S3's endpoint leads to other buckets."
  }

  assert {
    condition     = [for statement in jsondecode(aws_vpc_endpoint.dynamodb.policy).Statement : join(" ", statement.Resource)] == [join(" ", var.table_arns)]
    error_message = "DynamoDB's endpoint leads to other tables."
  }
}

run "flow_logs" {
  assert {
    condition     = [for it in aws_flow_log.this : it.traffic_type] == ["REJECT"] && aws_cloudwatch_log_group.flow[0].kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.flow[0].name == "/penstock/us1/flow"
    error_message = "The flow log records something else, or in the clear."
  }

  assert {
    condition     = alltrue([for it in jsondecode(aws_iam_role_policy.flow[0].policy).Statement : it.Resource != "*"]) && contains(flatten([for it in jsondecode(aws_iam_role_policy.flow[0].policy).Statement : it.Action]), "logs:DescribeLogGroups")
    error_message = "The flow log may do more or less than it must."
  }
}

run "no_flow_logs" {
  variables {
    flow_logs = "none"
  }

  assert {
    condition     = length(aws_flow_log.this) == 0 && length(aws_iam_role.flow) == 0 && length(aws_cloudwatch_log_group.flow) == 0
    error_message = "A flow log is made that nobody asked for."
  }
}

run "refusals" {
  command = plan

  variables {
    cidr               = "10.64.0.0/24"
    availability_zones = ["us-east-1a", "us-east-1a"]
    nat_gateways       = "none"
    flow_logs          = "ACCEPT"
  }

  expect_failures = [var.cidr, var.availability_zones, var.nat_gateways, var.flow_logs]
}
