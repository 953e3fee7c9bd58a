"""Instants that cannot be: within a row, against the load, against the run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.checkers.clocks import check
from harness.ledger.evidence import Evidence
from harness.model import LoadEnded
from harness.tests.checkers.build import MILLI, SECOND, Story, passing_evidence, without_events
from harness.verdict import Verdict


def moved(evidence: Evidence, row: int, **by: int) -> Evidence:
    """The evidence with instants of one row moved by nanoseconds."""
    attempts = evidence.attempts
    changed = {}
    for name, nanos in by.items():
        column = getattr(attempts, name).copy()
        column[row] += nanos
        changed[name] = column
    return replace(evidence, attempts=replace(attempts, **changed))


def test_a_sound_run_passes() -> None:
    """Each attempt was sent before it ended, in the load's time."""
    found = check(passing_evidence())

    assert found is not None
    assert (found.verdict, found.violations, found.compared) == (Verdict.PASS, 0, {"attempts": 1520})


@pytest.mark.parametrize(
    ("by", "violations"),
    [
        ({"t_done": -1 * SECOND}, 1),
        ({"t_sent": -1 * MILLI}, 1),
        ({"t_intended": -20 * SECOND, "t_sent": -20 * SECOND, "t_done": -20 * SECOND}, 1),
        ({"t_intended": -900 * MILLI, "t_sent": -900 * MILLI, "t_done": -900 * MILLI}, 0),
        ({"t_done": 100 * SECOND}, 1),
    ],
)
def test_instants_that_cannot_be_are_counted(by: dict[str, int], violations: int) -> None:
    """Within a row there is no tolerance, between processes there is a second."""
    found = check(moved(passing_evidence(), 0, **by))

    assert found is not None
    assert found.violations == violations
    assert (found.verdict is Verdict.UNKNOWN) == bool(violations)


def test_the_witness_names_the_batch() -> None:
    """The first record of the batch, and when it was sent and ended."""
    found = check(moved(passing_evidence(), 4, t_done=-1 * SECOND))

    assert found is not None
    assert len(found.witnesses) == 1
    assert found.summary == "Not proven: 1 attempt ended before they were sent."
    assert found.witnesses[0].record
    assert "sent at " in found.witnesses[0].detail


def test_nothing_is_said_without_attempts_or_a_load() -> None:
    """There is nothing to hold instants against."""
    assert check(Story().evidence()) is None
    assert check(without_events(passing_evidence(), LoadEnded)) is None


def test_rows_are_judged_in_any_order() -> None:
    """The order of the table's rows is no statement about time."""
    evidence = passing_evidence()
    attempts = evidence.attempts
    names = attempts.__dataclass_fields__
    turned = replace(attempts, **{name: np.flip(getattr(attempts, name)) for name in names})
    found = check(replace(evidence, attempts=turned))

    assert found is not None
    assert found.verdict is Verdict.PASS
