"""One record from the plan to the log: when it was due and sent, what became of it, and where it lies.

Everything is looked up in the ledger; nothing is judged here. A step says what the ledger holds, with
the instant in seconds of the run and the faults that were in force at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.ledger.evidence import Evidence, Ints
from harness.lives.behind import Place, behind
from harness.lives.names import RecordId
from harness.lives.steps import Moment, Step
from harness.model import FencePassed, Outcome, ReadState

_STATES = {
    ReadState.CORRUPT: "corrupt",
    ReadState.FOREIGN: "of another run",
    ReadState.MISROUTED: "misrouted",
}


@dataclass(frozen=True, slots=True)
class Life:
    """Every step of one record: in the order of the hops, or of a workload's history in that of time."""

    record: RecordId
    steps: tuple[Step, ...]


def life(evidence: Evidence, record: RecordId) -> Life | None:
    """The life of *record* by the ledger of the run's load; None when that never heard of it."""
    attempts, copies = _attempts(evidence, record), _reads(evidence, record)
    if not len(attempts) and not len(copies) and not _was_announced(evidence, record):
        return None
    moment = Moment(evidence)
    offsets = [_offset(evidence, row, record) for row in copies.tolist()]
    steps = [*_sent(evidence, record, attempts, moment), *_read_back(evidence, record, copies, moment)]
    where = [Place(record.partition, offset) for offset in offsets]
    return Life(record, (*steps, *behind(evidence, moment, where)))


def _attempts(evidence: Evidence, record: RecordId) -> Ints:
    rows = evidence.attempts
    mine = (rows.producer == record.producer) & (rows.partition == record.partition)
    held = (rows.first_seq <= record.sequence) & (record.sequence < rows.first_seq + rows.count)
    found: Ints = np.flatnonzero(mine & held)
    return found


def _reads(evidence: Evidence, record: RecordId) -> Ints:
    rows = evidence.reads
    mine = (rows.producer == record.producer) & (rows.partition == record.partition)
    held = (rows.first_seq <= record.sequence) & (record.sequence < rows.first_seq + rows.count)
    found: Ints = np.flatnonzero(mine & held)
    return found


def _was_announced(evidence: Evidence, record: RecordId) -> bool:
    rows = evidence.announced
    mine = (rows.producer == record.producer) & (rows.partition == record.partition)
    return bool((rows.until_seq[mine] > record.sequence).any())


def _offset(evidence: Evidence, row: int, record: RecordId) -> int:
    reads = evidence.reads
    return int(reads.first_offset[row] + record.sequence - reads.first_seq[row])


def _sent(evidence: Evidence, record: RecordId, rows: Ints, moment: Moment) -> Iterator[Step]:
    if not len(rows) and _was_announced(evidence, record):
        yield Step(
            "planned", None, "its producer announced it and kept no outcome of it: it may exist or not"
        )
    elif not len(rows):
        yield Step("not planned", None, "no producer of this run says that it attempted it")
    for row in rows.tolist():
        attempts = evidence.attempts
        due, sent, done = (int(c[row]) for c in (attempts.t_intended, attempts.t_sent, attempts.t_done))
        batch = f"in a batch of {int(attempts.count[row]):,}"
        yield moment.step("planned", due, f"due {batch}, by producer {record.producer}")
        yield moment.step("sent", sent, f"{(sent - due) / 1e6:,.1f} ms after it was due")
        yield moment.step(*_ended(evidence, row, record, done))


def _ended(evidence: Evidence, row: int, record: RecordId, done: int) -> tuple[str, int, str]:
    attempts = evidence.attempts
    took = f"{(done - int(attempts.t_intended[row])) / 1e6:,.1f} ms after it was due"
    error = f": {attempts.error[row]}" if attempts.error[row] else ""
    outcome = Outcome(int(attempts.outcome[row]))
    if outcome is Outcome.OK:
        base = int(attempts.base_offset[row])
        told = (
            "offset not told"
            if base < 0
            else f"offset {base + record.sequence - int(attempts.first_seq[row])}"
        )
        return "acknowledged", done, f"{took}, {told}: it must exist"
    if outcome is Outcome.FAIL:
        return "refused", done, f"{took}: it must not exist{error}"
    return "unanswered", done, f"given up {took}: it may exist or not{error}"


