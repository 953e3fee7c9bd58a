"""Programs of others run in a process of their own: what they may do to it they cannot do to us."""

from __future__ import annotations

import pytest

from harness.audit.programs import LONGEST, TIME, Ran, try_program


def test_a_program_runs_on_each_event() -> None:
    """One end for each event: what was made of it, or VRL's words with the line."""
    trial = try_program(".a = 1\n.b = parse_json!(.m)", [{"m": "2"}, {}])

    assert trial.runs[0] == Ran({"m": "2", "a": 1, "b": 2})
    refusal = trial.runs[1].refusal
    assert refusal is not None
    assert (refusal.line, "expected string, got null" in refusal.shown) == (2, True)


def test_an_instant_is_one_for_the_program() -> None:
    """What JSON has no word for goes in and comes out as an instant."""
    trial = try_program(
        '.day = format_timestamp!(.timestamp, "%F")', [{"timestamp": {TIME: "2024-05-06T07:08:09Z"}}]
    )

    assert trial.runs[0].event == {"timestamp": {TIME: "2024-05-06T07:08:09+00:00"}, "day": "2024-05-06"}


@pytest.mark.parametrize(
    "source",
    [
        ".x = " + "(" * 20_000 + "1" + ")" * 20_000,
        ".x = 1" + "+1" * 20_000,
        "if true {1}" + " else if true {1}" * 3_000,
        "x" * (LONGEST + 1),
    ],
    ids=["brackets", "sums", "branches", "length"],
)
def test_a_program_that_would_end_its_process_is_refused(source: str) -> None:
    """The engine's process may die of it; the audit says so and goes on."""
    assert try_program(source, []).refusal is not None


def test_a_program_that_needs_a_running_vector_is_not_judged() -> None:
    """Functions that only Vector has are unknown to the engine, so nothing can be said."""
    trial = try_program('.key = get_secret("x")', [{}])

    assert (trial.unknown, trial.refusal) == (True, None)
