"""checkov over the Terraform code: every finding must be in the list of exceptions, and every exception must find something."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .console import Failed
from .run import Run
from .settings import clean_environment


@dataclass(frozen=True)
class Finding:
    """One check that a resource fails. `resource` is without modules and index: `aws_sqs_queue.main`."""

    check: str
    resource: str
    says: str
    place: str


@dataclass(frozen=True)
class Exempt:
    """A check that some resources may fail, and why."""

    check: str
    resources: tuple[str, ...]
    reason: str

    def covers(self, finding: Finding) -> bool:
        return finding.check == self.check and any(fnmatchcase(finding.resource, pattern) for pattern in self.resources)


def checkov(run: Run, venv: Path) -> str:
    """Runs it and judges what it found; how much that was."""
    command = [
        str(venv / "bin" / "python"),
        str(venv / "bin" / "checkov"),
        "--directory",
        ".",
        "--framework",
        "terraform",
        "--skip-path",
        "(^|/)tests/",
        "--skip-download",
        "--compact",
        "--soft-fail",
        "--output",
        "json",
    ]
    _, output = run.children.run(command, env=clean_environment({"LOG_LEVEL": "ERROR"}), cwd=run.settings.infra, timeout_seconds=300)
    report = json.loads(output[output.index("{") :])
    findings = read(report["results"]["failed_checks"])
    exempt = read_exceptions(run.settings.tests / "checkov_exceptions.toml")
    wrong = judge(findings, exempt)
    wrong += [f"checkov cannot read {path}" for path in report["results"].get("parsing_errors", [])]
    if wrong:
        raise Failed("checkov has findings that nobody explained, or the other way round", "\n".join(wrong))
    return f"{report['summary']['passed']} checks passed, {len(findings)} findings are explained by {len(exempt)} exceptions"


def read(checks: Iterable[dict[str, Any]]) -> list[Finding]:
    """checkov's findings, each resource of the code once, however often it is called."""
    found = {
        Finding(check["check_id"], _bare(check["resource"]), check["check_name"], f"{check['file_path']}:{check['file_line_range'][0]}")
        for check in checks
    }
    return sorted(found, key=lambda finding: (finding.check, finding.resource, finding.place))


def read_exceptions(path: Path) -> list[Exempt]:
    """The list. Every entry must have a reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["exception"]
    found = [Exempt(entry["check"], tuple(entry["resources"]), entry["reason"].strip()) for entry in entries]
    bare = [entry.check for entry in found if len(entry.reason) < 15]
    if bare:
        raise ValueError(f"{path.name}: no reason for {', '.join(bare)}")
    return found


def judge(findings: Sequence[Finding], exempt: Sequence[Exempt]) -> list[str]:
    """What is wrong, as lines."""
    wrong = [
        f"{finding.place} {finding.resource}: {finding.check} {finding.says}"
        for finding in findings
        if not any(entry.covers(finding) for entry in exempt)
    ]
    return wrong + [
        f"the exception of {entry.check} for {pattern} finds nothing: take it out"
        for entry in exempt
        for pattern in entry.resources
        if not any(Exempt(entry.check, (pattern,), "").covers(finding) for finding in findings)
    ]


def _bare(resource: str) -> str:
    """`module.pipeline.aws_s3_bucket.spill[0]` → `aws_s3_bucket.spill`."""
    return ".".join(resource.split("[", 1)[0].split(".")[-2:])
