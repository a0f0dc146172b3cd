"""The IAM proof against the emulator: policies as applied on one side, recorded calls on the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.calls import ACCOUNT
from iam.guards import Guard, stopped
from iam.implied import Use, context, uses_of_keys
from iam.policy import Statement, grants, parse, parse_for
from iam.proof import Unrecorded, needed, read_exceptions, refused, stale, unused

from .cloud import Cloud
from .console import Failed

# Whether the queue is there is asked by a task beside the server, which a function has not.
_ONLY_OF_TASKS = {"sqs:GetQueueAttributes"}


def policies(cloud: Cloud, region: str, role: str) -> tuple[Statement, ...]:
    """Every statement that a role has, inline or attached, as the emulator stores it."""
    iam = cloud.client("iam", region)
    found: list[Statement] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        found += parse(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found += parse(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    return tuple(found)


def uses(calls: Iterator[dict[str, Any]], access_keys: Sequence[str], region: str, keys: Mapping[str, str]) -> list[Use]:
    """What the holders of these access keys used, each once, with the uses of KMS keys that AWS makes of it."""
    found: dict[Use, None] = {}
    said = tuple(sorted(context(region, ACCOUNT).items()))
    for call in calls:
        if call["access_key"] not in access_keys:
            continue
        if call["action"].endswith("?") or not call["resources"]:
            raise Failed(f"a role made a call that the recorder does not understand: {call}")
        for resource in call["resources"]:
            found[Use(call["action"], resource, said)] = None
    derived = [use for made in found for use in uses_of_keys(made, region, ACCOUNT, keys)]
    return list(dict.fromkeys([*found, *derived]))


def keys_of(cloud: Cloud, region: str, outputs: Mapping[str, Any]) -> dict[str, str]:
    """The KMS keys of one's own that the pipeline's resources are encrypted with."""
    found: dict[str, str | None] = {}
    for name in ("main", "retry", "dead"):
        url = outputs[f"{name}_queue_url"]
        attributes = cloud.client("sqs", region).get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        found[outputs[f"{name}_queue_arn"]] = attributes.get("KmsMasterKeyId")
    bucket = outputs["spill_bucket_name"]
    rules = cloud.client("s3", region).get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    found[f"arn:aws:s3:::{bucket}"] = rules[0]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    for name in (outputs["subscriptions_table_name"], outputs["quota_table_name"]):
        table = cloud.client("dynamodb", region).describe_table(TableName=name)["Table"]
        found[table["TableArn"]] = table.get("SSEDescription", {}).get("KMSMasterKeyArn")
    secret = outputs["tokens_secret_arn"]
    found[secret] = cloud.client("secretsmanager", region).describe_secret(SecretId=secret).get("KmsKeyId")
    kms = cloud.client("kms", region)
    own = {resource: kms.describe_key(KeyId=key)["KeyMetadata"] for resource, key in found.items() if key and "alias/aws/" not in key}
    return {resource: key["Arn"] for resource, key in own.items() if key["KeyManager"] == "CUSTOMER"}


def prove(cloud: Cloud, region: str, outputs: Mapping[str, Any], access_keys: Mapping[str, str], more: Roles, listed: Path) -> str:
    """Fails unless each role allows what it did, and all else it allows is in the list. Says the sums.

    `access_keys` are the keys that each role's process ran with; `more` are roles that no process of the run had.
    """
    keys = keys_of(cloud, region, outputs)
    roles = {role: policies(cloud, region, outputs[f"{role}_role_name"]) for role in access_keys}
    used = {role: uses(cloud.calls(), [key], region, keys) for role, key in access_keys.items()}
    _not_stopped(guards(cloud, region, outputs, keys), used)
    used["function"] = [translated(use, more.function_names) for use in used["ingress"] if use.action not in _ONLY_OF_TASKS]
    return compare(roles | {"function": more.function, "execution": more.execution}, used, read_exceptions(listed))


@dataclass(frozen=True)
class Roles:
    """Policies of the roles that no process of the run has: ECS's own, and the function's.

    The function is the same code as ingress and makes its calls, but on its own region's resources: `function_names` says
    what they are called there.
    """

    execution: tuple[Statement, ...]
    function: tuple[Statement, ...]
    function_names: Mapping[str, str]


def read_roles(cloud: Cloud, region: str, fargate: Mapping[str, Any], function: Mapping[str, Any]) -> Roles:
    """Reads them, while both regions exist."""
    definition = cloud.client("ecs", region).describe_task_definition(taskDefinition=fargate["worker_task_definition_arn"])
    execution = definition["taskDefinition"]["executionRoleArn"].rsplit("/", 1)[-1]
    names = {fargate[name]: function[name] for name in ("main_queue_arn", "retry_queue_arn", "dead_queue_arn", "tokens_secret_arn")}
    for name in ("subscriptions_table_name", "spill_bucket_name"):
        names[fargate[name]] = function[name]
    theirs, ours = (set(keys_of(cloud, region, outputs).values()) for outputs in (function, fargate))
    names |= dict(zip(sorted(ours), sorted(theirs), strict=True))
    return Roles(policies(cloud, region, execution), policies(cloud, region, function["ingress_role_name"]), names)


def translated(use: Use, names: Mapping[str, str]) -> Use:
    """The same use in another region: the longest name that stands in its resource is replaced."""
    for name in sorted(names, key=len, reverse=True):
        if name in use.resource:
            return Use(use.action, use.resource.replace(name, names[name]), use.context)
    return use


def guards(cloud: Cloud, region: str, outputs: Mapping[str, Any], keys: Mapping[str, str]) -> list[Guard]:
    """The policies that calls of the region's tasks meet besides their role's."""
    us = (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
    found = []
    for endpoint in _endpoints(cloud, region, outputs):
        service = endpoint["ServiceName"].rsplit(f".{region}.", 1)[-1].split(".")[0]
        found.append(Guard(f"the endpoint of {service}", parse_for(endpoint["PolicyDocument"], us), (f"{service}:*",), ("*",), True))
    for key in set(keys.values()):
        policy = cloud.client("kms", region).get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        found.append(Guard("the key's policy", parse_for(policy, us), ("kms:*",), (key,), True))
    for name in ("main", "retry", "dead"):
        attributes = cloud.client("sqs", region).get_queue_attributes(QueueUrl=outputs[f"{name}_queue_url"], AttributeNames=["Policy"])
        policy = attributes["Attributes"]["Policy"]
        found.append(Guard(f"the policy of {name}", parse_for(policy, us), ("sqs:*",), (outputs[f"{name}_queue_arn"],), False))
    bucket = outputs["spill_bucket_name"]
    policy = cloud.client("s3", region).get_bucket_policy(Bucket=bucket)["Policy"]
    found.append(Guard("the bucket's policy", parse_for(policy, us), ("s3:*",), (f"arn:aws:s3:::{bucket}*",), False))
    return found


def _endpoints(cloud: Cloud, region: str, outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Endpoints of the VPC that the cluster's tasks are in."""
    ecs, ec2 = cloud.client("ecs", region), cloud.client("ec2", region)
    services = ecs.list_services(cluster=outputs["cluster_name"])["serviceArns"]
    described = ecs.describe_services(cluster=outputs["cluster_name"], services=services)["services"]
    subnets = described[0]["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    vpc = ec2.describe_subnets(SubnetIds=subnets)["Subnets"][0]["VpcId"]
    return list(ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"])


def _not_stopped(passed: Sequence[Guard], used: Mapping[str, Sequence[Use]]) -> None:
    wrong = [f"{role}: {line}" for role, uses_of_role in used.items() for line in stopped(passed, uses_of_role)]
    if wrong:
        raise Failed("a policy of an endpoint, a key, a queue or the bucket stops calls that the processes make", "\n".join(wrong))


def compare(roles: Mapping[str, Sequence[Statement]], used: Mapping[str, Sequence[Use]], exceptions: Sequence[Unrecorded]) -> str:
    """The judgement over all roles."""
    wrong: list[str] = []
    sums: list[str] = []
    for role, statements in roles.items():
        done = used.get(role, ())
        wrong += [f"{role}: not allowed: {use.action} on {use.resource}" for use in refused(statements, done)]
        too_many = unused(role, statements, done, exceptions)
        wrong += [f"{role}: allowed, not used and not in the list: {action} on {resource}" for action, resource in too_many]
        indispensable = len(needed(statements, done))
        if done and not indispensable:
            wrong.append(f"{role}: no right is indispensable, so this proof would pass without any")
        sums.append(f"{role}: {len(grants(statements))} rights granted, {len(done)} uses, {indispensable} of the rights indispensable")
    wrong += [f"in the list, but no role has it: {line}" for line in stale(dict(roles), exceptions)]
    if wrong:
        raise Failed("the roles' policies and the recorded calls do not agree", "\n".join(wrong))
    return "\n".join(sums)
