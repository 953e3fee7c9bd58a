"""``integrity``: every record read is whole, of this run, and in the partition it names.

Corrupt: the checksum does not fit. Foreign: the record is of another run.
Misrouted: it names another topic or partition than the one it lay in. Kafka's
own checksum does not cover the topic, so a client can misroute a batch unseen
(KAFKA-19012).
"""

from __future__ import annotations

import numpy as np

from harness.checkers.fences import Coverage
from harness.checkers.guarantees import Count, RecordCheck, Tally, judged, records, sentence
from harness.checkers.sequences import History
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence, Ints, Reads
from harness.model import ReadState

NAME = "integrity"

_BAD = tuple(state for state in ReadState if state is not ReadState.GOOD)


def count(evidence: Evidence, history: History, covered: Coverage) -> Tally:  # noqa: ARG001 - as all of them
    """Count the records that were read corrupt, foreign or misrouted."""
    reads = evidence.reads
    damaged = _damaged(reads)
    return Tally(
        {"read": int(reads.count.sum())} | {s.name: int((reads.state[damaged] == s).sum()) for s in _BAD},
        (tuple(_witness(reads, row) for row in damaged[:MAX_WITNESSES].tolist()),),
    )


def conclude(evidence: Evidence, tally: Tally, covered: Coverage) -> Finding:
    """Judge the records that were read corrupt, foreign or misrouted."""
    read, bad = tally["read"], {state.name: tally[state.name] for state in _BAD}
    counted = Count(
        compared={"read": read},
        violations=sum(bad.values()),
        held=f"All {records(read, 'record')} read are whole and where they belong.",
        broken=sentence(f"{records(n)} {name.lower()}" if n else "" for name, n in bad.items()),
        doubt="" if not read else covered.why_not(),
        witnesses=tally.witnesses,
    )
    return judged(NAME, evidence, counted)


check = RecordCheck(NAME, count, conclude)


def _damaged(reads: Reads) -> Ints:
    """The rows that are not good, by partition and offset; of an offset read twice only one."""
    rows = np.flatnonzero(reads.state != ReadState.GOOD)
    rows = rows[np.lexsort((reads.first_offset[rows], reads.partition[rows]))]
    places = np.stack((reads.partition[rows], reads.first_offset[rows]))
    differs = np.any(places[:, 1:] != places[:, :-1], axis=0)
    first: Ints = rows[np.concatenate((np.ones(min(1, len(rows)), np.bool_), differs))]
    return first


def _witness(reads: Reads, row: int) -> Witness:
    partition, offset = int(reads.partition[row]), int(reads.first_offset[row])
    producer, sequence = int(reads.producer[row]), int(reads.first_seq[row])
    detail = str(reads.detail[row])
    return Witness(
        record=f"{producer}/{partition}/{sequence}" if producer >= 0 and sequence >= 0 else "",
        partition=partition,
        offsets=(offset,),
        detail=f"{ReadState(int(reads.state[row])).name.lower()}{': ' + detail if detail else ''}",
    )
