"""All checkers over one run's evidence, merged into the run's document.

Nothing is overwritten and the worst wins. A checker that cannot do its work is
UNKNOWN with its error attached: here alone a broad except is right, for a
defect in one checker must neither hide the others nor pass for a PASS.

Invariant: the document is a pure function of the evidence, so judging a stored
run again, anywhere, gives the same bytes. The runner therefore appends
``RunEnded`` before it judges; a run without it died.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.checkers import (
    availability,
    behind,
    caught_up,
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
from harness.checkers.headlines import headline
from harness.checkers.hops import outcomes
from harness.checkers.sequences import History, history
from harness.checkers.timeline import phases, timeline
from harness.findings import (
    Finding,
    HopOutcome,
    LatencyRow,
    LoadReached,
    NotExecutedPart,
    Recovery,
    RunDocument,
    Unavailability,
)
from harness.ledger.evidence import Evidence
from harness.model import Aborted, EnvironmentSeen, NotExecuted, PipelinePlanned, RunEnded
from harness.verdict import Kind, Verdict, exit_code, worst

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_GUARANTEES: dict[str, Callable[[Evidence, History], Finding]] = {
    each.NAME: each.check for each in (loss, duplicates, order, phantoms, integrity)
}


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


def judge(evidence: Evidence, *, harness_version: str) -> RunDocument:
    """Run every checker and merge what they say.

    Raises:
        EvidenceError: the run has no beginning, so there is nothing to judge.
    """
    started = evidence.started
    judgement = Judgement()
    _judge_records(judgement, evidence)
    hops = _judge_hops(judgement, evidence)
    measured = _judge_times(judgement, evidence)
    _judge_soundness(judgement, evidence)
    findings = tuple(judgement.findings)
    aborted = evidence.last(Aborted)
    code = exit_code([(f.kind, f.verdict) for f in findings], aborted=aborted is not None and aborted.by_user)
    return RunDocument(
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
        findings=findings,
        faults=tuple(fault.outcome(evidence) for fault in disturbances.disturbances(evidence)),
        recovery=measured.recoveries,
        unavailability=measured.outages,
        latency=measured.latency,
        load=measured.load,
        hops=hops,
        not_executed=tuple(
            NotExecutedPart(part=event.part, reason=event.reason)
            for event in evidence.events
            if isinstance(event, NotExecuted)
        ),
        phases=_phases(evidence),
        environment=_environment(evidence),
        command=started.command,
        harness_version=harness_version,
    )


def _judge_records(judgement: Judgement, evidence: Evidence) -> None:
    sets = judgement.attempt("ledger_readable", Kind.SOUNDNESS, lambda: history(evidence), None)
    if sets is None:
        return
    for name, check in _GUARANTEES.items():
        judgement.add(name, Kind.GUARANTEE, partial(check, evidence, sets))
    for each in (quorum, transactions):
        judgement.add(each.NAME, Kind.GUARANTEE, partial(each.check, evidence))


def _judge_hops(judgement: Judgement, evidence: Evidence) -> tuple[HopOutcome, ...]:
    """Judge what lies behind the source topic, if anything does."""
    if evidence.last(PipelinePlanned) is None:
        return ()
    for name, check in behind.guarantees(evidence):
        judgement.add(name, Kind.GUARANTEE, check)
    found: tuple[HopOutcome, ...] = ()
    return judgement.attempt("hops", Kind.SOUNDNESS, lambda: outcomes(evidence, judgement.findings), found)


def _judge_times(judgement: Judgement, evidence: Evidence) -> Measured:
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
