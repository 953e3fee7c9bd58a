"""What the timeline shows besides its lines: faults as measured, phases, notes, and all of it in words.

A band's edges are proofs, not commands: it begins when a probe saw the effect
and ends when a probe saw the healing. Where a proof is missing the band falls
back to the command's instant and is marked ``proven=False``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.findings import FaultOutcome, RunDocument
from harness.ledger.evidence import Evidence
from harness.model import Aborted, Noted
from harness.report.headline import fault_label
from harness.report.phrases import millis, plural, rate, seconds
from harness.report.series import Series, gather, unavailable_steps


@dataclass(frozen=True, slots=True)
class Band:
    """One fault on the time axis."""

    label: str
    kind: str
    from_s: float
    to_s: float
    proven: bool


@dataclass(frozen=True, slots=True)
class Span:
    """One phase on the time axis."""

    name: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened at an instant."""

    at_s: float
    at: str
    node: str
    text: str


@dataclass(frozen=True, eq=False, slots=True)
class Timeline:
    """Everything the timeline draws. ``words`` says the same for those who cannot see it."""

    series: Series
    asked_per_s: float | None
    bands: tuple[Band, ...]
    phases: tuple[Span, ...]
    notes: tuple[Note, ...]
    unavailable: tuple[tuple[float, int], ...]
    words: str


def timeline_of(document: RunDocument, evidence: Evidence, notes: tuple[Note, ...]) -> Timeline | None:
    """The timeline, or None when no attempt was recorded."""
    series = gather(evidence, document.duration_s)
    if series is None:
        return None
    bands = bands_of(document.faults, series.end_s)
    unavailable = tuple(unavailable_steps(document.unavailability))
    return Timeline(
        series=series,
        asked_per_s=document.load.asked_per_s if document.load else None,
        bands=bands,
        phases=tuple(Span(name, low, high) for name, (low, high) in document.phases.items()),
        notes=notes,
        unavailable=unavailable,
        words=_words(series, bands, unavailable),
    )


def notes_of(evidence: Evidence) -> tuple[Note, ...]:
    """What was noted while the run went on, and its early end if it had one."""
    found = []
    for event in evidence.events:
        at = evidence.seconds(event.t)
        if isinstance(event, Noted):
            found.append(Note(at, seconds(at), event.node, event.text))
        elif isinstance(event, Aborted):
            found.append(Note(at, seconds(at), "", f"Ended early: {event.reason}"))
    return tuple(found)


def bands_of(faults: Sequence[FaultOutcome], end_s: float) -> tuple[Band, ...]:
    """The injected faults in the order of the run, numbered as in the rest of the report."""
    return tuple(_band(n, fault, end_s) for n, fault in enumerate(faults, 1) if fault.injected_at is not None)


def _band(number: int, fault: FaultOutcome, end_s: float) -> Band:
    onset, end = fault.effect_proven_at, fault.healing_proven_at
    label = fault_label(number, fault)
    if onset is None:
        label += " (effect not proven)"
    if end is None:
        label += " (healing not proven)"
    begins = onset if onset is not None else fault.injected_at or 0.0
    ends = end if end is not None else end_s
    return Band(label, fault.kind, begins, max(begins, ends), onset is not None and end is not None)


def _words(series: Series, bands: Sequence[Band], unavailable: Sequence[tuple[float, int]]) -> str:
    first, last = series.load_s
    loaded = (series.at_s >= first) & (series.at_s <= last)
    typical = float(np.median(series.acknowledged[loaded])) if loaded.any() else 0.0
    worst = int(np.nanargmax(series.worst_ms))
    most = max((number for _, number in unavailable), default=0)
    faults = "; ".join(f"{band.label}, {seconds(band.from_s)} to {seconds(band.to_s)}" for band in bands)
    return (
        f"Load from {seconds(first)} to {seconds(last)}, typically {rate(typical)} acknowledged. "
        f"Highest latency {millis(float(series.worst_ms[worst]))}, "
        f"of a record intended near {seconds(float(series.at_s[worst]))}. "
        f"At most {plural(most, 'partition')} unavailable at once. Faults: {faults or 'none'}."
    )
