"""A node behind a proxy that delays: felt by who connects to it, bounded, undone, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import cast

import pytest

from harness.faults.observed import marked_processes
from harness.faults.remains import disturbed_networks
from harness.tests.contract import inside, outside
from harness.tests.contract.doubles import BOTH, double, server
from harness.tests.contract.test_seal import ALL

pytestmark = pytest.mark.contract

DELAY_MS = 100
LATE = {"load-1→broker-1", "broker-2→broker-1"}
AS_EVER = {"load-1→broker-2", "broker-1→broker-2"}
"""Another node, and what the delayed node itself opens."""


@pytest.mark.parametrize("kind", BOTH)
def test_a_node_behind_a_proxy_answers_later_and_no_other(kind: str, tmp_path: Path) -> None:
    """Every answer to others comes as much later as asked; its own calls do not; then all is as before."""
    seen = inside.tell("delayed", tmp_path, str(server(kind, tmp_path)))

    assert seen["observed"], seen["proof"]
    before, during, after = cast("list[dict[str, list[float]]]", seen["times"])
    assert LATE | AS_EVER == set(before) == set(during) == set(after)
    for way in LATE:
        assert DELAY_MS <= during[way][0], way
        assert during[way][2] <= 2 * DELAY_MS, way
    for way, quickest in [(w, during[w][0]) for w in AS_EVER] + [(w, after[w][0]) for w in after]:
        assert quickest < DELAY_MS / 2, way
    fates = {"direct": "reset", "bystander": "echoed", "proxied": "echoed", "healed": "closed"}
    assert fates == seen["fates"]
    assert ([0, 0], sorted(ALL)) == (seen["left"], seen["open"])
    assert [True, False] == [count > 0 for count in cast("list[int]", seen["proxies"])]
    assert ["planned", "injected", "effect-proven", "healed", "healing-proven"] == seen["steps"]
    assert [True, True] == seen["rehearsed"]
    assert {"do": "end", "node": "broker-1"} in cast("list[object]", seen["undo"])


def test_a_delay_beside_other_faults_is_judged_by_itself(tmp_path: Path) -> None:
    """Healed under a pause or a cut it is not left behind; its proxy's death and a second delay are told."""
    seen = inside.tell("healed_beside_others", tmp_path, str(double(tmp_path)))

    for words in cast("list[str]", seen["under"]):
        assert "no proxy and no rule of it is left; broker-1:9092: another fault is on its way here" in words
    assert ([True, True, False, True], sorted(ALL)) == (seen["observed"], seen["open"])
    assert "the proxy of broker-1 ended by itself" == seen["dead"]
    assert "broker-1 is behind a proxy already. Fix: heal the other fault first" == seen["twice"]


def test_a_lease_that_runs_out_ends_the_connections_through_the_proxy(tmp_path: Path) -> None:
    """Whoever was led there is reset by the kernel and finds the port itself; the effect is not proven."""
    seen = inside.tell("lapsed", tmp_path, str(double(tmp_path)))

    assert ("echoed", "reset", False) == (seen["held"], seen["lapsed"], seen["observed"])
    assert cast("float", seen["ms"]) < DELAY_MS / 2
    assert "no renewal came in time" in cast("str", seen["proof"])


POINTS = range(3, 8)
"""Injected and not yet noted, noted, not yet proven, proven, in force."""


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_harness_leaves_nobody_behind_a_proxy(point: int, tmp_path: Path) -> None:
    """SIGKILL at any step with the proxy in place leaves no process and no namespace after 6 s."""
    keeper = inside.start("held_behind_a_proxy", tmp_path, [str(double(tmp_path)), point])
    try:
        outside.wait((tmp_path / "at.json").exists, 30)
        at = json.loads((tmp_path / "at.json").read_text())
        assert any(process.fault for process in marked_processes(tmp_path.name))
        os.kill(outside.harness_in(keeper) if point % 2 else keeper.pid, signal.SIGKILL)

        born_by = outside.ticks_now()
        outside.wait_until_empty(lambda: outside.left_of(tmp_path.name, set(at["namespaces"]), born_by), 6)
    finally:
        keeper.kill()
        keeper.wait()
    assert (1, 1) == (at["disturbed"], at["planned"])


