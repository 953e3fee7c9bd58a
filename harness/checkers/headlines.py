"""The verdict as one sentence that a person understands in ten seconds."""

from __future__ import annotations

from harness.checkers.disturbances import disturbances
from harness.checkers.guarantees import records
from harness.errors import ExitCode
from harness.findings import Finding, Recovery
from harness.ledger.evidence import Evidence
from harness.model import Aborted, LoadPlanned, Outcome, WorkloadEnded
from harness.verdict import Kind, Verdict


def headline(
    evidence: Evidence, findings: tuple[Finding, ...], returned: tuple[Recovery, ...], code: ExitCode
) -> str:
    """The sentence for a run with these findings and this exit code."""
    if code is ExitCode.PASS:
        return f"{_held(evidence, findings)}{_through(evidence)}{_slowest(returned)}."
    if code is ExitCode.ABORTED:
        aborted = evidence.last(Aborted)
        return f"Nothing was proven: the run was ended early ({aborted.reason if aborted else 'unknown'})."
    cause = _first_cause(findings)
    if code is ExitCode.GUARANTEE_BROKEN:
        return f"{cause.rstrip('.')}{_despite(evidence)}."
    if code is ExitCode.BUDGET_MISSED:
        return f"Every guarantee held, but a budget was missed: {cause}"
    if code is ExitCode.FAULT_LEFT_BEHIND:
        return f"A fault may be left behind: {cause}"
    return cause if cause.startswith("Not proven") else f"Not proven: {cause}"


def _held(evidence: Evidence, findings: tuple[Finding, ...]) -> str:
    played = [event for event in evidence.events if isinstance(event, WorkloadEnded)]
    if played and evidence.last(LoadPlanned) is None:
        done = records(sum(event.operations for event in played), "operation")
        return f"No anomaly in {done} of {' and '.join(event.workload for event in played)}"
    acked = records(_acknowledged(evidence), "acknowledged record")
    clean = {f.checker for f in findings if f.kind is Kind.GUARANTEE and not f.violations}
    if "no_loss" not in clean:
        return f"Every guarantee asked for held over {acked}"
    manner = [
        "exactly once" if "no_duplicates" in clean else "",
        "in order" if "order_per_key" in clean else "",
    ]
    said = " and ".join(word for word in manner if word)
    return f"All {acked} came back{f' {said}' if said else ''}"


def _acknowledged(evidence: Evidence) -> int:
    return int(evidence.attempts.count[evidence.attempts.outcome == Outcome.OK].sum())


def _first_cause(findings: tuple[Finding, ...]) -> str:
    """The summary of the worst finding, guarantees before the rest."""
    places = {Kind.GUARANTEE: 0, Kind.SOUNDNESS: 1, Kind.BUDGET: 2}
    ranked = sorted(findings, key=lambda f: (-_weight(f), places[f.kind]))
    return ranked[0].summary if ranked else "there was nothing to judge."


def _weight(finding: Finding) -> float:
    # A missed budget ranks below anything unproven, as it does in the exit code.
    missed = finding.kind is Kind.BUDGET and finding.verdict is Verdict.FAIL
    return 0.5 if missed else float(finding.verdict.rank)


def _through(evidence: Evidence) -> str:
    names = _fault_names(evidence)
    if len(names) < 2:
        return f" through {names[0]}" if names else ""
    return f" through {len(names)} faults ({'; '.join(names[:3])}{'; …' if len(names) > 3 else ''})"


def _despite(evidence: Evidence) -> str:
    names = _fault_names(evidence)
    return f" (faults: {'; '.join(names[:3])}{'; …' if len(names) > 3 else ''})" if names else ""


def _fault_names(evidence: Evidence) -> list[str]:
    return [fault.plan.name for fault in disturbances(evidence)]


def _slowest(returned: tuple[Recovery, ...]) -> str:
    known = [(one.at_most_s or one.first_ack_s, one) for one in returned if one.first_ack_s is not None]
    if not known:
        return ""
    _, one = max(known, key=lambda pair: pair[0] or 0.0)
    # A fault that touches no broker is expected to cost nothing; to say so of the slowest says nothing.
    expected = f", expected ≤ {one.expected_s:.1f} s" if one.expected_s else ""
    unseen = f" ({one.unseen})" if one.unseen else ""
    return f"; slowest return to service {one.measured}{expected}{unseen}"
