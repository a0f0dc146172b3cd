"""Where Terraform gets its provider from: a setting of the run, never of the code under test.

1. `PENSTOCK_TF_PLUGIN_DIR`: a folder laid out as a filesystem mirror.
2. `TF_CLI_CONFIG_FILE`, if it names a file that exists.
3. The registry, if it can be reached; also what Terraform knows by itself (`~/.terraform.d/plugins`, …).
4. A mirror found on this machine, in folders that only root and this user can write to. Whoever else can, could leave a program
   there, and Terraform would run it.
"""

from __future__ import annotations

import os
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from .console import Failed

PROVIDER = Path("registry.terraform.io", "hashicorp", "aws")
_REGISTRY = "https://registry.terraform.io/.well-known/terraform.json"
_REGISTRY_SECONDS = 5.0
# A mirror at /a/b, at most: its provider's folder is three levels further down.
_SEARCH_DEPTH = 3
_SEARCH_SECONDS = 10.0
_NOT_SEARCHED = {"proc", "sys", "dev", "run", "tmp", "lost+found"}


def environment(work: Path) -> tuple[dict[str, str], str]:
    """The variables that tell Terraform where to look, and the same in words."""
    quiet = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    folder = os.environ.get("PENSTOCK_TF_PLUGIN_DIR")
    if folder:
        if not (Path(folder) / PROVIDER).is_dir():
            raise Failed(f"PENSTOCK_TF_PLUGIN_DIR={folder} has no folder {PROVIDER}")
        return quiet | _mirror(work, Path(folder)), f"the mirror {folder}"
    config = os.environ.get("TF_CLI_CONFIG_FILE")
    if config and Path(config).is_file():
        return quiet | {"TF_CLI_CONFIG_FILE": config}, f"as {config} says"
    if not _registry_answers():
        found = next(_mirrors(Path("/")), None)
        if found is not None:
            return quiet | _mirror(work, found), f"the mirror {found}, as the registry does not answer"
    return quiet, "where Terraform looks by itself"


def _mirror(work: Path, folder: Path) -> dict[str, str]:
    """A CLI configuration that knows nothing but this mirror."""
    file = work / "mirror.tfrc"
    file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}\n', encoding="utf-8")
    return {"TF_CLI_CONFIG_FILE": str(file)}


def _registry_answers() -> bool:
    try:
        with urllib.request.urlopen(_REGISTRY, timeout=_REGISTRY_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def _mirrors(root: Path) -> Iterator[Path]:
    """Mirrors near the root of this file system; mounts are not entered."""
    device, end = root.stat().st_dev, time.monotonic() + _SEARCH_SECONDS
    level = [root]
    for _ in range(_SEARCH_DEPTH):
        if time.monotonic() > end:
            return
        yield from (folder for folder in level if _is_mirror(folder))
        level = [inner for folder in level for inner in _folders(folder, device)]
    yield from (folder for folder in level if _is_mirror(folder))


def _is_mirror(folder: Path) -> bool:
    inner = [folder.joinpath(*PROVIDER.parts[:count]) for count in range(1, len(PROVIDER.parts) + 1)]
    try:
        return all(_is_safe(path.lstat()) for path in inner)
    except OSError:
        return False


def _is_safe(found: os.stat_result) -> bool:
    """A folder of root's or ours that others cannot write to."""
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.getuid()) and not found.st_mode & stat.S_IWOTH


def _folders(folder: Path, device: int) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            found = entry.stat(follow_symlinks=False)
            if entry.name not in _NOT_SEARCHED and _is_safe(found) and found.st_dev == device:
                yield Path(entry.path)
        except OSError:
            continue
