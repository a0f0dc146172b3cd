"""The steps against the emulator: two regions are applied, one of them does its work, both are destroyed."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

from . import function, iam_proof, leftovers, services, static
from .cloud import Cloud
from .console import Failed
from .parallel import beside
from .run import Run
from .stack import Stack, prepare
from .works import works

REGION = "us-east-1"

# What the emulator cannot do with, or a test should not keep: merged into the region's own call of the module.
_FARGATE_VALUES = """
module "pipeline" {{
  domain_name          = "us1.penstock.example.com"
  zone_id              = "{zone}"
  certificate_arn      = null # one is made, with its validation
  waf_enabled          = true
  deletion_protection  = false
  force_destroy        = true

  # So short that the run sees leases being renewed; it becomes the worker's lease.
  visibility_timeout_seconds = 8
}}
"""
_FUNCTION_VALUES = """
module "pipeline" {{
  ingress_kind         = "lambda"
  lambda_zip_path      = "{package}"
  lambda_url_auth      = "NONE"
  mparticle_principals = ["338661164609", "457804467337"]
  domain_name          = null
  zone_id              = null
  certificate_arn      = null
  deletion_protection  = false
  force_destroy        = true
}}
"""


@dataclass(frozen=True)
class Pods:
    """One region of each kind of ingress. They share the emulator, as two pods share an account."""

    fargate: Stack
    function: Stack


def emulated(run: Run) -> None:
    """All of it. The applies mostly wait, so the build runs beside them."""
    console = run.console
    with console.step("the emulator starts"):
        cloud = Cloud.start(run)
        pods = _pods(run, cloud)
        before = leftovers.inventory(cloud, REGION)
    beside(run.children, [lambda: _applied(run, pods.fargate), lambda: _applied(run, pods.function), lambda: _built(run)])
    outputs, others = pods.fargate.outputs(), pods.function.outputs()
    with console.step("us2: who may invoke the function, and what it is told"):
        function.check(cloud, REGION, others)
        roles = iam_proof.read_roles(cloud, REGION, outputs, others)
    beside(run.children, [lambda: _does_its_work(run, cloud, pods.fargate, roles), lambda: _destroyed(run, pods.function)])
    _destroyed(run, pods.fargate)
    with console.step("nothing is left"):
        left = leftovers.inventory(cloud, REGION) - before
        kept = leftovers.kept(left, (pods.fargate.pod, pods.function.pod))
        if left - kept:
            raise Failed("destroy left something behind", "\n".join(sorted(left - kept)))
    console.say("\n".join(f"stays, free: {line}" for line in sorted(kept)))
    console.say("\n".join(f"on its way out: {line}" for line in leftovers.pending(cloud, REGION)))


def _pods(run: Run, cloud: Cloud) -> Pods:
    package = run.settings.work / "function.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    zone = cloud.client("route53", REGION).create_hosted_zone(Name="penstock.example.com", CallerReference="infra-test")["HostedZone"]["Id"]
    prepare(run)
    return Pods(
        Stack("us1", REGION, _FARGATE_VALUES.format(zone=zone), cloud.endpoint, run),
        Stack("us2", REGION, _FUNCTION_VALUES.format(zone=zone, package=package), cloud.endpoint, run),
    )


def _applied(run: Run, stack: Stack) -> None:
    with run.console.step(f"{stack.pod}: terraform apply"):
        stack.apply()
    with run.console.step(f"{stack.pod}: second plan is empty"):
        stack.plan_is_empty()
        count = stack.resources()
    run.console.say(f"{count} resources")


def _built(run: Run) -> None:
    if services.given_binary() is None:
        with run.console.step("cargo build"):
            static.build(run)


def _does_its_work(run: Run, cloud: Cloud, stack: Stack, more: iam_proof.Roles) -> None:
    outputs = stack.outputs()
    keys = works(run, cloud, REGION, outputs)
    with run.console.step("IAM: each role allows what it did, and nothing more than the list"):
        said = iam_proof.prove(cloud, REGION, outputs, keys, more, run.settings.tests / "iam_unrecorded.toml")
    run.console.say(said)


def _destroyed(run: Run, stack: Stack) -> None:
    with run.console.step(f"{stack.pod}: terraform destroy"):
        stack.destroy()
