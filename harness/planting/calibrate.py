"""Plants every known defect into one history, and says which of them its checks caught.

A check that has nothing to compare in the history holds of it: a defect may bring the first there is, as
transactions that read each other do. What the settings excuse is left out with the rule, and so is what
the history has no place for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from harness.anomalies.judge import judge
from harness.anomalies.stored import ANOMALIES, of_workload
from harness.checkers.trial import By, Defect, Outcome, Trial
from harness.findings import Finding
from harness.history.columns import Columns
from harness.history.operations import Operation
from harness.history.table import tabulate
from harness.model import Event, WorkloadPlanned
from harness.planting import groups, reading, records, transactions
from harness.planting.noise import NOISE
from harness.planting.told import Told
from harness.verdict import Kind, Verdict

Judged: TypeAlias = Callable[[Told], By]

DEFECTS: tuple[Defect[Told], ...] = (
    *records.DEFECTS,
    *reading.DEFECTS,
    *transactions.DEFECTS,
    *groups.DEFECTS,
)
"""Every class of defects of a history."""


def of_history(operations: Sequence[Operation], *, seed: int, times: int) -> Iterator[Outcome]:
    """Calibrate the checks on a history of any tool."""
    return _tried(Trial(Told(operations), alone, seed, times))


def of_run(
    plan: WorkloadPlanned, events: Sequence[Event], operations: Sequence[Operation], *, seed: int, times: int
) -> Iterator[Outcome]:
    """Calibrate the checks on the history of a run's workload; findings bear the workload's name."""

    def judged(told: Told) -> By:
        return _with_silent(
            of_workload(plan, events, dict(enumerate(told.operations, 1))), f"{plan.workload}."
        )

    return _tried(Trial(Told(operations), judged, seed, times, history=plan.workload))


def alone(told: Told) -> By:
    """What the checks say of a history."""
    return _with_silent(judge(_columns(told), len(told.operations)).findings, "")


def _columns(told: Told) -> Columns:
    return tabulate(told.operations)


def _tried(trial: Trial[Told]) -> Iterator[Outcome]:
    yield from map(trial.kill, DEFECTS)
    yield from (trial.legal(name, change) for name, change in NOISE.items())


def _with_silent(findings: Sequence[Finding] | Iterator[Finding], prefix: str) -> By:
    """By name, with a finding for each check that has nothing to compare."""
    found = {each.checker: each for each in findings}
    return {name: _silent(name) for name in sorted(prefix + each for each in ANOMALIES)} | found


def _silent(name: str) -> Finding:
    said = "There was nothing to compare."
    return Finding(checker=name, kind=Kind.GUARANTEE, verdict=Verdict.PASS, summary=said)
