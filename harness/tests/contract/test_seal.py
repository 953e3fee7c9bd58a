"""Faults on real namespaces, real packets and real processes; and that none is ever left behind."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from harness.faults.observed import (
    marked_processes,
)
from harness.faults.selectors import broker, clients, leader_of, together
from harness.faults.spec import isolate, kill, partition, pause, split, terminate
from harness.tests.contract import inside, outside

pytestmark = pytest.mark.contract

ALL = {
    f"{a}→{b}"
    for a in ("broker-1", "broker-2", "broker-3", "load-1", "observer")
    for b in ("broker-1", "broker-2", "broker-3")
    if a != b
}
OF_1 = {pair for pair in ALL if "broker-1" in pair}
B1_B23 = {"broker-1→broker-2", "broker-1→broker-3", "broker-2→broker-1", "broker-3→broker-1"}
FOLLOWERS = leader_of("orders", 0)

# spec, the established connection that is looked at, pairs that must be cut, what becomes of the
# connection, and whether a datagram still gets along the connection's way and back.
CUTS = {
    "isolate": (isolate(FOLLOWERS), ("load-1", "broker-1"), OF_1, "stalls", (False, False)),
    "followers": (
        partition(FOLLOWERS, "followers"),
        ("broker-2", "broker-1"),
        B1_B23,
        "stalls",
        (False, False),
    ),
    "in": (
        partition(FOLLOWERS, "followers", direction="in"),
        ("broker-2", "broker-1"),
        B1_B23,
        "stalls",
        (False, True),
    ),
    "out": (
        partition(FOLLOWERS, "followers", direction="out"),
        ("broker-2", "broker-1"),
        B1_B23,
        "stalls",
        (True, False),
    ),
    "clients-reset": (
        partition(broker(1), "clients", how="reset"),
        ("load-1", "broker-1"),
        {"load-1→broker-1"},
        "reset",
        (True, True),  # a reset is TCP's
    ),
    "groups": (
        split(together(broker(1), clients()), together(broker(2), broker(3))),
        ("load-1", "broker-2"),
        B1_B23 | {"load-1→broker-2", "load-1→broker-3"},
        "stalls",
        (False, False),
    ),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_takes_away_exactly_what_it_names(name: str, tmp_path: Path) -> None:
    """A cut severs new and established connections across it, in its direction, and no others."""
    spec, connection, severed, fate, (there, back) = CUTS[name]
    source, target = connection
    given = {"spec": spec.to_json(), "connection": list(connection)}

    seen = inside.tell("one_cut", tmp_path, given)

    datagrams = {f"{source}→{target}": there, f"{target}→{source}": back}
    expected = {
        "observed": True,
        "open": sorted(ALL - severed),
        "connection": fate,
        "bystander": "echoed",
        "datagrams": datagrams,
    }
    assert expected == seen["during"]
    resumed = "resumed" if fate == "stalls" else "closed"
    assert {"open": sorted(ALL), "blocks": 0, "connection": resumed} == seen["after"]
    assert ["planned", "injected", "effect-proven", "healed", "healing-proven"] == seen["steps"]
    assert seen["rehearsed"] is True


def test_a_cut_that_meets_no_packet_is_not_observed(tmp_path: Path) -> None:
    """Rules that are listed but lose no packet leave the effect unproven."""
    seen = inside.tell("noop", tmp_path)

    assert (8, False) == (seen["blocks"], seen["observed"])
    assert "not cut: broker-1→broker-2" in cast("str", seen["proof"])
    assert ["planned", "injected", "effect-unproven", "healed", "healing-proven"] == seen["steps"]


def test_a_lease_holds_while_renewed_and_ends_with_the_renewer(tmp_path: Path) -> None:
    """A renewed cut never leaks, an unrenewed one ends within its lease and is not brought back."""
    seen = inside.tell("lease", tmp_path)

    assert 0 == seen["leaks"]
    assert 0.9 <= cast("float", seen["opened_after"]) <= 2.5
    assert (2, True, 0) == (seen["lapsed"], seen["not_brought_back"], seen["blocks"])


def test_overlapping_cuts_end_one_by_one_and_healing_again_is_harmless(tmp_path: Path) -> None:
    """What two cuts share stays cut until both are healed; healing twice, or nothing, changes nothing."""
    seen = inside.tell("overlap", tmp_path)

    pair = {"broker-1→broker-2", "broker-2→broker-1"}
    assert sorted(ALL - OF_1) == seen["twice"]
    assert sorted(ALL - pair) == seen["once"]
    assert sorted(ALL) == seen["none"]
    assert (0, [True, True]) == (seen["blocks"], seen["observed"])
    assert [0, "found: nothing"] == seen["heal_nothing"]


def test_every_way_out_heals(tmp_path: Path) -> None:
    """An exception, an interrupt and the end of the injector each heal a cut that is in force."""
    seen = inside.tell("ways_out", tmp_path)

    assert {"RuntimeError": [True, 0], "KeyboardInterrupt": [True, 0], "closed": [True, 0]} == seen


TO_1 = {pair for pair in ALL if pair.endswith("→broker-1")}
PROCESS_FAULTS = {
    "kill": (kill(broker(1)), [True, False, False, sorted(ALL - TO_1)], False, 0),
    "wipe": (kill(broker(1), wipe=True), [True, False, False, sorted(ALL - TO_1)], False, 1),
    "terminate": (terminate(broker(1)), [True, False, False, sorted(ALL - TO_1)], False, 0),
    "pause": (pause(broker(1)), [True, True, True, sorted(ALL)], True, 0),
}


@pytest.mark.parametrize("name", PROCESS_FAULTS)
def test_a_process_fault_hits_its_process_and_is_undone(name: str, tmp_path: Path) -> None:
    """Kill and terminate end the process and its port, pause stops it; healing brings the service back."""
    spec, during, same_process, wiped = PROCESS_FAULTS[name]

    seen = inside.tell("processes", tmp_path, spec.to_json())

    assert during == seen["during"]
    assert [True, False, sorted(ALL)] == seen["after"]
    assert (same_process, wiped) == (seen["same_process"], seen["wiped"])


SWEEP_POINTS = 32
"""Before and after each of five lines of three faults, and inside each block."""


class Counted(NamedTuple):
    """The faults in force, and those in the journal, when a harness was killed."""

    disturbed: int
    planned: int


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[int, Future[Counted]]]:
    """What was counted at each point where a harness was killed: three at a time, for each mostly waits."""
    folders = {point: tmp_path_factory.mktemp(f"point-{point}") for point in range(1, SWEEP_POINTS + 1)}
    with ThreadPoolExecutor(3) as pool:
        yield {point: pool.submit(_killed_at, point, folder) for point, folder in folders.items()}
        pool.shutdown(cancel_futures=True)


def _killed_at(point: int, folder: Path) -> Counted:
    """Kill a harness at *point*; what it leaves must be gone 6 s later."""
    keeper = inside.start("sweep", folder, point)
    try:
        outside.wait((folder / "at.json").exists, 20)
        at = json.loads((folder / "at.json").read_text())
        harness = outside.harness_in(keeper)
        # Half of the points kill the harness itself, half the process that a person started.
        os.kill(harness if point % 2 else keeper.pid, signal.SIGKILL)

        born_by = outside.ticks_now()
        outside.wait_until_empty(lambda: outside.left_of(folder.name, set(at["namespaces"]), born_by), 6)
    finally:
        keeper.kill()
        keeper.wait()
    return Counted(disturbed=at["disturbed"], planned=at["planned"])


@pytest.mark.parametrize("point", range(1, SWEEP_POINTS + 1))
def test_a_killed_harness_leaves_nothing(point: int, swept: Mapping[int, Future[Counted]]) -> None:
    """SIGKILL at any step leaves no process and no namespace after 6 s, and never an unjournalled fault."""
    at = swept[point].result()

    assert at.disturbed <= at.planned


def test_the_sweep_covers_every_point(tmp_path: Path) -> None:
    """The sweep's story, left alone, passes as many points as the sweep kills at, and at least 20."""
    seen = inside.tell("sweep", tmp_path, 0)

    assert {"points": SWEEP_POINTS} == seen
    assert SWEEP_POINTS >= 20


