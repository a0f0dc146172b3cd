"""The region whose ingress is a Lambda function. Nothing here runs it: `lambda/` has tests that do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .cloud import Cloud
from .console import Failed

# mParticle's accounts, as the run gives them to the module.
PRINCIPALS = ("338661164609", "457804467337")


def check(cloud: Cloud, region: str, outputs: Mapping[str, Any]) -> None:
    """The alias may be invoked by mParticle's accounts, and the function is told this region's queues."""
    lambdas = cloud.client("lambda", region)
    name, alias = outputs["lambda_alias_arn"].split(":function:", 1)[1].split(":")
    policy = json.loads(lambdas.get_policy(FunctionName=name, Qualifier=alias)["Policy"])
    invokers = {
        account
        for statement in policy["Statement"]
        if statement["Action"] == "lambda:InvokeFunction" and statement["Resource"] == outputs["lambda_alias_arn"]
        for account in PRINCIPALS
        if account in json.dumps(statement["Principal"])
    }
    if invokers != set(PRINCIPALS):
        raise Failed("mParticle's accounts may not invoke the alias", json.dumps(policy, indent=2))
    configuration = lambdas.get_function_configuration(FunctionName=name, Qualifier=alias)
    environment = configuration["Environment"]["Variables"]
    wanted = {
        "PENSTOCK_SQS_MAIN_URL": outputs["main_queue_url"],
        "PENSTOCK_SQS_RETRY_URL": outputs["retry_queue_url"],
        "PENSTOCK_SQS_DEAD_URL": outputs["dead_queue_url"],
        "PENSTOCK_S3_BUCKET": outputs["spill_bucket_name"],
        "PENSTOCK_DYNAMODB_TABLE": outputs["subscriptions_table_name"],
    }
    wrong = {name: environment.get(name) for name, value in wanted.items() if environment.get(name) != value}
    if wrong or configuration["Architectures"] != ["arm64"] or configuration["Runtime"] != "provided.al2023":
        raise Failed("the function is not what it should be", json.dumps({"wrong": wrong, "is": configuration}, indent=2, default=str))
    if not configuration["Role"].endswith(f"/{outputs['ingress_role_name']}"):
        raise Failed(f"the function runs as {configuration['Role']}, not as {outputs['ingress_role_name']}")
