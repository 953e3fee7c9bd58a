"""The drawing primitives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import svg


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(4, 60))
def test_decimation_keeps_the_spikes(values: list[float], most: int) -> None:
    """However few points are kept, the highest and the lowest are among them."""
    ys = np.array(values)
    _, kept = svg.decimate(np.arange(len(ys), dtype=np.float64), ys, most)

    assert (len(kept) <= most, ys.min(), ys.max()) == (True, kept.min(), kept.max())


def test_a_gap_interrupts_the_line() -> None:
    """NaN starts a new stretch, and a lone point is still drawn."""
    path = svg.line(np.array([0.0, 1, 2, 3]), np.array([5.0, 6, np.nan, 7]), "x")

    assert path == '<path class="x" d="M0.0 5.0L1.0 6.0M3.0 7.0h0"/>'


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (svg.Scale(0, 100, 0, 1), [0, 20, 40, 60, 80, 100]),
        (svg.Scale(0, 7, 0, 1), [0, 2, 4, 6]),
        (svg.Scale(0.1, 1000, 0, 1, log=True), [0.1, 1, 10, 100, 1000]),
    ],
)
def test_ticks_are_round(scale: svg.Scale, expected: list[float]) -> None:
    """Ticks lie on round numbers inside the scale, decades when it is logarithmic."""
    assert pytest.approx(expected) == scale.ticks(5)


def test_a_log_scale_is_logarithmic_and_clips() -> None:
    """Each decade is as high as the next; what lies outside sits on the edge."""
    scale = svg.Scale(1, 100, 100, 0, log=True)

    assert [scale.at(value) for value in (0.5, 10, 100, 1e9)] == [100, 50, 0, 0]


def test_words_cannot_become_markup() -> None:
    """A label with a tag in it is shown, not obeyed."""
    drawn = svg.text(0, 0, "</text><script>x</script>")

    assert "&lt;/text&gt;&lt;script&gt;" in drawn
    assert "<script" not in drawn


def test_a_label_is_cut_to_its_room() -> None:
    """Words wider than their room end in an ellipsis, and vanish where nothing fits."""
    assert (
        svg.fitted("verify", 60),
        svg.fitted("verify", 30),
        svg.fitted("verify", 10),
    ) == ("verify", "ver…", "")


def test_words_lose_their_escape_sequences() -> None:
    """A label from a log carries no control character into the page."""
    assert svg.text(0, 0, "\x1b[31mred\nline\x00") == (
        '<text class="" x="0.0" y="0.0" text-anchor="start">red line\u2400</text>'
    )
