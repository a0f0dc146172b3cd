"""What every step is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .children import Children
from .console import Console
from .settings import Settings, clean_environment


@dataclass(frozen=True)
class Run:
    """One run of infra/test. `provider` are the variables that tell Terraform where its provider is."""

    settings: Settings
    console: Console
    children: Children
    provider: Mapping[str, str]

    def terraform(
        self,
        folder: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float = 300,
        codes: tuple[int, ...] = (0,),
    ) -> tuple[int, str]:
        """Runs Terraform in a folder of the copy."""
        environment = clean_environment(dict(self.provider) | dict(env or {}))
        return self.children.run(["terraform", *arguments], env=environment, cwd=folder, timeout_seconds=timeout_seconds, codes=codes)
