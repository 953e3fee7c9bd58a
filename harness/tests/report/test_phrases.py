"""How numbers are written."""

from __future__ import annotations

import pytest

from harness.report import phrases


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (phrases.seconds(11.04), "11.0 s"),
        (phrases.seconds(None), "–"),
        (phrases.seconds(None, absent="never"), "never"),
        (phrases.duration(119.94), "119.9 s"),
        (phrases.duration(605), "10 min 05 s"),
        (phrases.millis(0.44), "0.4 ms"),
        (phrases.millis(412.3), "412 ms"),
        (phrases.millis(8_600), "8.60 s"),
        (phrases.rate(19_999.7), "20,000/s"),
        (phrases.size(999), "999 B"),
        (phrases.size(2_000_000), "2.0 MB"),
        (phrases.size(31_400_000_000), "31.4 GB"),
        (phrases.plural(0, "fault"), "no faults"),
        (phrases.plural(1, "fault"), "1 fault"),
        pytest.param(phrases.counts({}), "nothing", id="nothing counted"),
        (phrases.counts({"records": 0}), "nothing"),
        (phrases.counts({"faults": 1, "batches": 1, "keys_read": 2}), "1 fault, 1 batch, 2 keys read"),
        (phrases.listing([]), ""),
        (phrases.listing(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_numbers_read_the_same_everywhere(written: str, expected: str) -> None:
    """Each quantity has one form, and what is absent is never written as zero."""
    assert written == expected
