"""``no_duplicates``: no record lies at two offsets of its partition.

Reading one offset twice is a re-read, not a duplicate. Every id is attempted
once, so any second copy was made by the pipeline.
"""

from __future__ import annotations

from harness.checkers.fences import coverage
from harness.checkers.guarantees import Count, judged, record_witness, records
from harness.checkers.sequences import History
from harness.findings import MAX_WITNESSES, Finding
from harness.ledger.evidence import Evidence

NAME = "no_duplicates"


def check(evidence: Evidence, history: History) -> Finding:
    """Count the records that lie at two offsets or more."""
    copies = int((history.copies.high - history.copies.low).sum())
    seen, twice = history.seen.count(), history.doubled.count()
    count = Count(
        compared={"read": copies},
        violations=twice,
        held=f"Each of {records(seen, 'record')} lies at exactly one offset.",
        broken=f"{twice:,} of {records(seen, 'record')} at several offsets ({copies - seen:,} extra copies).",
        doubt="no record was read back" if not copies else coverage(evidence, history).why_not(),
        witnesses=tuple(
            record_witness(evidence, history, position, "one record at several offsets")
            for position in history.doubled.first(MAX_WITNESSES)
        ),
        excused={"re-reads of one offset": history.rereads} if history.rereads else {},
    )
    return judged(NAME, evidence, count)
