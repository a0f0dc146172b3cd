"""The steps that need no emulator: format, validate, Terraform's own tests, linters, unit tests, the build."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from .bootstrap import INSTALL_SECONDS_MAX, ensure_venv
from .console import Failed
from .run import Run
from .settings import clean_environment

# A folder of modules that is only ever called; it is validated as what it is, without a provider block of its own.
_REGION_OF_NOBODY = {"AWS_REGION": "us-east-1"}


def unit_tests(run: Run) -> None:
    """The pure parts of this folder."""
    tests = run.settings.tests
    command = [sys.executable, "-m", "unittest", "discover", "--start-directory", str(tests), "--top-level-directory", str(tests)]
    run.children.run(command, env=clean_environment({"PYTHONDONTWRITEBYTECODE": "1"}), cwd=tests, timeout_seconds=60)


def formatted(run: Run) -> None:
    """`terraform fmt`."""
    code, output = run.terraform(run.settings.infra, "fmt", "-check", "-recursive", "-diff", codes=(0, 2, 3))
    if code:
        raise Failed("terraform fmt would change these files; run `terraform fmt -recursive infra`", output)


def modules(infra: Path) -> list[Path]:
    """Every folder that Terraform can be run in: regions first, then modules."""
    found = sorted({path.parent for path in infra.rglob("*.tf") if ".terraform" not in path.parts})
    return sorted(found, key=lambda folder: "regions" not in folder.parts)


def validate(run: Run, folder: Path) -> None:
    """`init` without a backend, then `validate`."""
    run.terraform(folder, "init", "-backend=false", "-no-color")
    run.terraform(folder, "validate", "-no-color", env=_REGION_OF_NOBODY)


def with_tests(infra: Path) -> list[Path]:
    """Every folder that has tests of its own, in it or in `tests/` below."""
    files = [path for path in infra.rglob("*.tftest.hcl") if ".terraform" not in path.parts]
    return sorted({path.parent.parent if path.parent.name == "tests" and path.parent.parent != infra else path.parent for path in files})


def terraform_test(run: Run, folder: Path) -> str:
    """`terraform test`; the line that says how many ran."""
    run.terraform(folder, "init", "-backend=false", "-no-color")
    _, output = run.terraform(folder, "test", "-no-color", env=_NO_ACCOUNT, timeout_seconds=400)
    return next((line for line in reversed(output.splitlines()) if line.startswith("Success!")), "")


# Tests with a mocked provider call nothing; a test that forgot to mock fails at once instead of looking for credentials.
_NO_ACCOUNT: Mapping[str, str] = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def linters(run: Run) -> Path:
    """The virtual environment of the linters."""

    def pip(command: list[str]) -> None:
        run.children.run(command, env=clean_environment(), cwd=run.settings.work, timeout_seconds=INSTALL_SECONDS_MAX)

    return ensure_venv(run.settings.tools / "infra-lint", run.settings.tests / "requirements-lint.txt", pip)


def build(run: Run) -> None:
    """The binary that the run drives."""
    command = ["cargo", "build", "--locked", "--package", "penstock"]
    run.children.run(command, env=clean_environment(), cwd=run.settings.repository, timeout_seconds=1800)
