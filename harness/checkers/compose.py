"""All checkers over one run's evidence, merged into the run's document.

Nothing is overwritten and the worst wins. A checker that cannot do its work is
UNKNOWN with its error attached: here alone a broad except is right, for a
defect in one checker must neither hide the others nor pass for a PASS.

Invariant: the document is a pure function of the evidence, so judging a stored
run again, anywhere, gives the same bytes. The runner therefore appends
``RunEnded`` before it judges; a run without it died.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.bounds import bounded
from harness.checkers import (
    availability,
    behind,
    caught_up,
    clocks,
    cross_check,
    disturbances,
    duplicates,
    integrity,
    latency,
    load,
    loss,
    monitoring,
    order,
    phantoms,
    quorum,
    recovery,
    transactions,
)
from harness.checkers.guarantees import RecordCheck
from harness.checkers.headlines import headline
from harness.checkers.hops import outcomes
from harness.checkers.sequences import history
from harness.checkers.timeline import phases, timeline
from harness.errors import ExitCode
from harness.findings import (
    Finding,
    HopOutcome,
    LatencyRow,
    LoadReached,
    NotExecutedPart,
    Recovery,
    RunDocument,
    Unavailability,
    digest,
)
from harness.ledger.evidence import Evidence
from harness.model import (
    Aborted,
    EnvironmentSeen,
    LoadPlanned,
    NotExecuted,
    PipelinePlanned,
    RunEnded,
    RunStarted,
    WorkloadPlanned,
)
from harness.oracle.tally import SecondCount
from harness.verdict import Kind, Verdict, exit_code, worst

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

RECORD_CHECKS: tuple[RecordCheck, ...] = (
    loss.check,
    duplicates.check,
    order.check,
    phantoms.check,
    integrity.check,
)
"""What is judged of records, in the order of the findings."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything about times that a document shows beside its findings."""

    outages: tuple[Unavailability, ...]
    recoveries: tuple[Recovery, ...]
    latency: dict[str, LatencyRow]
    load: LoadReached | None


class Judgement:
    """The findings so far; a part that raises adds one that says so."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def attempt(self, name: str, kind: Kind, work: Callable[[], T], otherwise: T) -> T:
        """What *work* returns; when it raises, *otherwise* and an UNKNOWN finding *name* with the error."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the module's docstring says why
            _LOG.exception("checker failed checker=%s", name)
            self.findings.append(_failed(name, kind, error))
            return otherwise

    def add(self, name: str, kind: Kind, check: Callable[[], Finding | None]) -> None:
        """Add what *check* finds, if it has anything to say."""
        found = self.attempt(name, kind, check, None)
        if found is not None:
            self.findings.append(found)


def judge(
    evidence: Evidence,
    *,
    harness_version: str,
    second: SecondCount | None = None,
    workloads: Callable[[], tuple[Finding, ...]] = tuple,
) -> RunDocument:
    """Run every checker and merge what they say; given a *second* count, hold theirs against it.

    *workloads* judges the histories beside the ledger, which checkers of ledgers know nothing of.

    Raises:
        EvidenceError: the run has no beginning, so there is nothing to judge.
    """
    started = evidence.started
    judgement = Judgement()
    _judge_records(judgement, evidence)
    nothing: tuple[Finding, ...] = ()
    judgement.findings += judgement.attempt("workloads", Kind.SOUNDNESS, workloads, nothing)
    hops = _judge_hops(judgement, evidence)
    measured = _judge_times(judgement, evidence)
    _judge_soundness(judgement, evidence)
    if second is not None:
        again = partial(cross_check.check, evidence, tuple(judgement.findings), second)
        judgement.add(cross_check.NAME, Kind.SOUNDNESS, again)
    return _document(started, evidence, tuple(judgement.findings), hops, measured, harness_version)


