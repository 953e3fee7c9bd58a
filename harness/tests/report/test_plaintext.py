"""Text from outside: what is removed, what is shown, what no CI runner obeys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.plaintext import log_line, one_line, visible


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;file:///etc\x07link\x1b]8;;\x07", "link"),
        ("\x9b31mred", "red"),
        ("\x1b[\x1b[0m31mnested", "31mnested"),
        ("a\x00b\x7f", "a\u2400b\u2421"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("tab\tand\r\nline", "tab\tand\nline"),
        ("\ud800\ufffe", "\ufffd\ufffd"),
        ("Grüße, 世界", "Grüße, 世界"),
    ],
)
def test_visible(given_text: str, expected: str) -> None:
    """Escape sequences go, every other control character stays as something one can see."""
    assert expected == visible(given_text)


@given(st.text())
def test_nothing_active_is_left(text: str) -> None:
    """Whatever comes in, no control, reordering or XML-illegal character comes out."""
    active = re.compile(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
    )

    assert active.search(visible(text)) is None


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    """Text that was made harmless once is left as it is."""
    assert visible(text) == visible(visible(text))


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("::error file=x::gone", ": :error file=x::gone"),
        ("broker said\n::add-mask::x", "broker said : :add-mask::x"),
        ("##[error]x", "# #[error]x"),
        ("##vso[task.complete]", "# #vso[task.complete]"),
        ("std::vector", "std::vector"),
    ],
)
def test_log_line_is_no_command(given_text: str, expected: str) -> None:
    """A log line cannot start a workflow command, and ordinary colons stay."""
    assert expected == log_line(given_text)


def test_one_line_has_no_break() -> None:
    """Every kind of line break becomes one blank."""
    assert one_line("a\n\n b\r\nc") == "a b c"
