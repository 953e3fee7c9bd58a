"""What a step of a life is, and which faults were in force at an instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harness.ledger.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the ledger says of a record. ``at_s`` is seconds of the run; None: nobody knows when."""

    hop: str
    at_s: float | None
    said: str
    in_force: tuple[str, ...] = ()
    """The faults in force at that instant, by label."""


class Moment:
    """Turns instants of one run into steps."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._faults = _spans(evidence)
        self._zero_ms = wall_ms(evidence)

    def step(self, hop: str, t: int | None, said: str) -> Step:
        """A step at the monotonic instant *t*."""
        return Step(hop, None, said) if t is None else self._at(hop, self._evidence.seconds(t), said)

    def step_ms(self, hop: str, wall: int, said: str) -> Step:
        """A step at *wall* milliseconds since 1970, by the clock of the run's first line."""
        return self._at(hop, (wall - self._zero_ms) / 1000, said)

    def _at(self, hop: str, at_s: float, said: str) -> Step:
        held = tuple(label for label, start, end in self._faults if start <= at_s < end)
        return Step(hop, at_s, said, held)


def wall_ms(evidence: Evidence) -> int:
    """The wall clock at the run's zero, milliseconds since 1970."""
    return round(datetime.fromisoformat(evidence.started.wall).timestamp() * 1000)


def _spans(evidence: Evidence) -> list[tuple[str, float, float]]:
    """Each fault with the seconds from and to which it was in force."""
    found: dict[int, tuple[str, float, float]] = {}
    for entry in evidence.journal:
        at_s = evidence.seconds(entry.t)
        if entry.step == "injected":
            found[entry.fault] = (f"{entry.fault}. {entry.name}", at_s, float("inf"))
        elif entry.step == "healed" and entry.fault in found:
            label, start, _ = found[entry.fault]
            found[entry.fault] = (label, start, at_s)
    return [found[number] for number in sorted(found)]
