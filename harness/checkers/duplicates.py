"""``no_duplicates``: no record lies at two offsets of its partition.

Reading one offset twice is a re-read, not a duplicate. Every id is attempted
once, so any second copy was made by the pipeline.
"""

from __future__ import annotations

from harness.checkers.fences import Coverage
from harness.checkers.guarantees import Count, RecordCheck, Tally, judged, record_witness, records
from harness.checkers.sequences import History
from harness.findings import MAX_WITNESSES, Finding
from harness.ledger.evidence import Evidence

NAME = "no_duplicates"


def count(evidence: Evidence, history: History, covered: Coverage) -> Tally:  # noqa: ARG001 - as all of them
    """Count the records, their copies, and the records with several."""
    return Tally(
        {
            "copies": int((history.copies.high - history.copies.low).sum()),
            "seen": history.seen.count(),
            "twice": history.doubled.count(),
            "rereads": history.rereads,
        },
        (
            tuple(
                record_witness(evidence, history, position, "one record at several offsets")
                for position in history.doubled.first(MAX_WITNESSES)
            ),
        ),
    )


def conclude(evidence: Evidence, tally: Tally, covered: Coverage) -> Finding:
    """Judge the records that lie at two offsets or more."""
    copies, seen, twice = tally["copies"], tally["seen"], tally["twice"]
    counted = Count(
        compared={"read": copies},
        violations=twice,
        held=f"Each of {records(seen, 'record')} lies at exactly one offset.",
        broken=f"{twice:,} of {records(seen, 'record')} at several offsets ({copies - seen:,} extra copies).",
        doubt="no record was read back" if not copies else covered.why_not(),
        witnesses=tally.witnesses,
        excused={"re-reads of one offset": tally["rereads"]} if tally["rereads"] else {},
    )
    return judged(NAME, evidence, counted)


check = RecordCheck(NAME, count, conclude)
