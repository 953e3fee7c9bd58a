"""``caught_up``: the job worked through what had been sent, within what the story allows.

The story asks at an instant; the clock runs from there until every task behind the sources has seen
the event time of that instant. A job that did not within the story's patience is a miss, whatever
the patience was: it is at least the budget.
"""

from __future__ import annotations

from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence
from harness.model import CaughtUp
from harness.verdict import Kind, Verdict

NAME = "caught_up"


def check(evidence: Evidence, *, starved: str) -> Finding | None:
    """Hold every wait against what it was allowed; None when the story asked for none.

    *starved* says how the harness itself was late, if it was: then a miss is UNKNOWN.
    """
    waits = [event for event in evidence.events if isinstance(event, CaughtUp)]
    if not waits:
        return None
    missed = [wait for wait in waits if wait.took_s is None or wait.took_s > wait.within_s]
    return Finding(
        checker=NAME,
        kind=Kind.BUDGET,
        verdict=_verdict(bool(missed), starved),
        summary=_summary(waits, missed, starved),
        compared={"waits": len(waits)},
        violations=len(missed),
        limit=f"≤ {', '.join(sorted({f'{wait.within_s:g} s' for wait in waits}))}",
        witnesses=tuple(
            Witness(at_s=evidence.seconds(wait.t), detail=_said(wait)) for wait in missed[:MAX_WITNESSES]
        ),
    )


def _verdict(missed: bool, starved: str) -> Verdict:  # noqa: FBT001 - the two facts it follows from
    if not missed:
        return Verdict.PASS
    return Verdict.UNKNOWN if starved else Verdict.FAIL


def _summary(waits: list[CaughtUp], missed: list[CaughtUp], starved: str) -> str:
    if not missed:
        slowest = max(waits, key=lambda wait: wait.took_s or 0.0)
        return f"The job worked through what had been sent in time; slowest: {_said(slowest)}."
    doubt = f"Not proven: {starved}. " if starved else ""
    return f"{doubt}The job did not catch up in time: {_said(missed[0])}."


def _said(wait: CaughtUp) -> str:
    took = "not within the story's patience" if wait.took_s is None else f"{wait.took_s:.1f} s"
    return f"{took}, allowed {wait.within_s:g} s"
