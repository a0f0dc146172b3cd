"""Policies that stand beside a role's: of the VPC's endpoints, of KMS keys, of queues and buckets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .implied import Use
from .policy import Statement, allows, denies, matches


@dataclass(frozen=True)
class Guard:
    """One such policy. `actions` and `resources` are patterns of what passes it."""

    name: str
    statements: tuple[Statement, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    # An endpoint and a key let pass what they allow. A queue and a bucket of the caller's own account let pass what they do not deny.
    must_allow: bool

    def passes(self, use: Use) -> bool:
        """Whether it lets a use pass, if it is asked at all."""
        if not _any(self.actions, use.action) or not _any(self.resources, use.resource):
            return True
        context = dict(use.context)
        if self.must_allow:
            return allows(self.statements, use.action, use.resource, context)
        return not denies(self.statements, use.action, use.resource, context)


def stopped(guards: Sequence[Guard], uses: Iterable[Use]) -> list[str]:
    """The uses that a guard does not let pass, as lines."""
    return [f"{guard.name} stops {use.action} on {use.resource}" for use in uses for guard in guards if not guard.passes(use)]


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(matches(pattern, text) for pattern in patterns)
