"""Slow, lossy, full and starved parts on real namespaces: felt, bounded, undone, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import cast

import pytest

from harness.faults.degrade import bandwidth, disk_full, disk_read_only, latency, loss, starve
from harness.faults.observed import marked_processes
from harness.faults.remains import broken_disks, disturbed_networks
from harness.faults.selectors import broker
from harness.faults.spec import FaultSpec
from harness.tests.contract import inside, outside
from harness.tests.contract.doubles import double

pytestmark = pytest.mark.contract

FREE = (20.0, 1e6)
"""Mbit/s of a cable that nothing slows down."""

ALL_ARRIVE = (500, 500)
WELL = {
    "mbit": (FREE, FREE),
    "arrived": (ALL_ARRIVE, ALL_ARRIVE),
    "write": "Success",
    "alive": True,
    "running": (1.0, 1.0),
}
# What is measured of the target while each fault is in force, as least and most; the rest is as ever.
# Of 500 datagrams a share of 0.1 loses 50, and 5 standard deviations are 34.
KINDS: dict[str, tuple[FaultSpec, dict[str, object]]] = {
    "bandwidth": (bandwidth(broker(1), to_mbit=8), {"mbit": ((2.0, 12.0), (2.0, 12.0))}),
    "loss": (
        loss(broker(1), share=0.1),
        {"arrived": ((416, 484), (416, 484)), "mbit": ((0.01, 1e6), (0.01, 1e6))},
    ),
    "disk full": (disk_full(broker(1)), {"write": "No space left on device"}),
    "read-only disk": (
        disk_read_only(broker(1)),
        {"write": "Read-only file system", "alive": False},
    ),
    "starve": (starve(broker(1), share=0.2), {"running": (0.04, 0.4)}),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_part_is_degraded_as_asked_and_no_other(name: str, tmp_path: Path) -> None:
    """Measured from outside the fault layer: the target within its bounds, its neighbour as ever."""
    spec, felt = KINDS[name]

    seen = inside.tell("one_degraded", tmp_path, spec.to_json())

    assert seen["observed"], seen["proof"]
    during, after = cast("dict[str, dict[str, object]]", seen["during"]), seen["after"]
    _check(during["broker-1"], WELL | felt)
    for well in (during["broker-2"], *cast("dict[str, dict[str, object]]", after).values()):
        _check(well, WELL)
    assert {"blocks": 0, "disciplines": 0} == seen["left"]
    assert 12 == len(cast("list[str]", seen["open"]))
    assert ["planned", "injected", "effect-proven", "healed", "healing-proven"] == seen["steps"]
    assert seen["rehearsed"]


def _check(measured: dict[str, object], wanted: dict[str, object]) -> None:
    for name, bounds in wanted.items():
        assert _fits(measured[name], bounds), f"{name} is {measured[name]}, not {bounds}"


def _fits(value: object, bounds: object) -> bool:
    if not isinstance(bounds, tuple):
        return value == bounds
    if isinstance(value, list):
        return all(_fits(one, each) for one, each in zip(value, bounds, strict=True))
    low, high = bounds
    return bool(low <= value <= high)


def test_a_rate_without_a_cable_is_felt_and_gone_after(tmp_path: Path) -> None:
    """Measured by TCP from outside the fault layer: both ways of the target, and of no other node."""
    seen = inside.tell("policed", tmp_path, "cat")

    assert seen["observed"], seen["proof"]
    assert _fits(seen["limited"], ((2.0, 12.0), (2.0, 12.0))), seen
    assert _fits(seen["free"], (FREE,) * 4), seen
    assert "no block left in inet harness; broker-1 sends and gets" in cast("str", seen["healing"])
    assert [0, 0] == seen["left"]
    assert "limit rate over 1000000 bytes/second" in cast("list[str]", seen["commands"])[0]


def test_a_rate_that_the_kernel_was_told_wrong_is_not_proven(tmp_path: Path) -> None:
    """Every block stands in its set, and twice as much may pass: traffic tells."""
    seen = inside.tell("policed", tmp_path, "sed 's/rate over 1000000 /rate over 2000000 /'")

    assert not seen["observed"], seen["proof"]
    assert "Mbit/s at full load" in cast("str", seen["proof"])
    assert [0, 0] == seen["left"]


def test_a_service_that_dies_of_its_full_disk_is_started_again(tmp_path: Path) -> None:
    """Ending is the right answer to a full disk: the healing makes room, starts it, and proves it ready."""
    seen = inside.tell("died_of_it", tmp_path, disk_full(broker(1)).to_json())

    assert (True, True, False, True) == (seen["died"], seen["observed"], seen["same_process"], seen["alive"])
    assert "broker-1: a write succeeds, 16 MiB, it answers" in cast("str", seen["healing"])
    assert (True, 12) == (seen["whole"], len(cast("list[str]", seen["open"])))


def test_what_is_healed_while_another_fault_goes_on_is_not_left_behind(tmp_path: Path) -> None:
    """A node that is cut off and dead proves nothing by traffic; its other faults heal all the same."""
    seen = inside.tell("healed_under_a_cut", tmp_path)

    slow, lossy, full = cast("list[str]", seen["under"])
    assert "nothing of it is left, and another fault is on its way here" in slow
    assert "no block left" in lossy
    assert "a write succeeds, 16 MiB" in full
    assert (0, 12) == (seen["left"], len(cast("list[str]", seen["open"])))


def test_what_the_kernel_lacks_is_said(tmp_path: Path) -> None:
    """A delay is proven where the kernel can delay; elsewhere, without a proxy, nothing is begun."""
    seen = inside.tell("not_here", tmp_path, latency(broker(1), ms=50).to_json())

    if seen["refused"]:
        words = "not expressible here, because this kernel has no netem, and there is no proxy"
        assert (words, []) == (seen["refused"], seen["last"])
    else:
        assert "answers after" in cast("str", seen["proof"])
        assert ["healing-proven"] == seen["last"]
    assert 0 == seen["disciplines"]


def test_an_object_store_misbehaves_as_asked_and_serves_again(tmp_path: Path) -> None:
    """Each fault of the real store is proven, spoils a client's work or half of it, and is gone after."""
    seen = inside.tell("store_degraded", tmp_path, str(double(tmp_path)))

    told = cast("dict[str, list[object]]", seen)
    assert {"refuse", "refuse half", "slow", "truncate", "hang", "far", "full"} == set(told)
    for name, (observed, proof, during, after) in told.items():
        assert observed, (name, proof)
        assert during or name == "refuse half", (name, proof)
        assert "" == after, name