def test_a_stopped_harness_heals_within_a_lease(tmp_path: Path) -> None:
    """SIGSTOP on the harness ends its cut and its pause in 3 to 6 s, and it knows when it comes back."""
    keeper = inside.start("stopped_harness", tmp_path)
    try:
        outside.wait((tmp_path / "ready").exists, 20)
        outside.wait(lambda: len(_looks(tmp_path)) > 3, 5)
        harness = outside.harness_in(keeper)
        os.kill(harness, signal.SIGSTOP)
        stopped = time.monotonic()
        outside.wait(lambda: _looks(tmp_path)[-1] == (True, "S"), 10)
        healed = time.monotonic() - stopped
        looks = _looks(tmp_path)
        os.kill(harness, signal.SIGCONT)
        (tmp_path / "go-on").touch()
        output, _ = keeper.communicate(timeout=20)
    finally:
        keeper.kill()
        keeper.wait()

    assert (False, "T") == looks[0]
    assert 3.0 <= healed <= 6.5
    seen = json.loads((tmp_path / "result.json").read_text())
    assert ({"observed": [False, False], "open": sorted(ALL)}, 0) == (seen, keeper.returncode), output


def test_heal_undoes_from_outside_what_a_hung_harness_left(tmp_path: Path) -> None:
    """`heal` from another shell leaves a live run alone, and undoes the faults of one that hangs."""
    run = tmp_path.name
    # The lease outlasts the test: nothing but heal may end the cut.
    keeper = inside.start("stopped_harness", tmp_path, given=600)
    try:
        outside.wait((tmp_path / "ready").exists, 20)
        alive = outside.heal(run)
        harness = outside.harness_in(keeper)
        for process in marked_processes(run):
            if "watchdog" in process.command:
                os.kill(process.pid, signal.SIGKILL)
        outside.hang(harness, tmp_path)
        hung = outside.heal(run)
        again = outside.heal(run)
        outside.wait(lambda: _looks(tmp_path)[-1] == (True, "S"), 2)
        ended = outside.heal(run, "--abort")
        keeper.wait(10)
    finally:
        keeper.kill()
        keeper.wait()

    assert (0, True, False) == (alive[0], "was left alone" in alive[1], "done" in alive[1])
    assert 0 == hung[0]
    assert "resume broker-2" in hung[1]
    assert "delete the cuts at broker-1: done" in hung[1]
    assert (0, False) == (again[0], "resume" in again[1])
    assert (0, []) == (ended[0], marked_processes(run))


def _looks(folder: Path) -> list[tuple[bool, str]]:
    try:
        lines = (folder / "seen.jsonl").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    whole = [json.loads(line) for line in lines if line.endswith("\n")]
    return [(look["connects"], look["state"]) for look in whole]
