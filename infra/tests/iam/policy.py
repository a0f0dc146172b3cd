"""Judges calls by IAM policies, as AWS documents it: those of roles, and those of resources and endpoints. Pure.

Strict: what it does not know (an operator, `NotPrincipal`, a policy variable) is an error and never a yes or a no.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_STATEMENT_KEYS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}


class Unsupported(ValueError):
    """A policy has something that this evaluator does not judge."""


@dataclass(frozen=True)
class Statement:
    """One statement; `conditions` are (operator, key, values)."""

    sid: str
    allow: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def covers(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        """Whether the statement speaks of such a call."""
        action = action.lower()
        if self.actions and not any(matches(pattern.lower(), action) for pattern in self.actions):
            return False
        if any(matches(pattern.lower(), action) for pattern in self.not_actions):
            return False
        if self.resources and not any(matches(pattern, resource) for pattern in self.resources):
            return False
        if any(matches(pattern, resource) for pattern in self.not_resources):
            return False
        return all(_holds(operator, values, context.get(key.lower())) for operator, key, values in self.conditions)


def parse(document: str | Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements of a role's policy."""
    return tuple(_statement(entry) for entry in _entries(document))


def parse_for(document: str | Mapping[str, Any], principals: Collection[str]) -> tuple[Statement, ...]:
    """Of the policy of a resource or an endpoint, the statements that speak of callers known by these names."""
    entries = (dict(entry) for entry in _entries(document))
    return tuple(_statement(entry) for entry in entries if _meets(entry.pop("Principal", None), principals))


def _entries(document: str | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    policy = json.loads(document) if isinstance(document, str) else document
    statements = policy["Statement"]
    return list(statements) if isinstance(statements, list) else [statements]


def _meets(said: Any, principals: Collection[str]) -> bool:
    """Whether a `Principal` names one of them. Services are named under another key and are never our callers."""
    if said is None:
        raise Unsupported("a statement of a resource's policy must have a Principal")
    named = said if isinstance(said, str) else said.get("AWS", [])
    return any(name == "*" or name in principals for name in ([named] if isinstance(named, str) else named))


def allows(statements: Iterable[Statement], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a call is allowed: a statement allows it and none denies it. Keys of `context` in any case."""
    lowered = {key.lower(): value for key, value in context.items()}
    covering = [statement for statement in statements if statement.covers(action, resource, lowered)]
    return bool(covering) and all(statement.allow for statement in covering)


def denies(statements: Iterable[Statement], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a statement denies a call, whatever others allow."""
    lowered = {key.lower(): value for key, value in context.items()}
    return any(not statement.allow and statement.covers(action, resource, lowered) for statement in statements)


def grants(statements: Iterable[Statement]) -> list[tuple[str, str]]:
    """Every (action, resource) that is allowed, as written in the policies, each once."""
    found: dict[tuple[str, str], None] = {}
    for statement in statements:
        if not statement.allow:
            continue
        if statement.not_actions or statement.not_resources:
            raise Unsupported(f"statement {statement.sid!r} allows by exclusion; say what it allows")
        found.update(dict.fromkeys((action, resource) for action in statement.actions for resource in statement.resources))
    return list(found)


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern with `*` and `?`."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    if "${" in pattern:
        raise Unsupported(f"policy variable in {pattern!r}")
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _statement(entry: Mapping[str, Any]) -> Statement:
    unknown = set(entry) - _STATEMENT_KEYS
    if unknown:
        raise Unsupported(f"{', '.join(sorted(unknown))} in a statement of a role's policy")
    if entry["Effect"] not in ("Allow", "Deny"):
        raise Unsupported(f"effect {entry['Effect']!r}")
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if (one in entry) == (other in entry):
            raise Unsupported(f"a statement must have either {one} or {other}")
    conditions = tuple(
        (operator, key, _texts(values)) for operator, keys in entry.get("Condition", {}).items() for key, values in keys.items()
    )
    actions, not_actions, resources, not_resources = (
        _texts(entry.get(key, ())) for key in ("Action", "NotAction", "Resource", "NotResource")
    )
    allow = entry["Effect"] == "Allow"
    return Statement(entry.get("Sid", ""), allow, actions, not_actions, resources, not_resources, conditions)


def _texts(value: Any) -> tuple[str, ...]:
    values: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    return tuple(str(entry).lower() if isinstance(entry, bool) else str(entry) for entry in values)


def _holds(operator: str, values: tuple[str, ...], actual: str | None) -> bool:
    """One condition against the value that the call has for its key, if it has one."""
    name = operator.removesuffix("IfExists")
    if name == "Null":
        return (actual is None) == (values == ("true",))
    if actual is None:
        # A negated condition on an absent key is true, as AWS documents; a plain one is false.
        return operator.endswith("IfExists") or name in ("StringNotEquals", "StringNotLike", "ArnNotEquals", "ArnNotLike")
    if name == "StringEquals":
        return actual in values
    if name == "StringNotEquals":
        return actual not in values
    if name == "Bool":
        return actual.lower() in (value.lower() for value in values)
    if name in ("StringLike", "ArnLike", "ArnEquals"):
        return any(matches(value, actual) for value in values)
    if name in ("StringNotLike", "ArnNotLike", "ArnNotEquals"):
        return not any(matches(value, actual) for value in values)
    raise Unsupported(f"condition operator {operator}")
