"""Rows and runs without a single array: what the engine is held against, and histories to hold it against."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from hypothesis import strategies as st

from harness.engine.runs import COLUMNS, Runs
from harness.model import Outcome, ReadState


@dataclass(frozen=True, order=True)
class Row:
    """One run of records; a record is one of one."""

    partition: int
    producer: int
    first_seq: int
    count: int
    first_offset: int
    mark: int = 0
    transaction: int = -1

    def records(self) -> list[Row]:
        """Each record by itself."""
        return [
            Row(
                self.partition,
                self.producer,
                self.first_seq + k,
                1,
                self.first_offset + k if self.first_offset >= 0 else -1,
                self.mark,
                self.transaction,
            )
            for k in range(self.count)
        ]

    def goes_on(self, later: Row, *, lone: bool) -> bool:
        """Whether *later* continues this run."""
        if lone and (self.mark or later.mark):
            return False
        follows = self.first_offset + self.count if self.first_offset >= 0 else -1
        kept = (self.partition, self.producer, self.mark, self.transaction)
        return (later.first_seq, later.first_offset) == (self.first_seq + self.count, follows) and kept == (
            later.partition,
            later.producer,
            later.mark,
            later.transaction,
        )


def runs(rows: list[Row], *, lone: bool) -> list[Row]:
    """The runs of *rows*, by partition and producer, in the order of the rows."""
    found: list[Row] = []
    for _, lane in groupby(sorted(rows, key=_lane), key=_lane):
        started = False
        for row in lane:
            if started and found[-1].goes_on(row, lone=lone):
                whole = found[-1]
                found[-1] = Row(
                    whole.partition, whole.producer, whole.first_seq, whole.count + row.count,
                    whole.first_offset, whole.mark, whole.transaction,
                )  # fmt: skip
            else:
                found.append(row)
            started = True
    return found


def _lane(row: Row) -> tuple[int, int]:
    return row.partition, row.producer


def as_runs(rows: list[Row], *, lone: bool, narrow: bool = False) -> Runs:
    """The rows as the engine has them; *narrow* in the types that files use."""
    kinds = {"producer": np.int32, "partition": np.int16, "mark": np.int8} if narrow else {}
    columns = {n: np.asarray([getattr(row, n) for row in rows], kinds.get(n, np.int64)) for n in COLUMNS}
    return Runs(**columns, lone=lone)


def as_rows(found: Runs) -> list[Row]:
    """The engine's runs as plain values."""
    columns = [getattr(found, name).tolist() for name in COLUMNS]
    return [Row(*values) for values in zip(*columns, strict=True)]


def _stretch(marks: list[int], transactions: list[int], first: int) -> st.SearchStrategy[Row]:
    return st.builds(
        Row,
        partition=st.integers(0, 2),
        producer=st.integers(0, 2),
        first_seq=st.integers(0, 12),
        count=st.integers(1, 5),
        first_offset=st.integers(first, 12),
        mark=st.sampled_from(marks),
        transaction=st.sampled_from(transactions),
    )


@st.composite
def histories(draw: st.DrawFn, *, lone: bool) -> list[Row]:
    """Rows of single records: stretches that often continue each other, in their order or shuffled."""
    marks = [ReadState.GOOD] * 3 + list(ReadState) if lone else [Outcome.OK] * 3 + list(Outcome)
    transactions = [-1] if lone else [-1, 0, 1, 900]
    kinds = _stretch([int(mark) for mark in marks], transactions, 0 if lone else -1)
    rows: list[Row] = []
    for stretch in draw(st.lists(kinds, max_size=10)):
        rows += stretch.records()
    return draw(st.permutations(rows)) if draw(st.booleans()) else rows
