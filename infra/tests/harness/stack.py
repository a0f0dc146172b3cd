"""One region, applied to the emulator as its operator would apply it, and destroyed again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .console import Failed
from .run import Run
from .settings import DEPLOYER_KEY, SECRET, aws_environment

# Files that end in _override.tf are merged into what they repeat: the region's own files stay as they are.
_PROVIDER = f'''
terraform {{
  backend "local" {{}}
}}

provider "aws" {{
  access_key                  = "{DEPLOYER_KEY}"
  secret_key                  = "{SECRET}"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  s3_use_path_style           = true
  max_retries                 = 2 # a call that the emulator lacks would be made again for many minutes
}}
'''

# What an operator gives with each deploy.
_VARIABLES = {"TF_VAR_worker_image_tag": "test", "TF_VAR_ingress_image_tag": "test"}


@dataclass(frozen=True)
class Stack:
    """A region's folder, and what of its values the emulator cannot do with."""

    pod: str
    region: str
    values: str
    endpoint: str
    run: Run

    @property
    def folder(self) -> Path:
        return self.run.settings.work / "stacks" / "regions" / self.pod

    def apply(self) -> None:
        """Everything is made."""
        self._copy()
        self._terraform("init", "-no-color")
        self._terraform("apply", "-no-color", "-auto-approve", timeout_seconds=420)

    def plan_is_empty(self) -> None:
        """A second plan has nothing to do."""
        code, output = self._terraform("plan", "-no-color", "-detailed-exitcode", codes=(0, 2))
        if code:
            raise Failed(f"{self.pod}: the plan after the apply is not empty", output)

    def destroy(self) -> None:
        """Everything goes, with protections lifted first as the README tells an operator to."""
        self._terraform("destroy", "-no-color", "-auto-approve", timeout_seconds=300)

    def outputs(self) -> dict[str, Any]:
        """What the region says of itself, by name."""
        _, text = self._terraform("output", "-json", "pipeline")
        return dict(json.loads(text))

    def resources(self) -> int:
        """How many resources the state has."""
        _, text = self._terraform("state", "list")
        return sum(1 for line in text.splitlines() if ".data." not in f".{line}")

    def _copy(self) -> None:
        shutil.copytree(self.run.settings.infra / "regions" / self.pod, self.folder)
        (self.folder / "emulator_override.tf").write_text(_PROVIDER + self.values, encoding="utf-8")

    def _terraform(self, *arguments: str, timeout_seconds: float = 180, codes: tuple[int, ...] = (0,)) -> tuple[int, str]:
        environment: Mapping[str, str] = aws_environment(self.endpoint, self.region, DEPLOYER_KEY) | _VARIABLES
        return self.run.terraform(self.folder, *arguments, env=environment, timeout_seconds=timeout_seconds, codes=codes)


def prepare(run: Run) -> None:
    """A second copy of the folders' layout, apart from the one that is validated: regions are copied there as they are applied."""
    (run.settings.work / "stacks" / "regions").mkdir(parents=True)
    (run.settings.work / "stacks" / "modules").symlink_to(run.settings.infra / "modules")
