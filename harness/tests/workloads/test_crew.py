"""Clients are started, upset, replaced and ended, and whoever ended badly is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import LoadError
from harness.tests.workloads.kits import planned
from harness.waiting import NotYet, wait_for
from harness.workloads.crew import Crew, Hands
from harness.workloads.spec import Workload, group, transactions

COUNTING = """
import json, pathlib, struct, sys
client = json.loads(sys.argv[1])
name = f"{client['role']}-{client['slot']}-{client['number']}"
pathlib.Path(sys.argv[2], name).write_bytes(struct.pack("<q", 1))
"""
"""A client that has done one thing."""
OBEDIENT = COUNTING + "sys.stdin.readline()\n"


Made = tuple[Crew, Hands, list[str]]


@contextmanager
def crew(
    folder: Path, workload: Workload, program: str = OBEDIENT
) -> Iterator[tuple[Crew, Hands, list[str]]]:
    """A crew whose clients are *program*, and what it noted; it is ended in any case."""
    plan, notes = planned(folder, workload), list[str]()

    def enter(argv: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", program, argv[-1], str(plan.counts)]

    hands = Hands(plan, folder / "plan.json", enter, folder)
    made = Crew(hands, notes.append)
    try:
        yield made, hands, notes
    finally:
        made.stop(seconds=0)


def wait_upset(made: Crew, times: int) -> None:
    """Return when the crew has upset so many clients."""

    def observe() -> None:
        if made.upsets < times:
            raise NotYet(f"{made.upsets} of {times}")

    wait_for(observe, what="upsets", seconds=30)


def test_everybody_is_at_work_and_ends_when_told(tmp_path: Path) -> None:
    """A client in each slot, each with a number of its own; all end by themselves."""
    with crew(tmp_path, group(upset_every=0)) as (made, hands, _):
        made.start()
        made.stop()

    names = [running.client.name for running in hands.everyone]
    assert names == [
        "committed-0-1",
        "uncommitted-0-2",
        "member-0-3",
        "member-1-4",
        "member-2-5",
        "feeder-0-6",
    ]
    assert {running.process.returncode for running in hands.everyone} == {0}
    assert made.done() == {"committed": 1, "uncommitted": 1, "member": 3, "feeder": 1}
    assert made.troubles() == ()


def test_who_is_upset_is_followed_under_a_new_number(tmp_path: Path) -> None:
    """Killed, frozen or gone: its slot has another client, and none of that is trouble."""
    with crew(tmp_path, transactions(upset_every=0.3, writers=1, watched=False)) as (made, hands, notes):
        made.start()
        wait_upset(made, 3)
        made.stop()

    assert len(notes) >= 3
    assert len(hands.everyone) >= 3
    assert [running.client.number for running in hands.everyone] == list(range(1, len(hands.everyone) + 1))
    assert all(running.process.returncode is not None for running in hands.everyone)
    assert made.troubles() == ()


def test_a_client_that_fails_keeps_the_workload_from_starting(tmp_path: Path) -> None:
    """Its name, its exit code and its last words are in the error."""
    program = "import sys\nsys.exit('no such topic')\n"
    with (
        crew(tmp_path, transactions(upset_every=0), program) as (made, _, _),
        pytest.raises(LoadError, match=r"committed-0-1 ended with 1: no such topic"),
    ):
        made.start()


def test_a_client_that_ends_badly_later_is_named(tmp_path: Path) -> None:
    """The workload goes on with another one, and the run is told."""
    fails = COUNTING + "if client['number'] == 1: sys.stdin.readline(); sys.exit('out of disk')\n"
    with crew(tmp_path, transactions(upset_every=0), fails + "sys.stdin.readline()\n") as (made, _, _):
        made.start()
        made.stop()

    (trouble,) = made.troubles()
    assert trouble == "committed-0-1 ended with 1: out of disk"


def test_one_that_does_not_obey_is_killed_and_named(tmp_path: Path) -> None:
    """Nobody outlives the crew."""
    deaf = COUNTING + "import threading; threading.Event().wait()\n"
    with crew(tmp_path, transactions(upset_every=0, writers=1, watched=False), deaf) as (made, hands, _):
        made.start()
        made.stop(seconds=0.2)

    assert hands.everyone[0].process.returncode == -9
    assert made.troubles() == ("writer-0-1 ended with -9: no words",)
