"""The findings of a run's workloads: each history judged as ``harness verify --history`` would.

A finding is named ``WORKLOAD.CHECK``. Three things more are said here, because a run knows them and a
history does not: whether clients ended as they should, whether the history has something to compare for
everything that its workload is there to prove, and whether it has for what the scenario asks by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.anomalies.judge import ALWAYS, WHERE_TOLD, HistoryVerdict, judge
from harness.checkers.guarantees import records, sentence
from harness.errors import BadInput, EvidenceError
from harness.findings import Finding
from harness.history.operations import Operation
from harness.history.parts import stored
from harness.history.table import tabulate
from harness.model import Event, RunStarted, WorkloadEnded, WorkloadPlanned
from harness.rundir import RunDirectory
from harness.verdict import Kind, Verdict

WHOLE = "history_whole"
ANOMALIES = frozenset(check.__name__ for check in (*ALWAYS, *WHERE_TOLD))


def findings(directory: RunDirectory) -> tuple[Finding, ...]:
    """What every workload of the run in *directory* came to; nothing when it has none.

    Raises:
        BadInput, EvidenceError: a history is damaged.
    """
    events = directory.read_events()
    plans = [event for event in events if isinstance(event, WorkloadPlanned)]
    if not plans:
        return ()
    histories = stored(directory.history)
    found = [one for plan in plans for one in of_workload(plan, events, histories.get(plan.workload, {}))]
    return (*found, *_unanswered(events, found))


def of_workload(
    plan: WorkloadPlanned, events: Sequence[Event], operations: Mapping[int, Operation]
) -> Iterator[Finding]:
    """The findings of one workload, whose history is *operations*, by line.

    Raises:
        EvidenceError: its history cannot be.
    """
    try:
        columns = tabulate(operations.values(), numbers=operations)
    except BadInput as error:
        raise EvidenceError(f"the history of {plan.workload} cannot be", why=str(error)) from error
    verdict = judge(columns, len(operations))
    for each in verdict.findings:
        yield each.model_copy(update={"checker": f"{plan.workload}.{each.checker}"})
    yield _whole(plan, events, verdict)


def _whole(plan: WorkloadPlanned, events: Sequence[Event], verdict: HistoryVerdict) -> Finding:
    """Whether the history is what its workload was to write."""
    doubts = list(_doubts(plan, events, verdict))
    whole = f"{records(verdict.operations, 'operation')}, read to the end"
    return Finding(
        checker=f"{plan.workload}.{WHOLE}",
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNKNOWN if doubts or not verdict.operations else Verdict.PASS,
        summary=sentence([f"not proven: {doubts[0]}", *doubts[1:]] if doubts else [whole]),
        compared={"operations": verdict.operations},
        violations=len(doubts),
        fence=verdict.fence,
        covered_pct=verdict.covered_percent,
        config_digest=verdict.settings_digest,
        nothing_for=verdict.nothing_for,
    )


def _doubts(plan: WorkloadPlanned, events: Sequence[Event], verdict: HistoryVerdict) -> Iterator[str]:
    ends = [each for each in events if isinstance(each, WorkloadEnded) and each.workload == plan.workload]
    if not ends:
        yield "the workload did not say that it ended"
    yield from (trouble for end in ends for trouble in end.troubles)
    if verdict.fence != "complete":
        yield f"its partitions were not all read through a fence ({verdict.fence})"
    idle = [name for name in plan.proves if name in verdict.nothing_for]
    if idle:
        yield f"there was nothing to compare for {', '.join(idle)}"


def _unanswered(events: Sequence[Event], found: Sequence[Finding]) -> Iterator[Finding]:
    """A finding for each anomaly that the scenario asks for by name and that nobody could look for."""
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    asked = {guarantee.name for guarantee in started.guarantees} if started else set()
    looked = {one.checker.rpartition(".")[2] for one in found}
    for name in sorted(asked & ANOMALIES - looked):
        said = "Not proven: no workload of this run has anything to compare for it."
        yield Finding(checker=name, kind=Kind.GUARANTEE, verdict=Verdict.UNKNOWN, summary=said)
