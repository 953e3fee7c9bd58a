"""How much of a cluster may be hit at the same time: a share of the brokers, and never a quorum.

A cut hits the smaller of its two sides: with that side away, all others see each other. Faults that
overlap count together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fractions import Fraction

from harness.faults.kinds import ON_OPERATORS, WITH_PEERS
from harness.stack.seams import Strike

_UNLISTED = "unlisted"
"""Whoever shares a Service with its target is not found any more, either."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a plan, and between which steps of the story it is in force.

    Args:
        strike: what it hits.
        begins: the step at which it is injected.
        ends: the step at which it is healed; after *begins*.
    """

    strike: Strike
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Target:
    """A pod of the stack.

    Args:
        role: as in ``stack.yaml``.
        labels: those that its own metadata carry.
        machine: the cluster's node that it runs on; empty: not known yet.
        controller: whether it votes in the metadata quorum.
        ready: whether it serves now; of what is still to be made it is taken for granted.
    """

    name: str
    role: str
    labels: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    controller: bool = False
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not be done; the parts of an error."""

    what: str
    why: str = ""
    fix: str = ""


def at_once(plan: Sequence[Planned]) -> list[tuple[Strike, ...]]:
    """The faults in force together, at each instant at which one more begins."""
    return [
        tuple(each.strike for each in plan if each.begins <= one.begins < each.ends or each is one)
        for one in plan
    ]


def hit(strikes: Iterable[Strike], targets: Sequence[Target]) -> frozenset[str]:
    """The targets that *strikes* take away from the others, all in force together."""
    return frozenset(name for strike in strikes for name in _hit_by(strike, targets))


def too_much(strikes: Sequence[Strike], targets: Sequence[Target], share: Fraction) -> Refusal | None:
    """Why *strikes* may not be in force together; None: they may. What is down anyway counts as hit."""
    down = {each.name for each in targets if not each.ready}
    gone = hit(strikes, targets)
    voters = {each.name for each in targets if each.controller}
    brokers = {each.name for each in targets if each.role == "broker"}
    words = f"{' and '.join(strike.name for strike in strikes)} would hit"
    lost, struck = (sorted((gone | down) & group) if gone & group else [] for group in (voters, brokers))
    if lost and 2 * (len(voters) - len(lost)) <= len(voters):
        why = f"{words} {_listed(lost, down)}: no majority of the {len(voters)} controllers would be left"
        return Refusal("a quorum is never taken away", why, "hit fewer at a time")
    if len(struck) > share * len(brokers):
        why = f"{words} {_listed(struck, down)} of {len(brokers)} brokers, {share} of them may be"
        fix = "hit fewer, or raise share_of_brokers in the allow-list"
        return Refusal("too many brokers at a time", why, fix)
    return None


def _listed(names: Sequence[str], down: AbstractSet[str]) -> str:
    return ", ".join(f"{name} (not ready as it is)" if name in down else name for name in names)


def _hit_by(strike: Strike, targets: Sequence[Target]) -> frozenset[str]:
    if strike.kind in ON_OPERATORS:
        return frozenset()
    if strike.machine:
        machines = {each.machine for each in targets if each.name in strike.nodes and each.machine}
        return frozenset(strike.nodes) | {each.name for each in targets if each.machine in machines}
    if strike.kind == _UNLISTED:
        roles = {each.role for each in targets if each.name in strike.nodes}
        return frozenset(strike.nodes) | {each.name for each in targets if each.role in roles}
    if strike.kind not in WITH_PEERS:
        return frozenset(strike.nodes)
    brokers = {each.name for each in targets if each.role == "broker" or each.controller}
    here, there = set(strike.nodes), set(strike.peers)
    sides = [side for side in (here, there) if brokers.intersection(side)] or [here]
    return frozenset(min(sides, key=lambda side: len(brokers.intersection(side))))
