resource "aws_cloudwatch_log_group" "this" {
  name              = var.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

locals {
  container = {
    name      = var.role
    image     = var.image
    command   = [var.role]
    essential = true
    cpu       = var.cpu_units
    memory    = var.memory_mib

    user                   = "65532:65532"
    readonlyRootFilesystem = true
    privileged             = false
    linuxParameters = {
      capabilities       = { add = [], drop = ["ALL"] }
      initProcessEnabled = false # the process is PID 1 and handles its signals itself
    }
    # Stated so as not to depend on Fargate's default: it was 1024 once, far below ingress.connections_max.
    ulimits = [{ name = "nofile", softLimit = 65535, hardLimit = 65535 }]

    # The image has no shell and no client, so the binary asks itself: does the role still run? Whether traffic should come to it is the
    # load balancer's question (/readyz); a task whose queue is away must not be replaced for it. One that says nothing for a
    # minute is.
    healthCheck = {
      command     = ["CMD", "/usr/bin/penstock", "healthy"]
      interval    = 15
      timeout     = 5
      retries     = 4
      startPeriod = 60
    }

    portMappings = [for port in var.ports : { containerPort = port, hostPort = port, protocol = "tcp" }]
    environment  = [for name, value in var.environment : { name = name, value = value }]
    secrets      = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
    stopTimeout  = var.stop_timeout_seconds
    mountPoints  = []
    volumesFrom  = []

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = var.region
        awslogs-stream-prefix = var.role
        # Logs that do not get away must never hold up answers to mParticle: past this buffer lines are dropped.
        mode            = "non-blocking"
        max-buffer-size = "25m"
      }
    }
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.name}-${var.role}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu_units
  memory                   = var.memory_mib
  task_role_arn            = var.task_role_arn
  execution_role_arn       = var.execution_role_arn
  container_definitions    = jsonencode([local.container])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  # Revisions before stay active, which costs nothing: the circuit breaker rolls back to one, and so may a person.
  skip_destroy = true

  lifecycle {
    create_before_destroy = true # the service moves from one revision to the next, and is never without
  }
}

resource "terraform_data" "deploy_after" {
  input = var.deploy_after
}

resource "aws_ecs_service" "this" {
  name             = "${var.name}-${var.role}"
  cluster          = var.cluster_arn
  task_definition  = aws_ecs_task_definition.this.arn
  desired_count    = var.count_min
  launch_type      = "FARGATE"
  platform_version = "LATEST" # 1.4.0; ECS patches it, tasks take it up when they are replaced

  # New tasks first, old ones then: capacity never falls below what autoscaling asked for.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  enable_execute_command = false # nobody gets a shell next to customers' data; the image has none anyway
  propagate_tags         = "SERVICE"
  wait_for_steady_state  = var.wait_for_steady_state

  health_check_grace_period_seconds = var.target_group_arn == null ? null : var.health_check_grace_seconds

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.target_group_arn == null ? [] : [var.target_group_arn]

    content {
      target_group_arn = load_balancer.value
      container_name   = var.role
      container_port   = var.ports[0]
    }
  }

  lifecycle {
    ignore_changes = [desired_count] # autoscaling's

    # A service that went back to the revision before is steady too, and the wait alone would call that a success.
    postcondition {
      condition     = !var.wait_for_steady_state || self.task_definition == aws_ecs_task_definition.this.arn
      error_message = "ECS rolled ${var.role} back to ${self.task_definition}: its log says why."
    }
  }

  depends_on = [terraform_data.deploy_after]
}
