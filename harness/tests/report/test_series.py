"""Buckets, quantiles, windows and lanes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.findings import Unavailability
from harness.ledger import evidence
from harness.report.series import (
    LANE_TROUBLE,
    Series,
    bucket_width,
    gather,
    quantile_per_bucket,
    unavailable_steps,
)
from harness.tests.report.build import build, document


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """The series of the model run."""
    made = gather(evidence.load(build(tmp_path, document())), 80.0)
    assert made is not None
    return made


def test_no_record_is_lost_in_the_buckets(series: Series) -> None:
    """The attempted rate adds up to every record, the acknowledged and the troubled one too."""
    totals = [
        float(line.sum() * series.bucket_s)
        for line in (series.attempted, series.acknowledged, series.troubled)
    ]

    assert pytest.approx([1_344_000, 1_324_800, 19_200]) == totals


def test_a_stall_shows_where_it_was_intended(series: Series) -> None:
    """Records due while their leader was dead carry the latency of the whole wait."""
    slow = series.at_s[series.p99_ms > 5_000]

    assert (round(float(slow.min())), round(float(slow.max()), -1)) == (20.0, 50.0)


def test_latency_runs_from_the_intended_instant(tmp_path: Path) -> None:
    """A client that hands its records over late makes neither the latency shorter nor itself look well."""
    stored = evidence.load(build(tmp_path, document()))
    late = replace(stored, attempts=replace(stored.attempts, t_sent=stored.attempts.t_done))
    before, after = gather(stored, 80.0), gather(late, 80.0)

    assert before is not None and after is not None  # noqa: PT018 - both narrow a type
    np.testing.assert_array_equal(after.worst_ms, before.worst_ms)
    assert np.nanmax(after.send_error_ms) > 1_000 > np.nanmax(before.send_error_ms)


def test_lanes_show_the_partitions_in_trouble(series: Series) -> None:
    """Exactly the partitions of the isolated broker have unacknowledged records."""
    rows = np.flatnonzero((series.lanes.classes == LANE_TROUBLE).any(axis=1))

    assert [series.lanes.partitions[row] for row in rows] == [2, 5, 8, 11]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=30),
    st.sampled_from([0.5, 0.9, 0.99, 1.0]),
)
def test_quantiles_are_those_of_the_repeated_values(
    rows: list[tuple[int, int, int]], quantile: float
) -> None:
    """A weighted quantile is the plain one of every value written as often as its weight."""
    slots, values, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = quantile_per_bucket(slots, values.astype(np.float64), weights, 4, quantile)

    expected = []
    for slot in range(4):
        flat = np.sort(np.repeat(values[slots == slot], weights[slots == slot]))
        place = max(1, int(np.ceil(len(flat) * quantile - 1e-9))) - 1
        expected.append(float(flat[place]) if len(flat) else np.nan)
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize(
    ("end_s", "rows", "expected"),
    [
        (60.0, 100_000, 0.1),
        (60.0, 600, 1.0),
        (600.0, 10**6, 1.0),
        (7_200.0, 10**6, 10.0),
        (1e9, 10, 1e9 / 720),
    ],
)
def test_bucket_width(end_s: float, rows: int, expected: float) -> None:
    """Buckets are a second or finer until a run is too long for a page."""
    assert expected == bucket_width(end_s, rows)


def test_overlapping_windows_of_one_partition_count_once() -> None:
    """Two windows of one partition are one unavailable partition."""
    windows = [(0, 1.0, 4.0), (0, 2.0, 6.0), (1, 3.0, 5.0)]
    found = unavailable_steps(
        Unavailability(partition=p, from_s=a, to_s=b, attempts=1) for p, a, b in windows
    )

    assert found == [(1.0, 1), (2.0, 1), (3.0, 2), (4.0, 2), (5.0, 1), (6.0, 0)]
