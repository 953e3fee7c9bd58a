"""``metrics_complete``: what the agent scraped is in the bucket, shaped, and nothing was left unscraped.

Four things are held against each other, and each can break it:

* Every event that a life of the agent had scraped is in the bucket, shaped or refused with the reason,
  or its program discarded it. A life is one process; what it had scraped is the last its own counters
  said, so an event that came in the instant before a kill may be missed here, never invented.
* Every event was shaped: one that went on as it came shows a program that failed.
* Every object is whole.
* No process went unscraped for longer than two intervals, except while a fault was in force, and until
  the job had caught up after it; from the steady phase on, for before it the stack is still coming up.
  On a machine that starved the harness itself, a gap proves nothing.

Unstored is not lost: as long as the agent may still hold events (its buffer outlived the run), what is
missing makes the verdict UNKNOWN. Vector stamps events by the wall clock; the run's first line, which
has both clocks, is the bridge, good to a fraction of an interval.

A run that did not execute this hop gets no finding at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from harness.checkers.disturbances import disturbances
from harness.checkers.guarantees import Count, judged, records, sentence
from harness.checkers.load import starvation
from harness.findings import Finding, Witness
from harness.ledger.evidence import Evidence, Ints
from harness.ledger.metrics import LIFE_DISCARDED, LIFE_SCRAPED, LIFE_STARTED
from harness.model import CaughtUp, HopRead, NotExecuted, Phase, PhaseEntered, PipelinePlanned

NAME = "metrics_complete"
HOP = "metrics"

_INTERVALS = 2.5
"""Two pages in a row did not come: one may be late, or slow, for many a harmless reason."""


@dataclass(frozen=True, slots=True)
class _Life:
    """One process of the agent: its start on the wall clock, and what it says it scraped and discarded."""

    started_ms: int
    until_ms: int
    scraped: int
    discarded: int
    stored: int

    @property
    def missing(self) -> int:
        return max(0, self.scraped - self.discarded - self.stored)


@dataclass(frozen=True, slots=True)
class _Gap:
    """A process that was not scraped between two instants of the run, in seconds."""

    instance: str
    start: float
    end: float
    excused: bool


@dataclass(frozen=True)
class _Hop:
    """The hop's evidence."""

    evidence: Evidence
    read: HopRead

    @cached_property
    def zero_ms(self) -> int:
        """The wall clock at the run's zero."""
        return round(datetime.fromisoformat(self.evidence.started.wall).timestamp() * 1000)

    def seconds(self, t_ms: int) -> float:
        return (t_ms - self.zero_ms) / 1000

    def counted(self, name: str) -> int:
        return self.read.counts.get(name, 0)

    def stored(self, start_ms: int, end_ms: int) -> int:
        scrapes = self.evidence.scrapes
        return int(scrapes.events[(start_ms <= scrapes.t_ms) & (scrapes.t_ms < end_ms)].sum())

    @cached_property
    def lives(self) -> tuple[_Life, ...]:
        """The agent's processes, in their order."""
        counted = _sampled(self.evidence)
        if "started_ms" in self.read.counts:
            last = counted.setdefault(self.counted("started_ms"), {})
            for name, said in ((LIFE_SCRAPED, "scraped"), (LIFE_DISCARDED, "discarded")):
                last[name] = max(last.get(name, 0), self.counted(said))
        starts = sorted(counted)
        ends = [*starts[1:], np.iinfo(np.int64).max]
        return tuple(
            _Life(
                start,
                int(end),
                counted[start].get(LIFE_SCRAPED, 0),
                counted[start].get(LIFE_DISCARDED, 0),
                self.stored(start, int(end)),
            )
            for start, end in zip(starts, ends, strict=True)
        )

    @cached_property
    def gaps(self) -> tuple[_Gap, ...]:
        """Every stretch without a page of a process, those during a fault included."""
        interval = self.counted("interval_ms")
        return tuple(self._gaps(round(interval * _INTERVALS))) if interval else ()

    def _gaps(self, most_ms: int) -> Iterator[_Gap]:
        faults = _faults(self.evidence, most_ms / 1000)
        scrapes = self.evidence.scrapes
        known = scrapes.t_ms >= 0
        begin = self._begin_ms()
        end = max(self.counted("read_ms"), int(scrapes.t_ms[known].max(initial=0)))
        for instance in self._instances():
            times = np.unique(scrapes.t_ms[known & (scrapes.instance == instance)])
            edges = np.concatenate(([begin], times[times >= begin], [end]))
            for index in np.flatnonzero(np.diff(edges) > most_ms).tolist():
                start, stop = self.seconds(int(edges[index])), self.seconds(int(edges[index + 1]))
                yield _Gap(instance, start, stop, any(a < stop and start < b for a, b in faults))

    def _begin_ms(self) -> int:
        """Since when every process should have been scraped."""
        phases = (event for event in self.evidence.events if isinstance(event, PhaseEntered))
        steady = min((p.t for p in phases if p.phase is Phase.STEADY), default=self.evidence.started.t)
        ready = self.zero_ms + round(self.evidence.seconds(steady) * 1000)
        return max(ready, min((life.started_ms for life in self.lives), default=0))

    def _instances(self) -> list[str]:
        """The processes that events name. Without a name, several make one timeline that says nothing."""
        found = sorted(set(self.evidence.scrapes.instance.tolist()))
        return [name for name in found if name or self.counted("pages") == 1]

    @property
    def silent(self) -> int:
        """How many of the pages to scrape never gave an event, if events name theirs."""
        found = set(self.evidence.scrapes.instance.tolist())
        return 0 if "" in found or not found else max(0, self.counted("pages") - len(found))


