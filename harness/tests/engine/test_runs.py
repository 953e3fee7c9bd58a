"""Map and reduce make exactly the runs that a naive reading makes, however the rows are cut into blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine import runs as engine
from harness.engine.runs import Runs, mapped, nothing, reduced, same
from harness.tests.engine import naive
from harness.tests.engine.naive import Row, as_rows, as_runs, histories


def _cut(rows: list[Row], cuts: list[int]) -> list[list[Row]]:
    places = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    return [rows[low:high] for low, high in pairwise(places)]


@pytest.mark.parametrize("lone", [False, True])
@given(data=st.data(), cuts=st.lists(st.integers(0, 100), max_size=4), narrow=st.booleans())
def test_however_rows_are_cut_the_runs_are_those_of_the_whole(
    data: st.DataObject, cuts: list[int], *, narrow: bool, lone: bool
) -> None:
    """The reduce of the maps of any blocks is what a naive reading of all rows finds."""
    rows = data.draw(histories(lone=lone))
    blocks = [mapped(as_runs(part, lone=lone, narrow=narrow)) for part in _cut(rows, cuts)]

    assert naive.runs(rows, lone=lone) == as_rows(reduced(blocks, lone=lone))


@given(rows=histories(lone=False), cuts=st.lists(st.integers(0, 100), max_size=4))
def test_a_reduce_can_be_reduced_again(rows: list[Row], cuts: list[int]) -> None:
    """Runs of runs are runs: reducing in two steps, as a tree of workers does, changes nothing."""
    blocks = [mapped(as_runs(part, lone=False)) for part in _cut(rows, cuts)]
    half = len(blocks) // 2
    twice = reduced([reduced(blocks[:half], lone=False), reduced(blocks[half:], lone=False)], lone=False)

    assert as_rows(reduced(blocks, lone=False)) == as_rows(twice)


def test_interleaved_producers_are_sorted_apart() -> None:
    """Two producers that take turns, record by record, are one run each."""
    rows = [Row(0, k % 2, k // 2, 1, k // 2 + 10_000 * (k % 2)) for k in range(20_000)]

    assert as_rows(mapped(as_runs(rows, lone=False))) == [
        Row(0, 0, 0, 10_000, 0),
        Row(0, 1, 0, 10_000, 10_000),
    ]


def test_an_unknown_offset_is_not_the_one_before_the_first() -> None:
    """Offset -1 says that nobody knows: 0 does not continue it, and -1 does."""
    rows = [Row(0, 0, 0, 1, -1), Row(0, 0, 1, 1, -1), Row(0, 0, 2, 1, 0), Row(0, 0, 3, 1, 1)]

    assert as_rows(mapped(as_runs(rows, lone=False))) == [Row(0, 0, 0, 2, -1), Row(0, 0, 2, 2, 0)]


@pytest.mark.parametrize("most", [2, 300, 70_000, 2**31 - 1])
def test_keys_of_any_width_order_alike(most: int) -> None:
    """8, 16 and 64 bits, and producers from -1 to the largest there is: partition first, then producer."""
    rows = [Row(p, q, 0, 1, 5) for q in (most, -1, 0) for p in (3, 1)]

    found = [(row.partition, row.producer) for row in as_rows(mapped(as_runs(rows, lone=False, narrow=True)))]

    assert [(p, q) for p in (1, 3) for q in (-1, 0, most)] == found


def test_a_column_that_is_the_same_everywhere_costs_nothing() -> None:
    """What a block holds once stays once, through map and reduce."""
    rows = 1_000
    seq = np.arange(rows)
    block = Runs(
        same(7, rows), same(1, rows), seq, same(1, rows), seq, same(0, rows), same(-1, rows), lone=True
    )
    found = reduced([mapped(block), nothing(lone=True), mapped(block)], lone=True)

    assert as_rows(found) == [Row(7, 1, 0, rows, 0), Row(7, 1, 0, rows, 0)]
    assert {getattr(found, name).strides for name in ("partition", "producer", "mark", "transaction")} == {
        (0,)
    }


def test_the_whole_of_nothing_is_nothing() -> None:
    """No block, and blocks without a row, reduce to no run."""
    empty = as_runs([], lone=False)

    assert [reduced([], lone=False).rows, reduced([mapped(empty)], lone=False).rows] == [0, 0]
    assert engine.COLUMNS == tuple(name for name in Runs.__slots__ if name != "lone")
