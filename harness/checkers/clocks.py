"""``clocks_sound``: every attempt was sent before it ended, while its load ran, and before the run was over.

Durations come from the ledger's own instants. A worker whose clock stands elsewhere, or a row whose instants
contradict each other, makes every time of the run worthless: then nothing about times is proven.
"""

from __future__ import annotations

import numpy as np

from harness.checkers.guarantees import records, sentence
from harness.clock import NANOS_PER_SECOND
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence, Ints
from harness.model import LoadEnded, RunEnded
from harness.verdict import Kind, Verdict

NAME = "clocks_sound"

TOLERANCE_NS = NANOS_PER_SECOND
"""Between two processes; within one row there is none."""


def check(evidence: Evidence) -> Finding | None:
    """Count the attempts whose instants cannot be; None when nothing was attempted or no load ended."""
    rows = evidence.attempts
    ends = [event for event in evidence.events if isinstance(event, LoadEnded)]
    if not rows.rows or not ends:
        return None
    backwards = (rows.t_done < rows.t_sent) | (rows.t_sent < rows.t_intended)
    outside = _outside(evidence, ends)
    wrong = np.flatnonzero(backwards | outside)
    said = (
        f"{records(int(backwards.sum()), 'attempt')} ended before they were sent" if backwards.any() else "",
        f"{records(int(outside.sum()), 'attempt')} outside of the load's own time" if outside.any() else "",
    )
    return Finding(
        checker=NAME,
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNKNOWN if len(wrong) else Verdict.PASS,
        summary=sentence(("not proven: " + ", ".join(part for part in said if part),))
        if len(wrong)
        else f"The instants of {records(rows.rows, 'attempt')} fit each other and the run.",
        compared={"attempts": rows.rows},
        violations=len(wrong),
        witnesses=tuple(_witness(evidence, int(row)) for row in wrong[:MAX_WITNESSES]),
    )


def _outside(evidence: Evidence, ends: list[LoadEnded]) -> np.typing.NDArray[np.bool_]:
    """Which attempts were intended in no load's time, or ended after the run did."""
    intended: Ints = evidence.attempts.t_intended
    inside = np.zeros(len(intended), np.bool_)
    for end in ends:
        inside |= (end.first_t - TOLERANCE_NS <= intended) & (intended <= end.last_t + TOLERANCE_NS)
    over = evidence.last(RunEnded)
    late = evidence.attempts.t_done > over.t + TOLERANCE_NS if over else np.zeros(len(intended), np.bool_)
    return ~inside | late


def _witness(evidence: Evidence, row: int) -> Witness:
    rows = evidence.attempts
    sent, done = (evidence.seconds(int(t)) for t in (rows.t_sent[row], rows.t_done[row]))
    return Witness(
        record=f"{rows.producer[row]}/{rows.partition[row]}/{rows.first_seq[row]}",
        partition=int(rows.partition[row]),
        at_s=evidence.seconds(int(rows.t_intended[row])),
        detail=f"sent at {sent:,.3f} s, ended at {done:,.3f} s",
    )
