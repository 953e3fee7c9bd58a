"""A history's verdict with a second count beside the first."""

from __future__ import annotations

from harness.anomalies.judge import HistoryVerdict
from harness.checkers.cross_check import agreement
from harness.oracle.tally import Recount
from harness.verdict import exit_code, worst


def counted_twice(verdict: HistoryVerdict, again: Recount) -> HistoryVerdict:
    """*verdict* with the finding about both counts."""
    findings = (*verdict.findings, agreement(verdict.findings, again))
    return verdict.model_copy(
        update={
            "findings": findings,
            "verdict": worst(each.verdict for each in findings),
            "exit_code": int(exit_code([(each.kind, each.verdict) for each in findings], aborted=False)),
        }
    )
