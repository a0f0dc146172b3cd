"""Where things are, and the environment that programs are started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Everything a program may take from the caller. No AWS_* is among it: a real account can never be reached.
_PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "USER",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_PASSED_PREFIXES = ("CARGO_", "RUSTUP_", "RUST", "PIP_")

# Access keys that belong to nobody: moto takes any.
DEPLOYER_KEY = "AKIAPENSTOCKDEPLOYER"
SECRET = "not-a-secret"


@dataclass(frozen=True)
class Settings:
    """The run's places. `work` is made anew by each run and removed at its end."""

    repository: Path
    tests: Path
    target: Path
    work: Path

    @property
    def infra(self) -> Path:
        """The copy of infra/ that Terraform works in, so that the source tree stays as it is."""
        return self.work / "infra"

    @property
    def tools(self) -> Path:
        return self.target / "tools"


def target_folder(repository: Path) -> Path:
    """Where builds go, as cargo has it."""
    return repository / os.environ.get("CARGO_TARGET_DIR", "target")


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without anything that could lead to an account or change Terraform's behaviour."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    return kept | dict(more or {})


def aws_environment(endpoint: str, region: str, access_key: str, session_token: str = "") -> dict[str, str]:
    """What makes an AWS SDK talk to the emulator and look for credentials nowhere else."""
    token = {"AWS_SESSION_TOKEN": session_token} if session_token else {}
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    } | token
