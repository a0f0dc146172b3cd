"""What several checks need: a tool's verdict as mistakes, and the names of Penstock's variables."""

import re
import subprocess
import sys
from pathlib import Path


def verdict(root, tool, *arguments):
    """Runs a tool of the virtual environment; what it says, line by line, if it fails."""
    command = [Path(sys.prefix) / "bin" / tool, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    said = (done.stdout + done.stderr).strip()
    return said.splitlines() or [f"{tool} ended with {done.returncode}"]


def variables(root):
    """Every variable that Penstock reads: the settings of docs/configuration.md, and the flags of its other commands."""
    names = set()
    for line in (root / "docs/configuration.md").read_text().splitlines():
        if line.startswith("| `"):
            first = line.split("|")[1]
            names |= {"PENSTOCK_" + name.upper().replace(".", "_") for name in re.findall(r"`([a-z0-9_.]+)`", first)}
    for source in (root / "cli/src").rglob("*.rs"):
        names |= set(re.findall(r'env = "(PENSTOCK_\w+)"', source.read_text()))
    return names


def unknown_variables(root, text, where):
    """Variables in a text that Penstock does not read."""
    for name in sorted(set(re.findall(r"\bPENSTOCK_[A-Z0-9_]+\b", text)) - variables(root)):
        yield f"{where} names {name}, which docs/configuration.md does not have and no command reads"
