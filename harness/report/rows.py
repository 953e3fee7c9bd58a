"""What the page says, row by row: plain values, every number already a phrase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.lives.record import Life
from harness.report.charts import Bar
from harness.report.files import Artefact
from harness.report.headline import Headline
from harness.report.hops import HopRow
from harness.report.kills import Sharpness
from harness.report.pipeline import PipelineView
from harness.report.resources import Resources
from harness.report.stages import StageRow
from harness.report.timeline import Note, Timeline

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """One offending record, batch or window."""

    record: str
    partition: str
    offsets: str
    at: str
    detail: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One checker's finding."""

    name: str
    verdict: str
    tone: str
    summary: str
    evidence: str
    basis: str
    nothing_for: str
    violations: str
    limit: str
    excused: str
    bound: str
    witnesses: tuple[WitnessRow, ...]
    witness_note: str


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings of one kind under one heading."""

    title: str
    rows: tuple[FindingRow, ...]


@dataclass(frozen=True, slots=True)
class RecoveryRow:
    """One fault's recovery."""

    fault: str
    sentence: str
    bar: Bar
    detected: str
    first_ack: str
    steady: str
    drained: str
    expected: str
    budget: str
    why: str
    partition: str


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault as it went."""

    name: str
    kind: str
    target: str
    why: str
    verdict: str
    tone: str
    summary: str
    steps: tuple[tuple[str, str, str], ...]
    """Step, instant, proof."""
    commands: str


@dataclass(frozen=True, slots=True)
class LatencyLine:
    """One phase's latency."""

    phase: str
    count: str
    p50: str
    p99: str
    p999: str
    maximum: str
    censored: str


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next about one finding."""

    name: str
    tone: str
    text: str


@dataclass(frozen=True, eq=False, slots=True)
class ReportDocument:
    """The whole report."""

    run_id: str
    title: str
    subtitle: str
    headline: Headline
    expectation: str
    cause: str
    cause_name: str
    in_force: str
    bound: str
    facts: tuple[Pair, ...]
    groups: tuple[FindingGroup, ...]
    recovery: tuple[RecoveryRow, ...]
    timeline: Timeline | None
    hops: tuple[HopRow, ...]
    not_executed: str
    left_out: tuple[Pair, ...]
    """What was not executed beside the hops, and why."""
    pipeline: PipelineView | None
    resources: Resources | None
    notes: tuple[Note, ...]
    latency: tuple[LatencyLine, ...]
    load: tuple[Pair, ...]
    faults: tuple[FaultRow, ...]
    stages: Mapping[str, tuple[StageRow, ...]]
    """The parts of a recovery, by fault."""
    lives: Mapping[str, Life]
    """Of the first witnesses of each finding, by record."""
    sharpness: Sharpness | None
    steps: tuple[Step, ...]
    environment: tuple[tuple[str, tuple[Pair, ...]], ...]
    reproduce: str
    files: tuple[Artefact, ...]
    files_left_out: int