def _document(
    started: RunStarted,
    evidence: Evidence,
    findings: tuple[Finding, ...],
    hops: tuple[HopOutcome, ...],
    measured: Measured,
    harness_version: str,
) -> RunDocument:
    """What was found, with what the run tells of itself."""
    code = _code(evidence, findings)
    document = RunDocument(
        run_id=started.run_id,
        scenario=started.scenario,
        platform=started.platform,
        seed=started.seed,
        verdict=worst(finding.verdict for finding in findings),
        exit_code=int(code),
        sentence=headline(evidence, findings, measured.recoveries, code),
        title=started.title,
        expect=started.expect,
        started_at=started.wall,
        duration_s=_duration(evidence),
        findings=tuple(_beside_settings(evidence, findings)),
        faults=tuple(fault.outcome(evidence) for fault in disturbances.disturbances(evidence)),
        recovery=measured.recoveries,
        unavailability=measured.outages,
        latency=measured.latency,
        load=measured.load,
        hops=hops,
        not_executed=_not_executed(evidence),
        phases=_phases(evidence),
        environment=_environment(evidence),
        command=started.command,
        harness_version=harness_version,
    )
    return bounded(document)


def _beside_settings(evidence: Evidence, findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """The findings, each with the digest of the settings under which it was judged; a history has its own."""
    settings = _settings_digest(evidence)
    for each in findings:
        yield each if each.config_digest else each.model_copy(update={"config_digest": settings})


def _settings_digest(evidence: Evidence) -> str:
    """Of what was asked of the run, of its loads, and of the configuration read back from the cluster."""
    seen = evidence.last(EnvironmentSeen)
    loads = [event for event in evidence.events if isinstance(event, LoadPlanned)]
    return digest(
        evidence.started.model_dump_json(include={"stack", "guarantees", "budgets", "settings"}),
        *(load.model_dump_json(exclude={"t", "wall"}) for load in loads),
        json.dumps(seen.effective if seen else {}, sort_keys=True),
    )


def _code(evidence: Evidence, findings: tuple[Finding, ...]) -> ExitCode:
    aborted = evidence.last(Aborted)
    by_user = aborted is not None and aborted.by_user
    return exit_code([(finding.kind, finding.verdict) for finding in findings], aborted=by_user)


def _not_executed(evidence: Evidence) -> tuple[NotExecutedPart, ...]:
    told = (event for event in evidence.events if isinstance(event, NotExecuted))
    return tuple(NotExecutedPart(part=event.part, reason=event.reason) for event in told)


def _judge_records(judgement: Judgement, evidence: Evidence) -> None:
    sets = judgement.attempt("ledger_readable", Kind.SOUNDNESS, lambda: history(evidence), None)
    if sets is None:
        return
    for check in RECORD_CHECKS if _is_loaded(evidence) else ():
        judgement.add(check.name, Kind.GUARANTEE, partial(check, evidence, sets))
    for each in (quorum, transactions):
        judgement.add(each.NAME, Kind.GUARANTEE, partial(each.check, evidence))


def _is_loaded(evidence: Evidence) -> bool:
    """Whether there is a ledger to judge: the evidence of workloads alone is their histories."""
    return evidence.last(LoadPlanned) is not None or evidence.last(WorkloadPlanned) is None


def _judge_hops(judgement: Judgement, evidence: Evidence) -> tuple[HopOutcome, ...]:
    """Judge what lies behind the source topic, if anything does."""
    if evidence.last(PipelinePlanned) is None:
        return ()
    for name, check in behind.guarantees(evidence):
        judgement.add(name, Kind.GUARANTEE, check)
    found: tuple[HopOutcome, ...] = ()
    return judgement.attempt("hops", Kind.SOUNDNESS, lambda: outcomes(evidence, judgement.findings), found)


def _judge_times(judgement: Judgement, evidence: Evidence) -> Measured:
    if not _is_loaded(evidence):
        return Measured((), (), {}, None)
    time = judgement.attempt("timeline", Kind.SOUNDNESS, lambda: timeline(evidence), None)
    reached = judgement.attempt("load_reached", Kind.BUDGET, lambda: load.reached(evidence), None)
    if time is None:
        return Measured((), (), {}, reached)
    starved = judgement.attempt("send_error", Kind.SOUNDNESS, lambda: load.starvation(evidence), "")
    outages: tuple[Unavailability, ...] = ()
    outages = judgement.attempt(
        "availability", Kind.BUDGET, lambda: availability.windows(evidence, time), outages
    )
    returned: tuple[Recovery, ...] = ()
    returned = judgement.attempt(
        "recovery", Kind.BUDGET, lambda: recovery.recoveries(evidence, time, outages), returned
    )
    judgement.add("recovery", Kind.BUDGET, lambda: recovery.check(evidence, time, returned, starved=starved))
    judgement.add("latency_p99", Kind.BUDGET, lambda: latency.check(evidence, time, starved=starved))
    judgement.add("load_reached", Kind.BUDGET, lambda: load.check_reached(evidence, starved=starved))
    for name in monitoring.CONCERNS:
        concern = partial(monitoring.check, name, evidence, time, starved=starved)
        judgement.add(name, Kind.BUDGET, concern)
    judgement.add("caught_up", Kind.BUDGET, lambda: caught_up.check(evidence, starved=starved))
    rows: dict[str, LatencyRow] = {}
    rows = judgement.attempt("latency", Kind.BUDGET, lambda: latency.rows(evidence, time), rows)
    return Measured(outages, returned, rows, reached)


def _judge_soundness(judgement: Judgement, evidence: Evidence) -> None:
    faults = disturbances.disturbances(evidence)
    judgement.add("ledger_whole", Kind.SOUNDNESS, lambda: load.check_agreement(evidence))
    judgement.add(clocks.NAME, Kind.SOUNDNESS, lambda: clocks.check(evidence))
    judgement.add("faults_observed", Kind.SOUNDNESS, lambda: disturbances.check_effects(evidence, faults))
    judgement.add("faults_healed", Kind.SOUNDNESS, lambda: disturbances.check_healing(evidence, faults))
    judgement.add("run_complete", Kind.SOUNDNESS, lambda: _check_complete(evidence))


def _check_complete(evidence: Evidence) -> Finding:
    aborted = evidence.last(Aborted)
    trouble = f"The run was aborted: {aborted.reason}." if aborted else ""
    if not aborted and evidence.last(RunEnded) is None:
        trouble = "The harness died: the run has no end."
    return Finding(
        checker="run_complete",
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNKNOWN if trouble else Verdict.PASS,
        summary=trouble or "The run reached its end.",
        compared={"events": len(evidence.events)},
        violations=int(bool(trouble)),
    )


def _failed(name: str, kind: Kind, error: Exception) -> Finding:
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return Finding(
        checker=name,
        kind=kind,
        verdict=Verdict.UNKNOWN,
        summary=f"Not proven: this check failed ({said}).",
        compared={},
    )


def _duration(evidence: Evidence) -> float:
    last = max(event.t for event in evidence.events)
    return round(evidence.seconds(last), 3)


def _phases(evidence: Evidence) -> dict[str, tuple[float, float]]:
    """Each phase's window by name; a phase entered again is "disturb 2" and so on."""
    found: dict[str, tuple[float, float]] = {}
    entered: dict[str, int] = {}
    for phase, (start, end) in phases(evidence):
        entered[phase] = entered.get(phase, 0) + 1
        name = phase.value if entered[phase] == 1 else f"{phase.value} {entered[phase]}"
        found[name] = (evidence.seconds(start), evidence.seconds(end))
    return found


def _environment(evidence: Evidence) -> dict[str, dict[str, str]]:
    seen = evidence.last(EnvironmentSeen)
    found = {"parts": seen.parts, "host": seen.host, "effective": seen.effective} if seen else {}
    return found | ({"settings": evidence.started.settings} if evidence.started.settings else {})