def check(evidence: Evidence) -> Finding | None:
    """Hold the metrics bucket against what the agent scraped; None when the run did not execute the hop."""
    plan = evidence.last(PipelinePlanned)
    skipped = any(isinstance(event, NotExecuted) and event.part == HOP for event in evidence.events)
    if plan is None or HOP not in plan.parts or skipped:
        return None
    read = next((e for e in reversed(evidence.events) if isinstance(e, HopRead) and e.hop == HOP), None)
    if read is None:
        return judged(NAME, evidence, Count({}, 0, "", "", doubt="the metrics bucket was not read"))
    return judged(NAME, evidence, _count(_Hop(evidence, read)))


def _count(hop: _Hop) -> Count:
    scrapes, events = hop.evidence.scrapes, int(hop.evidence.scrapes.events.sum())
    scraped = sum(life.scraped for life in hop.lives)
    missing = sum(life.missing for life in hop.lives)
    lost = missing if hop.read.complete else 0
    idle, refused = _unshaped(hop), int(scrapes.refused.sum())
    damaged = _damaged(hop.evidence)
    unexcused = [gap for gap in hop.gaps if not gap.excused]
    starved = starvation(hop.evidence) if unexcused else ""
    gaps = [] if starved else unexcused
    silent = hop.silent
    parts = (
        f"{records(lost, 'scraped event')} not in the bucket" if lost else "",
        _never(hop, idle),
        f"{records(len(damaged), 'object')} not whole" if len(damaged) else "",
        f"{records(silent, 'page')} never scraped" if silent else "",
        f"{records(len(gaps), 'gap')} without scrapes" if gaps else "",
    )
    return Count(
        compared={"scraped": scraped, "stored": events, "pages": _pages(hop.evidence)},
        violations=lost + idle + len(damaged) + silent + len(gaps),
        held=f"All {records(scraped, 'scraped event')} are in the bucket, shaped.",
        broken=sentence(parts),
        doubt=_doubt(hop, scraped, missing) or _starved(len(unexcused), starved),
        witnesses=tuple(_witnesses(hop, damaged, gaps, lost=bool(lost), idle=bool(idle))),
        excused={
            name: number
            for name, number in (
                ("refused by the program and kept with the reason", refused if idle < refused else 0),
                ("stored twice after a retry", int(scrapes.repeated.sum())),
                ("gaps while a fault was in force", len(hop.gaps) - len(unexcused)),
            )
            if number
        },
    )


def _unshaped(hop: _Hop) -> int:
    """Events that went on as they came; discarded ones too when the program never made anything."""
    scrapes = hop.evidence.scrapes
    raw = int((scrapes.events - scrapes.shaped - scrapes.refused).sum())
    discarded = sum(life.discarded for life in hop.lives)
    return raw + (0 if scrapes.shaped.sum() else discarded + int(scrapes.refused.sum()))


def _never(hop: _Hop, idle: int) -> str:
    if not idle:
        return ""
    if hop.evidence.scrapes.shaped.sum():
        return f"{records(idle, 'event')} not shaped"
    return f"the transform never succeeded: {records(idle, 'event')} failed in it"


