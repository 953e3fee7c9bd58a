"""``no_phantoms``: nothing came back that was never sent, or that was refused.

An id above every attempt and announcement was never sent. An attempt that ended
``fail`` is the client's word that the record was not appended; when it came
back nevertheless, that word was wrong. An attempt whose row was lost with its
worker lies below its announcement and is undecided, never a phantom.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checkers.fences import Coverage, read_offsets
from harness.checkers.guarantees import Count, RecordCheck, Tally, judged, record_witness, records, sentence
from harness.checkers.sequences import History, Strange
from harness.checkers.spans import Spans
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence

NAME = "no_phantoms"

_REFUSED = "the attempt ended as refused, yet the record is there"


def count(evidence: Evidence, history: History, covered: Coverage) -> Tally:  # noqa: ARG001 - as all of them
    """Count the records that came back without having been sent, and those that had been refused."""
    refused = history.failed & history.seen
    return Tally(
        {
            "read": history.records_read,
            "strangers": _distinct(history.strange),
            "refused": refused.count(),
        },
        (tuple(_strangers(history.strange)), tuple(_refused(evidence, history, refused))),
    )


def conclude(evidence: Evidence, tally: Tally, covered: Coverage) -> Finding:
    """Judge the records that came back without having been sent, or after they were refused."""
    read, strangers, refused = tally["read"], tally["strangers"], tally["refused"]
    counted = Count(
        compared={"read": read},
        violations=strangers + refused,
        held=f"Each of {records(read, 'record')} read had been sent.",
        broken=sentence(
            (
                f"{records(strangers)} read that nobody sent" if strangers else "",
                f"{records(refused)} read although refused" if refused else "",
            )
        ),
        doubt="" if not read else covered.why_not(),
        witnesses=tally.witnesses,
    )
    return judged(NAME, evidence, counted)


check = RecordCheck(NAME, count, conclude)


def _distinct(strange: Strange) -> int:
    """How many offsets hold a stranger; an offset read twice holds one."""
    partitions = np.unique(strange.partition)
    return sum(read_offsets(strange, int(partition)).count() for partition in partitions)


def _refused(evidence: Evidence, history: History, refused: Spans) -> Iterator[Witness]:
    for position in refused.first(MAX_WITNESSES):
        yield record_witness(evidence, history, position, _REFUSED)


def _strangers(strange: Strange) -> Iterator[Witness]:
    order = np.lexsort((strange.first_seq, strange.producer, strange.partition))
    for row in order[:MAX_WITNESSES].tolist():
        producer, partition = int(strange.producer[row]), int(strange.partition[row])
        count, offset = int(strange.count[row]), int(strange.first_offset[row])
        yield Witness(
            record=f"{producer}/{partition}/{int(strange.first_seq[row])}",
            partition=partition,
            offsets=(offset,),
            detail=f"never attempted nor announced{f'; the first of {records(count)}' if count > 1 else ''}",
        )
