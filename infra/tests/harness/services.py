"""The pipeline's own processes, started with the environment of the task definitions that Terraform made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator import agent

from .children import Child
from .cloud import Cloud, Credentials
from .console import Failed
from .run import Run
from .settings import aws_environment, clean_environment

# All that differs from the task definition, and why. The rest of the environment is the definition's, whole.
_PLACES = {
    "PENSTOCK_INGRESS_LISTEN": "127.0.0.1:0",
    "PENSTOCK_ADMIN": "127.0.0.1:0",
    # The emulator takes tens of milliseconds for a call, and a debug build is slow: within 80 ms nothing would be stored.
    "PENSTOCK_INGRESS_ANSWER_BUDGET_MS": "10000",
    "PENSTOCK_INGRESS_SEND_TIMEOUT_MS": "9000",
    # A minute, in a container: the rotation is to be seen sooner here.
    "PENSTOCK_TOKENS_SECRET_RELOAD_MS": "1000",
}
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Task:
    """A task definition as ECS would start it."""

    family: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_timeout_seconds: int
    role_arn: str
    container: Mapping[str, Any]
    definition: Mapping[str, Any]


def read_task(cloud: Cloud, region: str, arn: str) -> Task:
    """Reads a task definition back from the emulator."""
    definition = cloud.client("ecs", region).describe_task_definition(taskDefinition=arn)["taskDefinition"]
    container = definition["containerDefinitions"][0]
    environment = {entry["name"]: entry["value"] for entry in container.get("environment", [])}
    return Task(
        definition["family"],
        container["command"],
        environment,
        int(container["stopTimeout"]),
        definition["taskRoleArn"],
        container,
        definition,
    )


@dataclass(frozen=True)
class Service:
    """A role that runs. `calls` is empty for a worker."""

    child: Child
    calls: str
    admin: str
    environment: Mapping[str, str]

    def metrics(self) -> dict[str, float]:
        """Its metrics: name with labels → value."""
        lines = (line.rsplit(" ", 1) for line in get(f"{self.admin}/metrics").splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def metric(self, name: str, label: str = "") -> int:
        """One metric, all series with this label added up."""
        return int(sum(value for key, value in self.metrics().items() if key.split("{")[0] == name and label in key))


def binary(run: Run) -> Path:
    """`PENSTOCK_BIN`, or what the build step made."""
    return given_binary() or run.settings.target / "debug" / "penstock"


def given_binary() -> Path | None:
    """A binary that is tested as it is, without a build."""
    given = os.environ.get("PENSTOCK_BIN")
    return Path(given) if given else None


def start(run: Run, cloud: Cloud, region: str, task: Task, keys: Credentials, partner_url: str, cluster: str) -> Service:
    """Starts the container's command with its environment, and waits until it listens and is ready."""
    role = task.command[0]
    platform = aws_environment(cloud.endpoint, region, keys.access_key, keys.token) | {
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "ECS_AGENT_URI": agent.address(cloud.endpoint, keys.access_key, region, cluster, f"{role}1"),
    }
    missing = {"PENSTOCK_PARTNER", "AWS_REGION"} - set(task.environment)
    if missing:
        raise Failed(f"{task.family}: the task definition does not set {', '.join(sorted(missing))}")
    places = _PLACES | {
        "PENSTOCK_PARTNER": str(run.settings.repository / "fixtures" / "partners" / "sandbox.toml"),
        "PENSTOCK_PARTNER_URL": partner_url,
    }
    environment = clean_environment(dict(platform) | dict(task.environment) | places)
    folder = run.settings.work / f"{task.family}-{len(list(run.settings.work.glob(task.family + '-*')))}"
    folder.mkdir()
    child = run.children.start(task.family, [str(binary(run)), *task.command], env=environment, cwd=folder, log=folder / "log")
    line = run.children.wait_for("its addresses", lambda: _addresses(child), within_seconds=60, child=child)
    found = _ADDRESS.findall(line)
    service = Service(child, found[0] if role == "ingress" else "", found[-1], environment)
    run.children.wait_for("it is ready", lambda: _ready(service), within_seconds=60, child=child)
    return service


def is_well(run: Run, service: Service, task: Task) -> None:
    """Runs the container's health check as ECS would: with the container's environment, beside the process."""
    kind, program, *arguments = task.container["healthCheck"]["command"]
    if kind != "CMD" or not program.endswith("/penstock"):
        raise Failed(f"{task.family}: the health check is not penstock's own: {task.container['healthCheck']}")
    environment = dict(service.environment) | {"PENSTOCK_ADMIN": service.admin.removeprefix("http://")}
    timeout = float(task.container["healthCheck"]["timeout"])
    run.children.run([str(binary(run)), *arguments], env=environment, cwd=run.settings.work, timeout_seconds=timeout)


def begin_stop(service: Service) -> float:
    """Sends SIGTERM; when that was."""
    service.child.process.terminate()
    return time.monotonic()


def ended_well(service: Service, task: Task, begin: float) -> float:
    """Waits as long as ECS does after SIGTERM: it must end by itself, with 0. How long it took."""
    left = task.stop_timeout_seconds - (time.monotonic() - begin)
    try:
        code = service.child.process.wait(max(0.0, left))
    except subprocess.TimeoutExpired:
        raise Failed(
            f"{task.family} did not stop within its stop timeout of {task.stop_timeout_seconds} s", service.child.output()
        ) from None
    if code:
        raise Failed(f"{task.family} ended with {code} after SIGTERM", service.child.output())
    return time.monotonic() - begin


def stop(service: Service, task: Task) -> float:
    """Both: what ECS does with a task that it replaces."""
    return ended_well(service, task, begin_stop(service))


def start_partner(run: Run, faults: str) -> str:
    """The simulated partner's address."""
    command = [
        str(binary(run)),
        "simulate",
        "partner",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--seed",
        "1",
        "--fail",
        faults,
        "--record",
        str(run.settings.work / "partner.jsonl"),
    ]
    log = run.settings.work / "partner.log"
    child = run.children.start("partner", command, env=clean_environment(), cwd=run.settings.work, log=log)
    line = run.children.wait_for("its address", lambda: _line(child, '{"listening"'), within_seconds=30, child=child)
    return str(json.loads(line)["listening"])


def get(url: str) -> str:
    """The body of an answer."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def post(url: str, token: str, body: bytes) -> int:
    """Sends a message; the status of the answer."""
    request = urllib.request.Request(url, data=body, headers={"Authorization": f"Token {token}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _ready(service: Service) -> bool | None:
    try:
        get(f"{service.admin}/readyz")
    except OSError:
        return None
    return True


def not_ready(service: Service) -> bool | None:
    """True once it tells the load balancer that it leaves; `None` before."""
    return None if _ready(service) else True


def _addresses(child: Child) -> str | None:
    return _line(child, " admin on http://", anywhere=True)


def _line(child: Child, beginning: str, *, anywhere: bool = False) -> str | None:
    lines = child.output().splitlines()
    return next((line for line in lines if (beginning in line if anywhere else line.startswith(beginning))), None)
