"""What exists in a region, as lines to compare before an apply and after the destroy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .cloud import Cloud

# service, call, arguments, the list in the answer, what names an entry (None: the entry itself).
_LISTS: tuple[tuple[str, str, dict[str, Any], str, str | None], ...] = (
    ("acm", "list_certificates", {}, "CertificateSummaryList", "CertificateArn"),
    ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "ecs"}, "ScalableTargets", "ResourceId"),
    ("application-autoscaling", "describe_scaling_policies", {"ServiceNamespace": "ecs"}, "ScalingPolicies", "PolicyARN"),
    ("cloudwatch", "describe_alarms", {}, "MetricAlarms", "AlarmArn"),
    ("cloudwatch", "describe_alarms", {"AlarmTypes": ["CompositeAlarm"]}, "CompositeAlarms", "AlarmArn"),
    ("cloudwatch", "list_dashboards", {}, "DashboardEntries", "DashboardArn"),
    ("dynamodb", "list_tables", {}, "TableNames", None),
    ("ec2", "describe_addresses", {}, "Addresses", "AllocationId"),
    ("ec2", "describe_flow_logs", {}, "FlowLogs", "FlowLogId"),
    ("ec2", "describe_internet_gateways", {}, "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_network_interfaces", {}, "NetworkInterfaces", "NetworkInterfaceId"),
    ("ec2", "describe_route_tables", {}, "RouteTables", "RouteTableId"),
    ("ec2", "describe_security_groups", {}, "SecurityGroups", "GroupId"),
    ("ec2", "describe_subnets", {}, "Subnets", "SubnetId"),
    ("ec2", "describe_vpcs", {}, "Vpcs", "VpcId"),
    ("ecr", "describe_repositories", {}, "repositories", "repositoryArn"),
    ("ecs", "list_task_definitions", {"status": "ACTIVE"}, "taskDefinitionArns", None),
    ("elbv2", "describe_load_balancers", {}, "LoadBalancers", "LoadBalancerArn"),
    ("elbv2", "describe_target_groups", {}, "TargetGroups", "TargetGroupArn"),
    ("events", "list_rules", {}, "Rules", "Arn"),
    ("iam", "list_policies", {"Scope": "Local"}, "Policies", "Arn"),
    ("iam", "list_roles", {}, "Roles", "Arn"),
    ("kms", "list_aliases", {}, "Aliases", "AliasArn"),
    ("lambda", "list_event_source_mappings", {}, "EventSourceMappings", "UUID"),
    ("lambda", "list_functions", {}, "Functions", "FunctionArn"),
    ("logs", "describe_log_groups", {}, "logGroups", "arn"),
    ("route53", "list_hosted_zones", {}, "HostedZones", "Id"),
    ("route53", "list_health_checks", {}, "HealthChecks", "Id"),
    ("s3", "list_buckets", {}, "Buckets", "Name"),
    ("sns", "list_topics", {}, "Topics", "TopicArn"),
    ("sqs", "list_queues", {}, "QueueUrls", None),
    ("ssm", "describe_parameters", {}, "Parameters", "Name"),
    ("wafv2", "list_web_acls", {"Scope": "REGIONAL"}, "WebACLs", "ARN"),
)


def inventory(cloud: Cloud, region: str) -> set[str]:
    """Everything there is now. What AWS itself keeps after a deletion is told by `pending`, not here."""
    found: set[str] = set()
    for service, call, arguments, key, name in _LISTS:
        entries = _all(cloud.client(service, region), call, arguments, key)
        found |= {f"{service} {key}: {entry if name is None else entry[name]}" for entry in entries}
    for special in (_clusters, _nat_gateways, _endpoints, _keys, _secrets, _records):
        found |= set(special(cloud, region))
    return found


def kept(left: set[str], pods: tuple[str, ...]) -> set[str]:
    """What stays on purpose: revisions of task definitions of these pods, to roll back to. They cost nothing."""
    families = tuple(f"penstock-{pod}-" for pod in pods)
    revisions = (line for line in left if line.startswith("ecs taskDefinitionArns: "))
    return {line for line in revisions if line.partition(":task-definition/")[2].startswith(families)}


def pending(cloud: Cloud, region: str) -> list[str]:
    """What is on its way out: AWS keeps keys and secrets for their recovery window, and bills keys no more."""
    kms, secrets = cloud.client("kms", region), cloud.client("secretsmanager", region)
    states = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in _all(kms, "list_keys", {}, "Keys")]
    keys = [
        f"KMS key {state['KeyId']} until {state['DeletionDate']:%Y-%m-%d}" for state in states if state["KeyState"] == "PendingDeletion"
    ]
    entries = _all(secrets, "list_secrets", {"IncludePlannedDeletion": True}, "SecretList")
    return keys + [f"secret {entry['Name']} until {entry['DeletedDate']:%Y-%m-%d}" for entry in entries if entry.get("DeletedDate")]


def _all(client: Any, call: str, arguments: dict[str, Any], key: str) -> list[Any]:
    """Every page."""
    if client.can_paginate(call):
        pages = client.get_paginator(call).paginate(**arguments)
        return [entry for page in pages for entry in page.get(key, [])]
    method: Callable[..., Any] = getattr(client, call)
    return list(method(**arguments).get(key, []))


def _clusters(cloud: Cloud, region: str) -> Iterator[str]:
    """A deleted cluster can be described for a while, as inactive; so can its services."""
    ecs = cloud.client("ecs", region)
    for arn in ecs.list_clusters()["clusterArns"]:
        if any(entry["status"] == "ACTIVE" for entry in ecs.describe_clusters(clusters=[arn])["clusters"]):
            yield f"ecs cluster: {arn}"
            yield from (f"ecs service: {service}" for service in ecs.list_services(cluster=arn)["serviceArns"])


def _nat_gateways(cloud: Cloud, region: str) -> Iterator[str]:
    """A deleted gateway can be described for an hour."""
    for entry in cloud.client("ec2", region).describe_nat_gateways()["NatGateways"]:
        if entry["State"] != "deleted":
            yield f"ec2 NAT gateway: {entry['NatGatewayId']}"


def _endpoints(cloud: Cloud, region: str) -> Iterator[str]:
    for entry in _all(cloud.client("ec2", region), "describe_vpc_endpoints", {}, "VpcEndpoints"):
        if entry["State"] != "deleted":
            yield f"ec2 endpoint: {entry['VpcEndpointId']}"


def _keys(cloud: Cloud, region: str) -> Iterator[str]:
    """Without those that AWS makes for its services in an account, which nobody can delete, and those on their way out."""
    kms = cloud.client("kms", region)
    aliases = _all(kms, "list_aliases", {}, "Aliases")
    managed = {alias.get("TargetKeyId") for alias in aliases if alias["AliasName"].startswith("alias/aws/")}
    for entry in _all(kms, "list_keys", {}, "Keys"):
        state = kms.describe_key(KeyId=entry["KeyId"])["KeyMetadata"]
        if entry["KeyId"] not in managed and state["KeyState"] != "PendingDeletion":
            yield f"kms key: {entry['KeyId']} {state['Description']}"


def _secrets(cloud: Cloud, region: str) -> Iterator[str]:
    for entry in cloud.client("secretsmanager", region).list_secrets()["SecretList"]:
        yield f"secret: {entry['ARN']}"


def _records(cloud: Cloud, region: str) -> Iterator[str]:
    route53 = cloud.client("route53", region)
    for zone in route53.list_hosted_zones()["HostedZones"]:
        for entry in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]:
            yield f"route53 record: {entry['Type']} {entry['Name']} {entry.get('SetIdentifier', '')}"
