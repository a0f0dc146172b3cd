"""Before the steps: finds Terraform, makes the emulator's virtual environment and goes on inside it. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from .settings import target_folder

# As the modules ask for (required_version).
TERRAFORM_MIN = (1, 9, 0)
EXIT_UNAVAILABLE = 69
INSTALL_SECONDS_MAX = 900


def main(tests: Path) -> int:
    """The exit code. Replaces this process by one of the virtual environment."""
    missing = _terraform_missing()
    if missing:
        print(f"infra/test: {missing}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    tools = target_folder(tests.parent.parent) / "tools"
    print("infra/test: virtual environment of the emulator", flush=True)
    try:
        python = ensure_venv(tools / "infra-emulator", tests / "requirements-emulator.txt", _pip) / "bin" / "python"
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stdout", None) or b""
        print(
            f"{output.decode(errors='replace')}\ninfra/test: cannot install {tests.name}/requirements-emulator.txt: {error}",
            file=sys.stderr,
        )
        return EXIT_UNAVAILABLE
    environment = os.environ | {"PYTHONPATH": str(tests), "PYTHONDONTWRITEBYTECODE": "1"}
    os.execve(python, [str(python), "-m", "harness", *sys.argv[1:]], environment)


def ensure_venv(folder: Path, requirements: Path, run: Callable[[list[str]], None]) -> Path:
    """A virtual environment with exactly these requirements; made again when they have changed. `run` runs pip."""
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    mark = folder / "made-of"
    if mark.is_file() and mark.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True, symlinks=True)
    run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)])
    mark.write_text(wanted)
    return folder


def _pip(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=INSTALL_SECONDS_MAX, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _terraform_missing() -> str | None:
    """What is wrong with Terraform here, if anything is."""
    least = ".".join(map(str, TERRAFORM_MIN))
    path = shutil.which("terraform")
    if path is None:
        return f"needs Terraform {least} or newer; there is no `terraform` in PATH ({os.environ.get('PATH', '')})"
    said = subprocess.run([path, "version", "-json"], capture_output=True, timeout=60, check=False)
    try:
        version = json.loads(said.stdout)["terraform_version"]
        numbers = tuple(int(part) for part in version.split("-", 1)[0].split("."))
    except (ValueError, KeyError):
        return f"needs Terraform {least} or newer; {path} does not tell its version: {said.stderr.decode(errors='replace')}"
    return None if numbers >= TERRAFORM_MIN else f"needs Terraform {least} or newer; {path} is {version}"
