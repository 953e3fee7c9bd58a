"""Histories counted a second time in SQL: both counts agree, and a defect in either of them shows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.anomalies.judge import judge
from harness.anomalies.twice import counted_twice
from harness.checkers.mutate_rows import NoRoom
from harness.findings import Finding
from harness.history.lines import write_lines
from harness.history.operations import Operation
from harness.history.table import tabulate
from harness.oracle.histories import recount_history
from harness.oracle.history_statements import CLAIMS
from harness.planting.calibrate import DEFECTS
from harness.planting.noise import NOISE
from harness.tests.anomalies.legal import LEGAL
from harness.tests.anomalies.planted import PLANTED
from harness.tests.anomalies.test_stored import ended, planned, stored
from harness.tests.anomalies.told import Story
from harness.tests.planting.furnished import Cleanup, world
from harness.tests.test_cli import harness
from harness.verdict import Verdict

CHANGES = {each.name: each.apply for each in DEFECTS} | NOISE
CLEANUPS: tuple[Cleanup, ...] = ("keep", "compact", "delete")


def compared(operations: Sequence[Operation], claims: dict[str, str] | None = None) -> Finding:
    """The finding about both counts of a history."""
    verdict = judge(tabulate(operations), len(operations))
    return counted_twice(verdict, recount_history(operations, claims=claims)).findings[-1]


def agree(seed: int, cleanup: Cleanup, change: str) -> None:
    """Both counts of a changed history are equal; where the change has no place, of the unchanged one."""
    told = world(seed, cleanup=cleanup)
    with contextlib.suppress(NoRoom):
        told = CHANGES[change](told, Random(seed))  # noqa: S311 - it makes histories, no secrets
    said = compared(told.operations)

    assert said.verdict is Verdict.PASS or not said.compared["records"], said.summary


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(CLEANUPS), st.sampled_from(sorted(CHANGES)))
def test_both_counts_agree_on_any_history(seed: int, cleanup: Cleanup, change: str) -> None:
    """Correct, with something wrong, or changed legally: both counts and their witnesses are equal."""
    agree(seed, cleanup, change)


@pytest.mark.nightly
@settings(max_examples=5_000, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(CLEANUPS), st.sampled_from(sorted(CHANGES)))
def test_both_counts_agree_on_five_thousand_histories(seed: int, cleanup: Cleanup, change: str) -> None:
    """The same, on five thousand histories in a night."""
    agree(seed, cleanup, change)


@pytest.mark.parametrize("name", [*PLANTED, *LEGAL])
def test_both_counts_agree_on_hand_written_histories(name: str) -> None:
    """The smallest one of each anomaly, and of what is legal."""
    telling = PLANTED[name][0] if name in PLANTED else LEGAL[name]
    said = compared(telling().operations)

    assert said.verdict is Verdict.PASS, said.summary


def everything_wrong() -> Story:
    """Something lost, repeated, invented, aborted and torn."""
    story = Story().send(0, 0).send(1, 1).send(2, 2).send(3, outcome="fail")
    story.send(4, 5, transaction="t").send(5, 6, transaction="t").ends("t")
    return story.poll(0, 8, (0, 0), (2, 2), (3, 0), (4, 3), (5, 4), (7, 99)).fence(8)


@pytest.mark.parametrize("check", CLAIMS)
def test_a_defect_in_the_sql_shows(check: str) -> None:
    """A claim that counts nothing makes its count differ, and both numbers are told."""
    nothing = f"SELECT * FROM ({CLAIMS[check]}) WHERE false"  # noqa: S608
    said = compared(everything_wrong().operations, CLAIMS | {check: nothing})

    assert (said.verdict, said.violations) == (Verdict.UNKNOWN, 1)
    assert f"two ways of counting differ: {check} " in said.summary


def test_what_is_counted_once_only_is_named() -> None:
    """A second count speaks of what it counts, and of nothing else."""
    said = compared(Story().send(0, 0).poll(0, 1, (0, 0)).fence(1).operations)

    assert said.summary.startswith(
        "A second count, in SQL, agrees on 5 checks of 1 record; counted once only: "
    )
    assert "misrouted" in said.summary
    assert " lost" not in said.summary


def test_an_empty_history_agrees_with_nobody() -> None:
    """Nothing was counted: UNKNOWN."""
    assert compared(Story().operations).verdict is Verdict.UNKNOWN


def test_the_command_counts_a_history_twice(tmp_path: Path) -> None:
    """`verify --history --cross-check` adds the finding; it is part of the verdict."""
    write_lines(tmp_path / "h.jsonl", Story().send(0, 0).poll(0, 1, (0, 0)).fence(1).operations)
    told = harness("verify", "--history", str(tmp_path / "h.jsonl"), "--cross-check", "--json")
    last = json.loads(told.stdout)["findings"][-1]

    assert (told.returncode, told.stderr) == (0, "")
    assert (last["checker"], last["verdict"], last["compared"]) == (
        "cross_check",
        "PASS",
        {"checks": 5, "records": 1},
    )


def test_the_command_counts_the_histories_of_a_run_twice(tmp_path: Path) -> None:
    """A run of workloads has its histories counted again; its empty ledger says nothing."""
    story = Story().send(0, 0).send(1, 1).poll(0, 2, (0, 0), (1, 1)).fence(2)
    directory = stored(tmp_path, story, planned(), ended())
    told = harness("verify", str(directory.root), "--cross-check")
    found = {each.checker: each for each in directory.read_document().findings}

    assert told.returncode == 0, told.stderr
    assert found["cross_check"].verdict is Verdict.PASS
    assert found["cross_check"].compared == {"checks": 5, "records": 2}
