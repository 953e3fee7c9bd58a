"""Durations in Flink's own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.durations import milliseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500", 500),
        ("500ms", 500),
        ("10s", 10_000),
        (" 10 S ", 10_000),
        ("1 min", 60_000),
        ("2 hours", 7_200_000),
        ("1d", 86_400_000),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1 fortnight", None),
        ("1.5 s", None),
    ],
)
def test_a_duration_has_a_number_and_a_unit(text: str, expected: int | None) -> None:
    """Without a unit it is in milliseconds; what is none is no zero."""
    assert milliseconds(text) == expected


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Whatever a configuration holds."""
    found = milliseconds(text)

    assert found is None or found >= 0
