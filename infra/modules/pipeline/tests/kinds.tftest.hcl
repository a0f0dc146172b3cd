# Ingress as tasks behind a load balancer, and as a function.

mock_provider "aws" {
  source = "../../tests/mocks"

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
}

variables {
  pod                = "us1"
  region             = "us-east-1"
  availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  vpc_cidr           = "10.64.0.0/20"
  domain_name        = "us1.penstock.example.com"
  zone_id            = "Z0123456789EXAMPLE"
  ingress_image_tag  = "v1"
  worker_image_tag   = "v1"
  runbook_url        = "https://example.com/penstock/RUNBOOK.md"
}

run "fargate" {
  assert {
    condition     = output.ingress_kind == "fargate" && output.ingress_url == "https://us1.penstock.example.com" && output.ingress_task_definition_arn != null && output.lambda_alias_arn == null
    error_message = "The outputs of fargate are not those of fargate."
  }

  assert {
    condition     = length(module.load_balancer) == 1 && length(module.ingress) == 1 && length(module.function) == 0
    error_message = "Fargate has a load balancer and a service, and no function."
  }

  assert {
    condition = alltrue([for it in [module.ingress[0].container_definition, module.worker.container_definition] :
      it.user == "65532:65532" && it.readonlyRootFilesystem && !it.privileged && it.linuxParameters.capabilities.drop == ["ALL"] && it.linuxParameters.capabilities.add == []
    ])
    error_message = "A container runs as root, with capabilities, or can write to its image."
  }

  assert {
    condition     = [for it in [module.ingress[0].container_definition, module.worker.container_definition] : [it.command, it.portMappings[*].containerPort]] == [[["ingress"], [8080, 9090]], [["worker"], [9090]]]
    error_message = "The role is the command; ingress listens on 8080, both say on 9090 how they are."
  }

  assert {
    condition     = alltrue([for it in [module.ingress[0].container_definition, module.worker.container_definition] : it.logConfiguration.logDriver == "awslogs" && it.logConfiguration.options.mode == "non-blocking"])
    error_message = "A log that does not get away would hold up the process."
  }
}

# Workers first: they must know the packs that ingress writes.
run "each_role_has_an_image_of_its_own" {
  variables {
    worker_image_tag = "v2"
  }

  assert {
    condition     = [for it in [module.ingress[0].container_definition, module.worker.container_definition] : it.image] == [for tag in ["v1", "v2"] : "123456789012.dkr.ecr.us-east-1.amazonaws.com/penstock-us1:${tag}"]
    error_message = "The images are not those of the two tags."
  }
}

run "who_talks_to_whom" {
  assert {
    condition     = [for it in aws_vpc_security_group_ingress_rule.load_balancer : [it.cidr_ipv4, it.from_port, it.to_port, it.ip_protocol]] == [["0.0.0.0/0", 443, 443, "tcp"]]
    error_message = "The load balancer is open on more than 443."
  }

  assert {
    condition = { for key, it in aws_vpc_security_group_ingress_rule.ingress : key => [it.referenced_security_group_id == aws_security_group.load_balancer[0].id, it.cidr_ipv4 == null, it.from_port, it.to_port] } == {
      calls  = [true, true, 8080, 8080]
      health = [true, true, 9090, 9090]
    }
    error_message = "Ingress is open to others than the load balancer."
  }

  assert {
    condition     = toset([for it in aws_vpc_security_group_ingress_rule.endpoints : it.referenced_security_group_id]) == toset([aws_security_group.ingress[0].id, aws_security_group.worker.id])
    error_message = "The endpoints are open to others than ingress and workers."
  }

  assert {
    condition     = [for it in aws_vpc_security_group_egress_rule.partner : [it.security_group_id == aws_security_group.worker.id, it.cidr_ipv4, it.from_port, it.to_port]] == [[true, "0.0.0.0/0", 443, 443]]
    error_message = "Others than workers reach the internet, or on more than 443."
  }

  assert {
    condition     = alltrue([for it in concat(values(aws_vpc_security_group_egress_rule.gateways), values(aws_vpc_security_group_egress_rule.endpoints)) : it.cidr_ipv4 == null && it.from_port == 443 && it.to_port == 443])
    error_message = "A way to AWS is a way to other addresses too."
  }
}

