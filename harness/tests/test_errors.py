"""Every error is one sentence: what happened, why, and the fix."""

from __future__ import annotations

import pytest

from harness import errors
from harness.errors import BadInput, ExitCode, HarnessError, unknown_name


@pytest.mark.parametrize(
    ("why", "fix", "expected"),
    [
        ("", "", "it broke"),
        ("no disk", "", "it broke: no disk"),
        ("", "buy one", "it broke. Fix: buy one"),
        ("no\n  disk", "buy one", "it broke: no disk. Fix: buy one"),
    ],
)
def test_an_error_is_one_line(why: str, fix: str, expected: str) -> None:
    """Cause and fix are joined to one line; line breaks of a tool's message are folded."""
    assert str(HarnessError("it broke", why=why, fix=fix)) == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("BadInput", ExitCode.BAD_INPUT),
        ("MissingAbility", ExitCode.BAD_INPUT),
        ("StackError", ExitCode.UNKNOWN),
        ("FaultError", ExitCode.UNKNOWN),
        ("NotExpressible", ExitCode.UNKNOWN),
        ("LoadError", ExitCode.UNKNOWN),
        ("EvidenceError", ExitCode.UNKNOWN),
        ("FaultLeftBehind", ExitCode.FAULT_LEFT_BEHIND),
    ],
)
def test_each_error_ends_in_its_exit_code(name: str, code: ExitCode) -> None:
    """The tree in the module's docstring is the truth."""
    assert getattr(errors, name).exit_code is code


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    """A typing error is answered with what was meant."""
    error = unknown_name("scenario", "quikstart", ["quickstart", "leader_killed"])

    assert isinstance(error, BadInput)
    assert str(error) == "there is no scenario 'quikstart'. Fix: did you mean 'quickstart'?"


def test_a_name_unlike_any_other_gets_the_whole_list() -> None:
    """Without a near name every name is listed, in order."""
    assert str(unknown_name("stack", "qqq", ["b", "a"])) == "there is no stack 'qqq'. Fix: one of: a, b"
    assert str(unknown_name("stack", "qqq", [])) == "there is no stack 'qqq'. Fix: one of: none exist"