def _read_back(evidence: Evidence, record: RecordId, rows: Ints, moment: Moment) -> Iterator[Step]:
    fence = evidence.last(FencePassed)
    read_t = fence.t if fence else None
    for row in rows.tolist():
        state = _STATES.get(ReadState(int(evidence.reads.state[row])), "whole")
        detail = f" ({evidence.reads.detail[row]})" if evidence.reads.detail[row] else ""
        where = f"partition {record.partition}, offset {_offset(evidence, row, record)}"
        yield moment.step("read back", read_t, f"{where}, {state}{detail}")
    if not len(rows):
        yield moment.step("not read back", read_t, _missing(record, fence))
    yield from _elsewhere(evidence, record, moment, read_t)
    yield from _in_its_place(evidence, record, moment, read_t)


def _missing(record: RecordId, fence: FencePassed | None) -> str:
    mine = [f for f in fence.fences if f.partition == record.partition] if fence else []
    if not mine or not mine[0].complete:
        return f"and partition {record.partition} was not read to its end: it may lie there unseen"
    return f"though partition {record.partition} was read from {mine[0].first_offset} to {mine[0].end_offset}"


def _elsewhere(evidence: Evidence, record: RecordId, moment: Moment, t: int | None) -> Iterator[Step]:
    """Records with its producer and sequence that lie where they do not belong."""
    reads = evidence.reads
    strayed = (reads.state == ReadState.MISROUTED) & (reads.producer == record.producer)
    for row in np.flatnonzero(strayed & (reads.first_seq == record.sequence)).tolist():
        where = f"partition {reads.partition[row]}, offset {reads.first_offset[row]}"
        yield moment.step(
            "astray", t, f"one of its producer and sequence lies in {where}: {reads.detail[row]}"
        )


def _in_its_place(evidence: Evidence, record: RecordId, moment: Moment, t: int | None) -> Iterator[Step]:
    """Who lies at the offset at which it was acknowledged, if it is somebody else."""
    attempts, reads = evidence.attempts, evidence.reads
    for row in _attempts(evidence, record).tolist():
        offset = int(attempts.base_offset[row] + record.sequence - attempts.first_seq[row])
        here = (reads.partition == record.partition) & (reads.first_offset <= offset)
        for other in np.flatnonzero(here & (offset < reads.first_offset + reads.count)).tolist():
            sequence = int(reads.first_seq[other] + offset - reads.first_offset[other])
            found = RecordId(int(reads.producer[other]), record.partition, sequence)
            if attempts.base_offset[row] >= 0 and found != record:
                yield moment.step("in its place", t, f"at offset {offset} lies {found}")


def why_unknown(evidence: Evidence, record: RecordId) -> str:
    """What the load's ledger knows that is nearest to a record it does not know."""
    attempts = evidence.attempts
    mine = attempts.producer == record.producer
    if not mine.any():
        return f"its producers are {_listed(attempts.producer)}"
    if not (mine & (attempts.partition == record.partition)).any():
        return f"producer {record.producer} wrote to the partitions {_listed(attempts.partition[mine])}"
    mine &= attempts.partition == record.partition
    last = int((attempts.first_seq + attempts.count)[mine].max()) - 1
    return f"producer {record.producer} attempted sequences up to {last} in partition {record.partition}"


def _listed(numbers: Ints) -> str:
    known = np.unique(numbers).tolist()
    return ", ".join(map(str, known[:12])) + (", …" if len(known) > 12 else "") if known else "none"
