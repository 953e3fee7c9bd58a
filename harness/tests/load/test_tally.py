"""The tally: every record of a batch ends in exactly one row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.load.tally import Batch, Closed, Counts, Landed, Tally
from harness.model import Outcome

Row = tuple[float | str, ...]


class Listed:
    """Rows kept in a list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, *row: float | str) -> None:
        """Keep one row."""
        self.rows.append(row)

    def spans(self) -> list[Row]:
        """(partition, first_seq, count, outcome, base_offset) of each row."""
        return [(row[1], row[2], row[3], row[7], row[8]) for row in self.rows]


def opened(*batches: tuple[int, int]) -> tuple[Tally, Listed, Counts]:
    """A tally of producer 5 with open batches of four at (partition, first_seq)."""
    rows, counts = Listed(), Counts()
    tally = Tally(5, 4, rows, counts)
    for partition, first in batches:
        tally.opened(Batch(partition, first, 4, 100, 101, 400, 4))
    return tally, rows, counts


def landed(
    partition: int, sequences: list[int], offsets: list[int], outcome: Outcome = Outcome.OK, error: str = ""
) -> Landed:
    """Outcomes of records of one partition at instant 900."""
    where = np.full(len(sequences), partition, dtype=np.int64)
    return Landed(where, np.asarray(sequences), np.asarray(offsets), outcome, error, 900)


def test_whole_batch_is_one_row() -> None:
    """A batch that is acknowledged whole becomes one row with every column, and is closed."""
    tally, rows, counts = opened((1, 8))

    assert [Closed(400, 100, 900, "")] == tally.landed(landed(1, [8, 9, 10, 11], [50, 51, 52, 53]))
    assert rows.rows == [(5, 1, 8, 4, 100, 101, 900, 0, 50, 400, "")]
    assert Counts(attempted=4, ok=4, requests=1) == counts


def test_two_batches_reported_together_stay_two_rows() -> None:
    """Neighbouring batches do not grow together, even with neighbouring offsets."""
    tally, rows, _ = opened((1, 0), (1, 4))

    assert len(tally.landed(landed(1, list(range(8)), list(range(20, 28))))) == 2
    assert rows.spans() == [(1, 0, 4, 0, 20), (1, 4, 4, 0, 24)]


def test_gap_in_the_offsets_splits_the_row() -> None:
    """Another producer's records between ours split the row, so that each row's offsets are true."""
    tally, rows, _ = opened((0, 0))
    tally.landed(landed(0, [0, 1, 2, 3], [7, 8, 12, 13]))

    assert rows.spans() == [(0, 0, 2, 0, 7), (0, 2, 2, 0, 12)]


def test_arrival_order_does_not_matter() -> None:
    """Records are matched by the id they carry, not by the order of their reports."""
    tally, rows, _ = opened((0, 0))
    tally.landed(landed(0, [2, 3, 0, 1], [7, 8, 9, 10]))

    assert rows.spans() == [(0, 0, 2, 0, 9), (0, 2, 2, 0, 7)]


def test_unnamed_offsets_make_one_row_without_offset() -> None:
    """Records acknowledged without an offset share one row whose offset is unknown."""
    tally, rows, _ = opened((0, 0))
    tally.landed(landed(0, [0, 1, 2, 3], [-1, -1, -1, -1]))

    assert rows.spans() == [(0, 0, 4, 0, -1)]


def test_mixed_batch_has_a_row_per_outcome_and_is_one_failed_request() -> None:
    """A batch that ends mixed becomes several rows, and one failure for Locust when its last record lands."""
    tally, rows, counts = opened((0, 0))

    assert tally.landed(landed(0, [0, 1], [7, 8])) == []
    assert [Closed(400, 100, 900, "gone")] == tally.landed(
        landed(0, [2, 3], [-1, -1], Outcome.UNKNOWN, "gone")
    )
    assert rows.spans() == [(0, 0, 2, 0, 7), (0, 2, 2, 2, -1)]
    assert Counts(attempted=4, ok=2, unknown=2, requests=1, failures=1) == counts


def test_abandoned_records_are_unknown_and_only_those() -> None:
    """What has no outcome when waiting ends is unknown; what had one keeps it."""
    tally, rows, counts = opened((0, 0), (1, 0))
    tally.landed(landed(0, [1, 2], [7, 8]))

    assert [closed.error for closed in tally.abandon("late", 950)] == ["late", "late"]
    assert rows.spans() == [(0, 1, 2, 0, 7), (0, 0, 1, 2, -1), (0, 3, 1, 2, -1), (1, 0, 4, 2, -1)]
    assert 0 == tally.open_records == counts.open


@given(st.data())
def test_every_record_ends_in_exactly_one_row(data: st.DataObject) -> None:
    """Whatever arrives in whatever order, the rows cover each attempted record once."""
    tally, rows, counts = opened((0, 0), (0, 4), (1, 0))
    records = [(0, sequence) for sequence in range(8)] + [(1, sequence) for sequence in range(4)]
    for record in data.draw(st.permutations(records)):
        outcome = data.draw(st.sampled_from([None, *Outcome]))
        if outcome is not None:
            partition, sequence = record
            tally.landed(landed(partition, [sequence], [sequence], outcome, outcome.name * outcome))
    tally.abandon("late", 950)
    covered = [
        (row[1], sequence) for row in rows.rows for sequence in range(int(row[2]), int(row[2]) + int(row[3]))
    ]

    assert sorted(records) == sorted(covered)
    assert (counts.attempted, counts.ok + counts.fail + counts.unknown, counts.requests) == (12, 12, 3)
