"""The part of the ECS agent that a worker calls: scale-in protection of its own task.

In a container the agent's address comes from ECS (`ECS_AGENT_URI`), and the agent makes the call to ECS with the task's
role. Here the address holds the access key to note the call under: `/ecs-agent/<access key>/<region>/<task>`, where the
task is `<cluster>.<id>`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from .calls import ACCOUNT, ApiCall

PREFIX = "/ecs-agent/"
_ACTIONS = {"PUT": "UpdateTaskProtection", "GET": "GetTaskProtection"}


def address(endpoint: str, access_key: str, region: str, cluster: str, task: str) -> str:
    """What `ECS_AGENT_URI` is to be for such a task."""
    return f"{endpoint}{PREFIX}{access_key}/{region}/{cluster}.{task}"


def understand(method: str, path: str) -> ApiCall | None:
    """The call that the agent makes for a request; `None` for a request it does not know."""
    parts = path.removeprefix(PREFIX).split("/")
    if method not in _ACTIONS or len(parts) != 6 or parts[3:] != ["task-protection", "v1", "state"]:
        return None
    key, region, task = parts[:3]
    cluster, _, identity = task.rpartition(".")
    arn = f"arn:aws:ecs:{region}:{ACCOUNT}:task/{cluster}/{identity}"
    return ApiCall(key, region, "ecs", _ACTIONS[method], f"ecs:{_ACTIONS[method]}", (arn,))


def answer(call: ApiCall | None, body: bytes, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers as the agent does."""
    if call is None:
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]
    wanted = json.loads(body or b"{}")
    state = {"ProtectionEnabled": bool(wanted.get("ProtectionEnabled")), "TaskArn": call.resources[0]}
    text = json.dumps({"protection": state}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]
