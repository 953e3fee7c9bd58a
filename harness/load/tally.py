"""Which batches of a producer are open, and the ledger rows that their outcomes become.

Knows neither Kafka nor Locust. Invariant: every record of an opened batch ends in exactly
one row of ``attempts``; ``attempted == ok + fail + unknown + open`` at every instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.ledger.scan import Ints, breaks
from harness.model import Outcome
from harness.ranges import Range, RangeSet

_NO_OFFSET = -1


class Rows(Protocol):
    """Where rows go: a ``TableWriter``, or a list in tests."""

    def add(self, *row: float | str) -> None:
        """Append one row."""
        ...


@dataclass(slots=True)
class Counts:
    """Records by outcome, and batches as Locust counts them."""

    attempted: int = 0
    ok: int = 0
    fail: int = 0
    unknown: int = 0
    requests: int = 0
    failures: int = 0

    def settle(self, outcome: Outcome, records: int) -> None:
        """Count *records* more of *outcome*."""
        match outcome:
            case Outcome.OK:
                self.ok += records
            case Outcome.FAIL:
                self.fail += records
            case Outcome.UNKNOWN:
                self.unknown += records

    @property
    def open(self) -> int:
        """Records without an outcome."""
        return self.attempted - self.ok - self.fail - self.unknown


@dataclass(slots=True)
class Batch:
    """One batch from its attempt on; ``settled`` are the sequences that have an outcome."""

    partition: int
    first_seq: int
    count: int
    t_intended: int
    t_sent: int
    bytes: int
    remaining: int
    settled: list[Range] = field(default_factory=list)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """A batch whose every record has an outcome; ``error`` is empty when all are ok."""

    bytes: int
    t_intended: int
    t_done: int
    error: str


@dataclass(frozen=True, slots=True, eq=False)
class Landed:
    """Records whose outcome became known together, in any order, all of one outcome.

    ``offset`` is -1 where the broker named none.
    """

    partition: Ints
    sequence: Ints
    offset: Ints
    outcome: Outcome
    error: str
    t_done: int

    @classmethod
    def together(
        cls, partition: int, sequences: list[int], *, outcome: Outcome, error: str, t_done: int
    ) -> Landed:
        """Records of one partition without offsets."""
        sequence = np.asarray(sequences, dtype=np.int64)
        where = np.full(len(sequence), partition, dtype=np.int64)
        return cls(where, sequence, np.full_like(sequence, _NO_OFFSET), outcome, error, t_done)


class Tally:
    """The open batches of one producer incarnation.

    Args:
        producer: the incarnation, as the ledger numbers it.
        batch_records: records per batch; every batch starts at a multiple of it.
        rows: the ``attempts`` table.
        counts: counted into, shared by all producers of a process.
    """

    def __init__(self, producer: int, batch_records: int, rows: Rows, counts: Counts) -> None:
        self._producer = producer
        self._batch_records = batch_records
        self._rows = rows
        self._counts = counts
        self._open: dict[Range, Batch] = {}
        self.open_records = 0

    def opened(self, batch: Batch) -> None:
        """Take note of an attempt, before it is made."""
        assert batch.count == self._batch_records
        assert batch.first_seq % self._batch_records == 0
        self._open[batch.partition, batch.first_seq] = batch
        self._counts.attempted += batch.count
        self.open_records += batch.count

    def landed(self, landed: Landed) -> list[Closed]:
        """Write the rows of *landed*, and return the batches that this closed."""
        order = np.lexsort((landed.sequence, landed.partition))
        partition, sequence = landed.partition[order], landed.sequence[order]
        offset = landed.offset[order]
        lag = np.where(offset == _NO_OFFSET, _NO_OFFSET, offset - sequence + (1 << 62))
        starts = breaks(partition, sequence // self._batch_records, lag, consecutive=(sequence,))
        counts = np.diff(np.append(starts, len(order)))
        table = (partition[starts], sequence[starts], counts, offset[starts])
        closed = []
        for where, first, count, base in zip(*(column.tolist() for column in table), strict=True):
            batch = self._open[where, first - first % self._batch_records]
            self._settle(batch, first, count, base, landed)
            if not batch.remaining:
                closed.append(self._close(batch, landed.t_done))
        return closed

    def abandon(self, error: str, t_done: int) -> list[Closed]:
        """Give up waiting: every record still open is unknown, because of *error*."""
        closed = []
        for batch in list(self._open.values()):
            whole = RangeSet.of((batch.first_seq, batch.first_seq + batch.count))
            for low, high in whole - RangeSet.of(*batch.settled):
                lost = list(range(low, high))
                landed = Landed.together(
                    batch.partition, lost, outcome=Outcome.UNKNOWN, error=error, t_done=t_done
                )
                closed += self.landed(landed)
        return closed

    def _settle(self, batch: Batch, first: int, count: int, base: int, landed: Landed) -> None:
        self._rows.add(
            self._producer,
            batch.partition,
            first,
            count,
            batch.t_intended,
            batch.t_sent,
            landed.t_done,
            int(landed.outcome),
            base,
            batch.bytes * count // batch.count,
            landed.error,
        )
        self._counts.settle(landed.outcome, count)
        batch.settled.append((first, first + count))
        batch.error = batch.error or landed.error
        batch.remaining -= count
        self.open_records -= count

    def _close(self, batch: Batch, t_done: int) -> Closed:
        del self._open[batch.partition, batch.first_seq]
        self._counts.requests += 1
        self._counts.failures += bool(batch.error)
        return Closed(batch.bytes, batch.t_intended, t_done, batch.error)
