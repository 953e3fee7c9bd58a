"""Vector's language by its own engine: what it makes of an event, and how it refuses a program."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.vrl import Refused, compile_vrl

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_program_gives_the_event_it_made() -> None:
    """The event is what comes out, whatever the program's last expression is."""
    assert compile_vrl('.level = upcase!(.level)\n"last"').run({"level": "warn"}) == {"level": "WARN"}


def test_an_event_keeps_its_instant() -> None:
    """A timestamp goes in as one and comes out as one, as in Vector."""
    made = compile_vrl(".seen = timestamp!(.timestamp)").run({"timestamp": NOON})

    assert made == {"timestamp": NOON, "seen": NOON}


def test_text_that_looks_like_an_instant_stays_text() -> None:
    """Only what was an instant becomes one."""
    assert compile_vrl(".").run({"timestamp": "2026-01-01"}) == {"timestamp": "2026-01-01"}


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        (
            ".a = 1\n.b = parse_json(.message)",
            2,
            "fallible assignment: this expression is fallible",
        ),
        (".a = 1\n\n.b = foo(1)", 3, "call to undefined function: undefined function"),
        (".b = (1", 1, "syntax error: unexpected end of program"),
    ],
)
def test_a_program_that_does_not_compile_is_told_with_its_line(source: str, line: int, words: str) -> None:
    """The engine's first complaint on one line, and the line of the program that it points at."""
    with pytest.raises(Refused) as raised:
        compile_vrl(source)

    assert (raised.value.line, "\n" in raised.value.said) == (line, False)
    assert words in raised.value.said


def test_a_program_that_fails_on_an_event_says_why() -> None:
    """The engine's words, without a position in a text that the user never saw."""
    with pytest.raises(Refused) as raised:
        compile_vrl(". = parse_json!(.message)").run({"name": "a metric"})

    assert raised.value.said == 'function call error for "parse_json": expected string, got null'