run "lambda" {
  variables {
    ingress_kind      = "lambda"
    ingress_image_tag = null
    domain_name       = null
    zone_id           = null
    lambda_s3_object  = { bucket = "packages", key = "penstock/v1.zip" }
  }

  assert {
    condition     = output.ingress_kind == "lambda" && output.ingress_url == null && output.ingress_task_definition_arn == null && output.lambda_alias_arn == "arn:aws:lambda:us-east-1:123456789012:function:penstock-us1-ingress:production"
    error_message = "The outputs of lambda are not those of lambda."
  }

  assert {
    condition     = length(module.load_balancer) == 0 && length(module.ingress) == 0 && length(module.function) == 1 && length(aws_appautoscaling_target.ingress) == 0 && length(aws_security_group.load_balancer) == 0
    error_message = "A function has no load balancer, no service, and nothing to scale."
  }

  assert {
    condition = toset(flatten([for it in jsondecode(aws_iam_role_policy.ingress.policy).Statement : [for action in it.Action : [for resource in flatten([it.Resource]) : "${it.Effect} ${action} ${resource}"]]])) == toset([
      "Allow sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-main",
      "Allow sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:penstock-us1-dead",
      "Allow s3:PutObject arn:aws:s3:::penstock-us1-spill-123456789012-us-east-1/*",
      "Allow dynamodb:Query arn:aws:dynamodb:us-east-1:123456789012:table/penstock-us1-subscriptions",
      "Allow kms:GenerateDataKey ${aws_kms_key.this.arn}",
      "Allow kms:Decrypt ${aws_kms_key.this.arn}",
      "Allow logs:CreateLogStream arn:aws:logs:us-east-1:123456789012:log-group:/penstock/us1/ingress:*",
      "Allow logs:PutLogEvents arn:aws:logs:us-east-1:123456789012:log-group:/penstock/us1/ingress:*",
    ])
    error_message = "The function may do more or less than it should: ${aws_iam_role_policy.ingress.policy}"
  }

  assert {
    condition     = jsondecode(aws_iam_role.ingress.assume_role_policy).Statement[*].Principal.Service == ["lambda.amazonaws.com"]
    error_message = "The role is Lambda's."
  }

  assert {
    condition     = length(setintersection(keys(local.function_environment), ["AWS_REGION", "PENSTOCK_TOKENS", "PENSTOCK_TOKENS_SECRET", "PENSTOCK_ADMIN"])) == 0
    error_message = "Lambda refuses AWS_REGION, direct invocation needs no token, and nothing is scraped."
  }

  assert {
    condition     = toset(module.function[0].invokers) == toset(["338661164609", "457804467337"])
    error_message = "mParticle's two accounts invoke us1's function."
  }
}

run "lambda_with_a_url" {
  variables {
    ingress_kind         = "lambda"
    lambda_zip_path      = "./versions.tf" # any file
    lambda_url_auth      = "NONE"
    mparticle_principals = ["111122223333"]
  }

  assert {
    condition     = output.ingress_url == "https://mocked.lambda-url.us-east-1.on.aws/"
    error_message = "The URL is what mParticle calls."
  }

  assert {
    condition     = local.function_environment["PENSTOCK_TOKENS_SECRET"] == aws_secretsmanager_secret.tokens.arn && local.function_environment["PENSTOCK_INGRESS_ANSWER_BUDGET_MS"] == "80" && strcontains(aws_iam_role_policy.ingress.policy, "secretsmanager:GetSecretValue")
    error_message = "Behind a URL the token is the guard, and the budget that of HTTP."
  }

  assert {
    condition     = toset(module.function[0].invokers) == toset(["111122223333"])
    error_message = "Those that were given invoke, and nobody else."
  }
}

run "lambda_with_a_url_and_a_budget" {
  variables {
    ingress_kind         = "lambda"
    lambda_zip_path      = "./versions.tf" # any file
    lambda_url_auth      = "NONE"
    mparticle_principals = ["111122223333"]
    ingress_environment  = { PENSTOCK_INGRESS_ANSWER_BUDGET_MS = "60" }
  }

  assert {
    condition     = local.function_environment["PENSTOCK_INGRESS_ANSWER_BUDGET_MS"] == "60"
    error_message = "The budget that was given is not the function's."
  }
}
