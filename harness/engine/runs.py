"""Rows of single records turned into runs: the map and the reduce of the engine, as plain functions.

A *run* is a row of the ledger's ``attempts`` or ``reads``: records of one producer and partition whose
sequences *and* offsets are consecutive, with one outcome (or state) and one transaction. ``mapped``
makes the runs of one block of rows; ``reduced`` those of several blocks, in their order. Both are the
same function of a history: however it is cut into blocks, the reduced runs are those of the whole,
sorted by partition and producer, within these in the order of the rows.

Invariant: a column that is the same in every row may be broadcast (its stride is zero); it is then
neither compared nor copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.ledger.evidence import Ints

Mask = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.integer]
"""Integers of any width: what is only compared need not be widened."""

_SORTED_IN_LINEAR_TIME = np.iinfo(np.uint16).max
_SAMPLE = 4096
"""So many rows tell whether a block is interleaved, so that joining before sorting is no use."""


@dataclass(frozen=True, eq=False, slots=True)
class Runs:
    """Runs of records. ``mark`` is the ``Outcome`` of an attempt or the ``ReadState`` of a read.

    ``first_offset`` and ``transaction`` are -1 where there is none. Where ``lone`` is true a row that is
    not marked 0 never joins another, as the ledger wants it of damaged reads.
    """

    partition: Whole
    producer: Whole
    first_seq: Whole
    count: Whole
    first_offset: Whole
    mark: Whole
    transaction: Whole
    lone: bool

    @property
    def rows(self) -> int:
        """How many runs there are."""
        return len(self.producer)


COLUMNS = ("partition", "producer", "first_seq", "count", "first_offset", "mark", "transaction")


def same(value: int, rows: int) -> Ints:
    """A column of *rows* times *value*, in the memory of one."""
    return np.broadcast_to(np.int64(value), rows)


def nothing(*, lone: bool) -> Runs:
    """No run at all."""
    return Runs(**{name: same(0, 0) for name in COLUMNS}, lone=lone)


def mapped(rows: Runs) -> Runs:
    """The runs of one block of rows, by one stable sort; O(rows), a few dozen bytes per row at the peak.

    A log holds batches, so joining neighbours first leaves little to sort. A history in the order of
    time interleaves its producers; there it would be in vain.
    """
    head = chosen(rows, slice(0, _SAMPLE))
    interleaved = _joined(head).rows > head.rows // 2
    return _sorted(rows if interleaved else _joined(rows))


def reduced(parts: Sequence[Runs], *, lone: bool) -> Runs:
    """The runs of several blocks, given in the order of their rows."""
    found = [part for part in parts if part.rows]
    if not found:
        return nothing(lone=lone)
    if len(found) == 1:
        return found[0]
    columns = {name: _chained([getattr(part, name) for part in found]) for name in COLUMNS}
    return _sorted(Runs(**columns, lone=lone))


def _sorted(runs: Runs) -> Runs:
    key = _key(runs)
    if np.any(key[1:] < key[:-1]):
        runs = chosen(runs, np.argsort(key, kind="stable"))
    return _joined(runs)


def _joined(runs: Runs) -> Runs:
    """Neighbours joined where one continues the other."""
    starts = np.flatnonzero(np.concatenate((np.ones(min(1, runs.rows), np.bool_), _breaks(runs))))
    if len(starts) == runs.rows:
        return runs
    chosen = {name: _at(getattr(runs, name), starts) for name in COLUMNS if name != "count"}
    return Runs(**chosen, count=_counts(runs.count, starts), lone=runs.lone)


def _breaks(runs: Runs) -> Mask:
    """Whether each row but the first begins a run of its own."""
    step = 1 if _is_same(runs.count) and runs.rows and runs.count[0] == 1 else runs.count[:-1]
    broken: Mask = runs.first_seq[1:] != runs.first_seq[:-1] + step
    broken |= _offsets_break(runs.first_offset, step)
    for column in (runs.partition, runs.producer, runs.mark, runs.transaction):
        if not _is_same(column):
            broken |= column[1:] != column[:-1]
    if runs.lone and not (_is_same(runs.mark) and not runs.mark[:1].any()):
        broken |= runs.mark[1:] != 0
    return broken


def _offsets_break(offset: Whole, step: int | Whole) -> Mask:
    broken: Mask = offset[1:] != offset[:-1] + step
    known = offset >= 0
    if known.all():
        return broken
    # An offset that nobody knows continues only another one: never -1 and then 0, nor -1 and then -2.
    return np.where(known[:-1], broken, offset[1:] != offset[:-1])


def _key(runs: Runs) -> Whole:
    """A small number for each (partition, producer), in their order: 16 bits are sorted in linear time."""
    if not runs.rows:
        return runs.producer
    low, high = int(runs.producer.min()), int(runs.producer.max())
    producer = runs.producer if high - low <= _SORTED_IN_LINEAR_TIME else runs.producer.astype(np.int64)
    if _is_same(runs.partition):
        return _narrow(producer - low, high - low)
    first, last = int(runs.partition.min()), int(runs.partition.max())
    # Widened before it is multiplied: narrow integers overflow without a word.
    width = high - low + 1
    key = (runs.partition.astype(np.int64) - first) * width + (producer - low)
    return _narrow(key, (last - first + 1) * width - 1)


def _narrow(key: Whole, most: int) -> Whole:
    for kind in (np.uint8, np.uint16):
        if most <= np.iinfo(kind).max:
            return key.astype(kind)
    return key.astype(np.int64, copy=False)


def _counts(count: Whole, starts: Ints) -> Whole:
    if _is_same(count):
        ends: Ints = np.append(starts[1:], len(count))
        each: Whole = (ends - starts) * count[0]
        return each
    sums: Whole = np.add.reduceat(count, starts)
    return sums


def chosen(runs: Runs, rows: Ints | slice) -> Runs:
    """The runs at these rows alone."""
    return Runs(**{name: _at(getattr(runs, name), rows) for name in COLUMNS}, lone=runs.lone)


def _at(column: Whole, rows: Ints | slice) -> Whole:
    if isinstance(rows, slice) or not _is_same(column):
        return column[rows]
    one: Whole = np.broadcast_to(column[0], len(rows)) if len(column) else column
    return one


def _chained(columns: list[Whole]) -> Whole:
    values = {int(column[0]) if _is_same(column) else None for column in columns}
    if len(values) == 1 and None not in values:
        one: Whole = np.broadcast_to(columns[0][0], sum(len(column) for column in columns))
        return one
    whole: Whole = np.concatenate(columns)
    return whole


def _is_same(column: Whole) -> bool:
    return column.strides == (0,)
