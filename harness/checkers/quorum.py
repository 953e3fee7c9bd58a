"""``one_quorum_leader``: no two brokers lead the metadata quorum for longer than a handover takes.

A leader that is cut off may lead on beside its successor until it notices that the others are
silent: 1.5 fetch time-outs (KIP-595; Kafka since 3.7, KAFKA-15489). For as long, plus two looks of
the probe, two leaders are excused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.checkers.guarantees import Count, judged, records
from harness.clock import seconds_between
from harness.findings import Finding, Witness
from harness.ledger.evidence import Evidence
from harness.ledger.schema import LEADS_QUORUM
from harness.model import EnvironmentSeen

NAME = "one_quorum_leader"

_FETCH_SETTING, _FETCH_MS = "controller.quorum.fetch.timeout.ms", 2_000.0
_NOTICES_AFTER, _LOOKS_S = 1.5, 2.0


@dataclass(frozen=True, slots=True)
class _Split:
    """A stretch of looks at each of which more than one broker took itself for the leader."""

    first_t: int
    last_t: int
    leaders: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return seconds_between(self.first_t, self.last_t)


def check(evidence: Evidence) -> Finding | None:
    """Count the times at which two led for too long; None unless the scenario asks for it."""
    if NAME not in {each.name for each in evidence.started.guarantees}:
        return None
    grace = _grace_s(evidence)
    looks = _looks(evidence)
    splits = [split for split in _splits(looks) if split.seconds > grace]
    count = Count(
        compared={"looks": len(looks), "looks with a leader": sum(bool(led) for _, led in looks)},
        violations=len(splits),
        held=f"In {records(len(looks), 'look')} no two brokers led the quorum for more than {grace:g} s.",
        broken=f"Two brokers led the quorum for more than {grace:g} s, {records(len(splits), 'time')}.",
        doubt="" if any(led for _, led in looks) else "no broker was seen to lead",
        witnesses=tuple(_witness(evidence, split) for split in splits),
    )
    return judged(NAME, evidence, count)


def _grace_s(evidence: Evidence) -> float:
    seen = evidence.last(EnvironmentSeen)
    told = seen.effective.get(_FETCH_SETTING, "") if seen else ""
    fetch_ms = float(told) if told.isdigit() else _FETCH_MS
    return fetch_ms / 1000 * _NOTICES_AFTER + _LOOKS_S


def _looks(evidence: Evidence) -> list[tuple[int, tuple[str, ...]]]:
    """Each look's instant and who took himself for the leader, in order."""
    samples = evidence.samples
    rows = np.flatnonzero(samples.name == LEADS_QUORUM)
    leaders: dict[int, list[str]] = {}
    for row in rows[np.argsort(samples.t[rows], kind="stable")].tolist():
        here = leaders.setdefault(int(samples.t[row]), [])
        if samples.value[row]:
            here.append(str(samples.source[row]))
    return [(instant, tuple(sorted(names))) for instant, names in leaders.items()]


def _splits(looks: list[tuple[int, tuple[str, ...]]]) -> Iterator[_Split]:
    open_: _Split | None = None
    for instant, leaders in looks:
        if len(leaders) > 1:
            open_ = _Split(open_.first_t if open_ else instant, instant, leaders)
        elif open_ is not None:
            yield open_
            open_ = None
    if open_ is not None:
        yield open_


def _witness(evidence: Evidence, split: _Split) -> Witness:
    return Witness(
        at_s=evidence.seconds(split.first_t),
        detail=f"{' and '.join(split.leaders)} took themselves for the leader for {split.seconds:.1f} s",
    )
