"""Scanning: records in log order become runs, and what is odd stays alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.scan import Records, Run, breaks, runs
from harness.model import ReadState

GOOD = ReadState.GOOD
Record = tuple[int, int, int, ReadState]


def scanned(*records: Record, sentinels: tuple[int, ...] = ()) -> list[Run]:
    """The runs of (offset, producer, sequence, state) records read from partition 1."""
    columns = np.asarray(records, dtype=np.int64).reshape(-1, 4).T
    marked = np.asarray([index in sentinels for index in range(len(records))], dtype=np.bool_)
    offsets, producer, sequence, state = columns
    claimed = np.where(state == ReadState.MISROUTED, 3, 1)
    return list(runs(1, offsets, Records(producer, claimed, sequence, sequence, state, marked)))


def test_nothing_read_is_no_run() -> None:
    """An empty partition has no rows."""
    assert scanned() == []


def test_consecutive_records_are_one_run() -> None:
    """Consecutive offsets and sequences of one producer are one row."""
    assert [Run(1, 7, 3, 3, 10, GOOD)] == scanned((10, 7, 3, GOOD), (11, 7, 4, GOOD), (12, 7, 5, GOOD))


def test_a_run_ends_where_anything_jumps() -> None:
    """Another producer, a gap or step back in sequence, or a gap in offsets starts a new row."""
    assert [
        Run(1, 7, 0, 1, 10, GOOD),
        Run(1, 8, 1, 1, 11, GOOD),
        Run(1, 8, 5, 1, 12, GOOD),
        Run(1, 8, 5, 1, 13, GOOD),
        Run(1, 8, 6, 1, 20, GOOD),
    ] == scanned((10, 7, 0, GOOD), (11, 8, 1, GOOD), (12, 8, 5, GOOD), (13, 8, 5, GOOD), (20, 8, 6, GOOD))


def test_odd_records_stay_alone() -> None:
    """Neighbouring corrupt or misrouted records never join, and a good one never joins them."""
    corrupt, misrouted = ReadState.CORRUPT, ReadState.MISROUTED

    assert [
        Run(1, 7, 0, 1, 10, GOOD),
        Run(1, 7, 1, 1, 11, corrupt, "checksum does not match"),
        Run(1, 7, 2, 1, 12, corrupt, "checksum does not match"),
        Run(1, 7, 3, 1, 13, misrouted, "names partition 3"),
        Run(1, 7, 4, 2, 14, GOOD),
    ] == scanned(
        (10, 7, 0, GOOD),
        (11, 7, 1, corrupt),
        (12, 7, 2, corrupt),
        (13, 7, 3, misrouted),
        (14, 7, 4, GOOD),
        (15, 7, 5, GOOD),
    )


def test_sentinels_are_left_out() -> None:
    """A sentinel is no row, and the records around it do not join across its offset."""
    assert [Run(1, 7, 0, 1, 10, GOOD), Run(1, 7, 1, 1, 12, GOOD)] == scanned(
        (10, 7, 0, GOOD), (11, -1, -1, GOOD), (12, 7, 1, GOOD), sentinels=(1,)
    )


@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.integers(0, 3), st.integers(0, 3), st.sampled_from(ReadState)),
        max_size=30,
    )
)
def test_runs_unfold_to_what_was_read(drawn: list[Record]) -> None:
    """Unfolding the runs gives every record back, in order, at its offset."""
    offset, records = 0, []
    for step, producer, sequence, state in drawn:
        offset += step
        records.append((offset, producer, sequence, state))
    unfolded = [
        (run.first_offset + index, run.producer, run.first_seq + index, run.state)
        for run in scanned(*records)
        for index in range(run.count)
    ]

    assert records == unfolded


def test_breaks_of_nothing() -> None:
    """No records have no breaks."""
    assert breaks(np.empty(0, dtype=np.int64)).tolist() == []