def test_a_stopped_harness_delays_nobody_for_longer_than_a_lease(tmp_path: Path) -> None:
    """SIGSTOP on the harness: the kernel leads nobody to the proxy any more, the watchdog ends it."""
    keeper = inside.start("held_behind_a_proxy", tmp_path, [str(double(tmp_path)), -1])
    try:
        outside.wait((tmp_path / "ready").exists, 30)
        outside.wait(lambda: _last_ms(tmp_path) >= DELAY_MS, 5)
        harness = outside.harness_in(keeper)
        os.kill(harness, signal.SIGSTOP)
        stopped = time.monotonic()
        outside.wait(lambda: not _disturbed(tmp_path.name) and 0 <= _last_ms(tmp_path) < DELAY_MS / 2, 10)
        healed = time.monotonic() - stopped
        os.kill(harness, signal.SIGCONT)
        (tmp_path / "go-on").touch()
        output, _ = keeper.communicate(timeout=30)
    finally:
        keeper.kill()
        keeper.wait()

    assert healed <= 6.5
    assert "ended the proxies of ['broker-1']" in (tmp_path / "watchdog.log").read_text()
    seen = json.loads((tmp_path / "result.json").read_text())
    assert (False, [0, 0], sorted(ALL)) == (seen["observed"], seen["left"], seen["open"]), output


def test_the_kernel_alone_ends_a_delay(tmp_path: Path) -> None:
    """With harness and watchdog stopped the proxy lives on, and nobody is led to it any more."""
    keeper = inside.start("held_behind_a_proxy", tmp_path, [str(double(tmp_path)), -1])
    try:
        outside.wait((tmp_path / "ready").exists, 30)
        outside.wait(lambda: _last_ms(tmp_path) >= DELAY_MS, 5)
        _stop_watchdog(tmp_path.name)
        os.kill(outside.harness_in(keeper), signal.SIGSTOP)
        outside.wait(lambda: 0 <= _last_ms(tmp_path) < DELAY_MS / 2, 6.5)
        left = _disturbed(tmp_path.name)
    finally:
        keeper.kill()
        keeper.wait()

    assert {"proxy"} == left


def test_heal_ends_from_outside_a_proxy_that_a_hung_harness_left(tmp_path: Path) -> None:
    """`heal` from another shell, with the watchdog stopped: no proxy, no rule, and prompt answers."""
    run = tmp_path.name
    keeper = inside.start("held_behind_a_proxy", tmp_path, [str(double(tmp_path)), -1])
    try:
        outside.wait((tmp_path / "ready").exists, 30)
        _stop_watchdog(run)
        harness = outside.harness_in(keeper)
        outside.hang(harness, tmp_path)
        code, words = outside.heal(run)
        left = _disturbed(run)
        outside.wait(lambda: 0 <= _last_ms(tmp_path) < DELAY_MS / 2, 2)
    finally:
        keeper.kill()
        keeper.wait()

    assert (0, set()) == (code, left), words
    assert "end the proxy of broker-1" in words
    assert "delete the cuts at broker-1: done" in words


def _stop_watchdog(run: str) -> None:
    for process in marked_processes(run):
        if "watchdog" in process.command:
            os.kill(process.pid, signal.SIGSTOP)


def _disturbed(run: str) -> set[str]:
    """What is in force in *run*, as seen from outside of it."""
    processes = marked_processes(run)
    found = {"led" for network in disturbed_networks(processes) if network.elements}
    return found | {"proxy" for process in processes if process.fault}


def _last_ms(folder: Path) -> float:
    """How long the last echo took that the prober saw; -1: there was none."""
    try:
        lines = (folder / "seen.jsonl").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return -1.0
    whole = [json.loads(line) for line in lines if line.endswith("\n")]
    return float(whole[-1]["ms"]) if whole else -1.0
