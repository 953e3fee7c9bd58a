"""``no_loss``: every acknowledged record of a fenced partition came back intact.

Unseen is not lost: without a complete fence an acknowledged record that did not
come back makes the verdict UNKNOWN, never FAIL. Records whose offsets lie below
the log's start when the reading began were deleted, not lost; they too are only
unseen. A record that came back damaged did not come back: ``integrity`` names
the place, this checker counts the loss.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checkers.fences import Coverage, deleted, read_offsets
from harness.checkers.guarantees import (
    Count,
    RecordCheck,
    Tally,
    acked_offset,
    judged,
    record_witness,
    records,
    sentence,
)
from harness.checkers.sequences import History
from harness.checkers.spans import Spans
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence

NAME = "no_loss"


def count(evidence: Evidence, history: History, covered: Coverage) -> Tally:
    """Count the acknowledged records, those that did not come back, and those proven lost."""
    missing = history.acked - history.seen
    lost = (missing & history.lanes.of_partitions(covered.fences)) - deleted(
        evidence, history, covered.fences
    )
    return Tally(
        {
            "acknowledged": history.acked.count(),
            "unseen": (missing - lost).count(),
            "lost": lost.count(),
            "found": (history.unknown & history.seen).count(),
        },
        (tuple(_witnesses(evidence, history, covered, lost)),),
    )


def conclude(evidence: Evidence, tally: Tally, covered: Coverage) -> Finding:
    """Judge the acknowledged records that a complete fence proves lost."""
    acked, gone = tally["acknowledged"], tally["lost"]
    counted = Count(
        compared={
            "acknowledged": acked,
            "covered partitions": len(covered.fences) if acked else 0,
        },
        violations=gone,
        held=f"All {records(acked, 'acknowledged record')} came back.",
        broken=f"{gone:,} of {records(acked, 'acknowledged record')} lost.",
        doubt=_doubt(acked, tally["unseen"], covered),
        witnesses=tally.witnesses,
        excused={"undecided and found": tally["found"]} if tally["found"] else {},
    )
    return judged(NAME, evidence, counted)


check = RecordCheck(NAME, count, conclude)


def _doubt(acked: int, unseen: int, covered: Coverage) -> str:
    if not acked:
        return "no record was acknowledged"
    if unseen or not covered.complete:
        waiting = f"{records(unseen, 'acknowledged record')} did not come back" if unseen else ""
        why = covered.why_not() or "they may have been deleted from the log's start before the reading"
        return sentence((waiting, why))[:-1]
    return ""


def _witnesses(evidence: Evidence, history: History, covered: Coverage, lost: Spans) -> Iterator[Witness]:
    for position in lost.first(MAX_WITNESSES):
        offset = acked_offset(evidence, history, position)
        _, partition, _ = history.lanes.identify(position)
        detail = _fate(evidence, partition, offset, covered.fences[partition].end_offset)
        yield record_witness(evidence, history, position, detail)


def _fate(evidence: Evidence, partition: int, offset: int | None, end: int) -> str:
    if offset is None:
        return "acknowledged without an offset"
    said = f"acknowledged at offset {offset}, which "
    if offset >= end:
        return said + f"lies beyond the end of the log ({end})"
    holds = any(low <= offset < high for low, high in _pairs(read_offsets(evidence.reads, partition)))
    return said + ("holds another record" if holds else "was not read back")


def _pairs(spans: Spans) -> Iterator[tuple[int, int]]:
    return zip(spans.low.tolist(), spans.high.tolist(), strict=True)
