"""The emulator as the steps see it: started, asked and read with boto3."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from .children import Child
from .run import Run
from .settings import SECRET, clean_environment

# The test's own calls, told apart from Terraform's and the roles' in the record.
_OWN_KEY = "AKIAPENSTOCKTESTRUN0"


@dataclass(frozen=True)
class Credentials:
    """Keys of one role, as ECS would hand them to a task."""

    role: str
    access_key: str
    secret: str
    token: str


class Cloud:
    """The running emulator and the record of its calls."""

    def __init__(self, child: Child, endpoint: str, record: Path) -> None:
        self.child = child
        self.endpoint = endpoint
        self._record = record
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    @classmethod
    def start(cls, run: Run) -> Cloud:
        record, log = run.settings.work / "calls.jsonl", run.settings.work / "emulator.log"
        record.touch()
        command = [sys.executable, "-m", "emulator.server", str(record)]
        environment = clean_environment({"PYTHONPATH": str(run.settings.tests), "PYTHONDONTWRITEBYTECODE": "1"})
        child = run.children.start("emulator", command, env=environment, cwd=run.settings.work, log=log)
        line = run.children.wait_for("its address", lambda: _first_line(child), within_seconds=60, child=child)
        return cls(child, str(json.loads(line)["endpoint"]), record)

    def client(self, service: str, region: str) -> Any:
        """A client of boto3; it reads neither the environment nor files. Each is made once, as that takes a while."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._new_client(service, region)
            return self._clients[service, region]

    def _new_client(self, service: str, region: str) -> Any:
        session = boto3.session.Session(aws_access_key_id=_OWN_KEY, aws_secret_access_key=SECRET, region_name=region)
        config = Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 2}, s3={"addressing_style": "path"})
        return session.client(service, endpoint_url=self.endpoint, config=config)

    def assume(self, role_arn: str, region: str) -> Credentials:
        """Credentials of a role, with an access key that the record shows."""
        answer = self.client("sts", region).assume_role(RoleArn=role_arn, RoleSessionName="task")
        keys = answer["Credentials"]
        return Credentials(role_arn.rsplit("/", 1)[-1], keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def calls(self) -> Iterator[dict[str, Any]]:
        """Every call so far."""
        for line in self._record.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _first_line(child: Child) -> str | None:
    return next((line for line in child.output().splitlines() if line.startswith('{"endpoint"')), None)