def _doubt(hop: _Hop, scraped: int, missing: int) -> str:
    if not scraped:
        return "the agent did not say that it scraped anything"
    if not hop.read.complete:
        waiting = f"{records(missing, 'scraped event')} not in the bucket yet" if missing else ""
        return sentence((waiting, hop.read.detail or "the agent may still hold events"))[:-1]
    return ""


def _starved(gaps: int, starved: str) -> str:
    return f"{records(gaps, 'gap')} without scrapes, but {starved}" if starved else ""


def _damaged(evidence: Evidence) -> Ints:
    """The rows of the objects of the metrics bucket that have a flaw."""
    plan = evidence.last(PipelinePlanned)
    bucket = plan.metrics_bucket if plan else ""
    rows: Ints = np.flatnonzero((evidence.objects.bucket == bucket) & (evidence.objects.flaw != ""))
    return rows


def _pages(evidence: Evidence) -> int:
    scrapes = evidence.scrapes
    return len(set(zip(scrapes.instance.tolist(), scrapes.t_ms.tolist(), strict=True)))


def _witnesses(hop: _Hop, damaged: Ints, gaps: list[_Gap], *, lost: bool, idle: bool) -> Iterator[Witness]:
    for number, life in enumerate(hop.lives, 1):
        if lost and life.missing:
            said = f"agent's life {number}: {life.scraped:,} scraped, {life.stored:,} in the bucket"
            yield Witness(at_s=hop.seconds(life.started_ms), detail=said)
    if idle:
        yield from _first_unshaped(hop)
    objects = hop.evidence.objects
    for row in damaged.tolist():
        yield Witness(detail=f"{objects.name[row]}: {objects.flaw[row]}")
    for gap in gaps:
        who = gap.instance or "the scraped process"
        yield Witness(
            at_s=gap.start, detail=f"{who} was not scraped from {gap.start:.1f} s to {gap.end:.1f} s"
        )


def _first_unshaped(hop: _Hop) -> Iterator[Witness]:
    scrapes = hop.evidence.scrapes
    rows = np.flatnonzero(scrapes.events > scrapes.shaped + scrapes.refused)
    for row in rows[:1].tolist():
        at_s = hop.seconds(int(scrapes.t_ms[row])) if scrapes.t_ms[row] >= 0 else None
        whose = f" of {scrapes.instance[row]}" if scrapes.instance[row] else ""
        yield Witness(at_s=at_s, detail=f"the first page{whose} with an event as it came")


def _sampled(evidence: Evidence) -> dict[int, dict[str, int]]:
    """The highest counters sampled of each life, by its start."""
    names = evidence.samples.name
    rows = np.flatnonzero((names == LIFE_STARTED) | (names == LIFE_SCRAPED) | (names == LIFE_DISCARDED))
    looks: dict[tuple[int, str], dict[str, int]] = {}
    for row in rows.tolist():
        look = looks.setdefault((int(evidence.samples.t[row]), str(evidence.samples.source[row])), {})
        look[str(evidence.samples.name[row])] = int(evidence.samples.value[row])
    found: dict[int, dict[str, int]] = {}
    for look in looks.values():
        life = found.setdefault(look.get(LIFE_STARTED, 0), {})
        for name in (LIFE_SCRAPED, LIFE_DISCARDED):
            life[name] = max(life.get(name, 0), look.get(name, 0))
    return found


def _faults(evidence: Evidence, after_s: float) -> list[tuple[float, float]]:
    """From when to when each fault was to be felt, in seconds of the run.

    That is *after_s* beyond its healing, for a page may be one late, or until the job had caught up.
    """
    found = []
    caught_up = [evidence.seconds(e.t) for e in evidence.events if isinstance(e, CaughtUp)]
    faults = disturbances(evidence)
    starts = [evidence.seconds(f.entries[0].t if f.injected_t is None else f.injected_t) for f in faults]
    for start, fault in zip(starts, faults, strict=True):
        healed = float("inf") if fault.healing is None else evidence.seconds(fault.healing.t)
        following = min((other for other in starts if other > healed), default=float("inf"))
        end = min((t for t in caught_up if healed <= t < following), default=healed)
        found.append((start, max(end, healed) + after_s))
    return found
