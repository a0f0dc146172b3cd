"""Compares what a role allows with what its process did. Pure; `harness.iam_proof` gathers both from the emulator."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .implied import Use
from .policy import Statement, allows, grants, matches


@dataclass(frozen=True)
class Unrecorded:
    """A right that a role has although the run against the emulator does not use it. `resource` is a pattern."""

    roles: tuple[str, ...]
    actions: tuple[str, ...]
    resource: str
    reason: str

    def speaks_of(self, role: str, action: str, resource: str) -> bool:
        return role in self.roles and action in self.actions and matches(self.resource, resource)


def read_exceptions(path: Path) -> list[Unrecorded]:
    """The stated list. Every entry must have a reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["unrecorded"]
    found = [Unrecorded(tuple(entry["roles"]), tuple(entry["actions"]), entry["resource"], entry["reason"].strip()) for entry in entries]
    bare = [entry.actions for entry in found if len(entry.reason) < 15]
    if bare:
        raise ValueError(f"{path.name}: no reason for {bare}")
    return found


def refused(statements: Sequence[Statement], uses: Iterable[Use]) -> list[Use]:
    """The uses that the policies do not allow."""
    return [use for use in uses if not allows(statements, use.action, use.resource, dict(use.context))]


def unused(role: str, statements: Sequence[Statement], uses: Sequence[Use], exceptions: Sequence[Unrecorded]) -> list[tuple[str, str]]:
    """The rights (action, resource) of the policies that were not used and are not in the list."""
    return [
        (action, resource)
        for action, resource in grants(statements)
        if not _used(action, resource, uses) and not any(entry.speaks_of(role, action, resource) for entry in exceptions)
    ]


def stale(roles: dict[str, Sequence[Statement]], exceptions: Sequence[Unrecorded]) -> list[str]:
    """What of the list no role has any more: such an entry would hide the right if it came back."""
    rights = [(role, *grant) for role, statements in roles.items() for grant in grants(statements)]
    return [
        f"{role}: {action} on {entry.resource}"
        for entry in exceptions
        for role in entry.roles
        if role in roles
        for action in entry.actions
        if not any(right[:2] == (role, action) and matches(entry.resource, right[2]) for right in rights)
    ]


def _used(action: str, resource: str, uses: Sequence[Use]) -> bool:
    # A wildcard in an action grants more than any run can use: it counts as used by nothing, and needs its reason.
    return "*" not in action and any(use.action.lower() == action.lower() and matches(resource, use.resource) for use in uses)


def needed(statements: Sequence[Statement], uses: Sequence[Use]) -> list[tuple[str, str]]:
    """The rights without which a use would be refused: taking any one of them away must fail the proof."""
    return [grant for grant in grants(statements) if refused([_without(statement, *grant) for statement in statements], uses)]


def _without(statement: Statement, action: str, resource: str) -> Statement:
    """The statement without one action on one resource (the action goes as a whole when it stands for several)."""
    if not statement.allow or action not in statement.actions or resource not in statement.resources:
        return statement
    left = tuple(entry for entry in statement.actions if entry != action)
    return Statement(statement.sid, True, left or ("none:None",), (), statement.resources, (), statement.conditions)