POINTS = (14, 25)
"""Of 25 until all are in force: the third injected, all four in force."""


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_harness_leaves_no_degraded_part(point: int, tmp_path: Path) -> None:
    """SIGKILL with the faults half-way or all in force leaves no process and no namespace after 6 s."""
    keeper = inside.start("all_degraded", tmp_path, point)
    try:
        outside.wait((tmp_path / "at.json").exists, 30)
        at = _told(tmp_path)
        os.kill(outside.harness_in(keeper) if point % 4 else keeper.pid, signal.SIGKILL)

        born_by = outside.ticks_now()
        outside.wait_until_empty(
            lambda: outside.left_of(tmp_path.name, set(cast("list[int]", at["namespaces"])), born_by), 6
        )
    finally:
        keeper.kill()
        keeper.wait()
    assert cast("int", at["disturbed"]) <= cast("int", at["planned"])


def _told(folder: Path) -> dict[str, object]:
    told = json.loads((folder / "at.json").read_text())
    assert isinstance(told, dict)
    return told


def test_a_stopped_harness_degrades_nothing_for_longer_than_a_lease(tmp_path: Path) -> None:
    """SIGSTOP on the harness: kernel and watchdog end loss, limit, full disk and stops in 6 s."""
    keeper = inside.start("all_degraded", tmp_path, -1)
    try:
        outside.wait((tmp_path / "ready").exists, 30)
        assert {"lossy", "throttled", "full"} <= _disturbed(tmp_path.name)
        os.kill(outside.harness_in(keeper), signal.SIGSTOP)
        stopped = time.monotonic()
        outside.wait(lambda: not _disturbed(tmp_path.name), 10)
        healed = time.monotonic() - stopped
    finally:
        keeper.kill()
        keeper.wait()

    assert healed <= 6.5
    assert "restored the disks of ['broker-3']" in (tmp_path / "watchdog.log").read_text()


def test_heal_undoes_from_outside_what_a_hung_harness_degraded(tmp_path: Path) -> None:
    """`heal` from another shell, with the watchdog dead: disks are whole and cables quick again."""
    run, keeper = tmp_path.name, inside.start("all_degraded", tmp_path, -1)
    try:
        outside.wait((tmp_path / "ready").exists, 30)
        for process in marked_processes(run):
            if "watchdog" in process.command:
                os.kill(process.pid, signal.SIGKILL)
        harness = outside.harness_in(keeper)
        outside.hang(harness, tmp_path)
        code, words = outside.heal(run)
        left = _disturbed(run)
    finally:
        keeper.kill()
        keeper.wait()

    assert (0, set()) == (code, left), words
    assert "restore the disk of broker-3: done" in words
    assert 2 == words.count("remove the throttle at"), words


def _disturbed(run: str) -> set[str]:
    """What is in force in *run*, as seen from outside of it."""
    processes = marked_processes(run)
    networks = disturbed_networks(processes)
    found = {"lossy" for network in networks if network.elements}
    found |= {"throttled" for network in networks if network.shaped}
    found |= {"full" for _ in broken_disks(processes)}
    return found | {"stopped" for process in processes if process.node and process.stopped}
