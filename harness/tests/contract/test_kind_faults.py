"""Faults on a real cluster: each lands and heals, and what a killed harness leaves is undone.

On a real cluster, as root beside Docker, like ``test_kind``; one that was not there before is deleted after.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clock import MONOTONIC, seconds_between
from harness.faults.cluster import delete_pod, split_machines
from harness.faults.leases import LEASE_SECONDS
from harness.faults.places import name_service
from harness.faults.selectors import broker
from harness.faults.spec import kill, partition
from harness.stack.kind import cluster, machine_disks
from harness.stack.kind.machines import kubectl_of
from harness.stack.kubernetes import resizing
from harness.stack.kubernetes.pods import main_process
from harness.tests.contract.each import expressible
from harness.tests.contract.kind_place import heard, told_by
from harness.tests.contract.test_kind import lacking, namespaces
from harness.tests.source import ROOT
from harness.waiting import NotYet, wait_for

UNDOING_S = 15.0
"""A disk, and the limits of a pod, are given back by commands: on a busy machine each takes seconds."""

MACHINES = [f"{cluster.NAME}-{name}" for name in ("control-plane", "worker", "worker2", "worker3")]
KUBECTL = kubectl_of(cluster.NAME)
pytestmark = [pytest.mark.contract, pytest.mark.nightly]


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    """The cluster that is there, or one for these tests."""
    assert lacking() == ""
    with cluster.standing(reuse=True, keep=False):
        yield


EACH = {kind: spec for kind, spec in expressible("kind").items() if kind != "network_policy"} | {
    "kill and wipe": kill(broker(1), wipe=True),
    "no names": partition(broker(1), name_service()),
    "machines split": split_machines(broker(1), broker(2)),
    "asked to end": delete_pod(broker(2), grace_s=20),
}
"""A fault of each kind that pods can have, and of some another one; policies have their own test."""


def test_every_fault_lands_and_heals(tmp_path: Path) -> None:
    """Each is proven while it is in force, and proven gone; then every connection is as it was before."""
    told = heard("each_fault", tmp_path / "run", {name: spec.to_json() for name, spec in EACH.items()})

    faults = told["faults"]
    assert isinstance(faults, dict)
    unproven = {name: each for name, each in faults.items() if not each.get("observed")}
    assert unproven.keys() <= {"latency"}  # where there is neither netem nor a Toxiproxy
    assert "not expressible here" in str(unproven.get("latency", "not expressible here"))
    assert told["connections"] == [told["expected"]] * 2
    # Bounds that hold on a busy machine: a cut is there and gone at once, a new pod is not.
    assert (
        max(faults["partition"]["heal_s"], faults["machines split"]["heal_s"])
        < faults["pod_delete"]["heal_s"]
    )


def test_a_policy_is_a_fault_where_the_network_obeys(tmp_path: Path) -> None:
    """Packets decide: of a network that obeys and of the cluster's own, whichever it is; none is left."""
    told = heard("denied", tmp_path / "run", {})
    own, obeyed = told["own"], told["obeyed"]
    assert isinstance(own, dict)
    assert isinstance(obeyed, dict)

    assert obeyed["observed"] is True, obeyed
    assert "the network enforces the policy" in obeyed["proof"]
    assert own["observed"] is True or "enforces no NetworkPolicy" in own["proof"], own
    assert told["left"] == []


def test_a_cut_ends_with_its_lease_when_the_harness_is_killed(tmp_path: Path) -> None:
    """Nobody lifts it, and two seconds after one lease at the latest packets pass; heal removes the pods."""
    with told_by("cut_until_killed", tmp_path / "run", {}) as teller:
        told = wait_for(lambda: _cut(tmp_path / "run"), what="the cut", seconds=300, every=0.1)
        assert told["observed"] is True
        assert not _connects(told)
        teller.kill()
        killed = MONOTONIC.now()
        wait_for(lambda: _carries(told), what="packets to pass", seconds=60, every=0.05)
        passed = seconds_between(killed, MONOTONIC.now())

    assert passed <= LEASE_SECONDS + 2
    assert subprocess.run([sys.executable, "-m", "harness", "heal"], cwd=ROOT, check=False).returncode == 0
    assert not namespaces() & {"edge-harness"}


def test_what_a_killed_harness_left_is_undone_by_its_watchdog(tmp_path: Path) -> None:
    """A disk has its room back, pods their limits and their network, the store its clients; heal ends it."""
    folder = tmp_path / "run"
    with told_by("hurt_until_killed", folder, {}) as teller:
        told = wait_for(lambda: _told(folder, teller), what="the faults", seconds=400, every=0.1)
        assert len(told["proofs"]) == 4, told
        assert machine_disks.broken(MACHINES)
        assert policies()
        assert resizing.limited(KUBECTL)
        teller.kill()
        killed = MONOTONIC.now()
        wait_for(lambda: _undone(told), what="all to be undone", seconds=60, every=0.1)
        took = seconds_between(killed, MONOTONIC.now())

    assert took <= LEASE_SECONDS + UNDOING_S, f"undone after {took:.1f} s"
    assert subprocess.run([sys.executable, "-m", "harness", "heal"], cwd=ROOT, check=False).returncode == 0
    assert not namespaces() & {"edge-harness"}
    assert [disk for machine in MACHINES for disk in machine_disks.disks_of(machine)] == []


def _undone(told: dict[str, list[str]]) -> None:
    left = [disk.name for disk in machine_disks.broken(MACHINES)]
    left += [pod["metadata"]["name"] for pod in resizing.limited(KUBECTL)]
    left += policies()
    left += [] if _answers(*told["pod"], *told["store"]) else ["the store"]
    if left:
        raise NotYet(f"not yet: {', '.join(left)}")


def policies() -> list[str]:
    """The NetworkPolicies of whatever namespace."""
    argv = [*KUBECTL, "get", "networkpolicies", "--all-namespaces", "--output", "name"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def _answers(pod: str, address: str, port: str) -> bool:
    """Whether the store says what it says to strangers, asked from a broker's pod without the harness."""
    asked = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3"
    enter = ["nsenter", f"--target={main_process(pod, 'run')}", "--net", "--", "timeout", "2"]
    argv = [*enter, "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}; {asked}"]
    return " 403 " in subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def _told(folder: Path, teller: subprocess.Popen[str]) -> dict[str, list[str]]:
    try:
        told: dict[str, list[str]] = json.loads((folder / "hurt.json").read_text())
    except (OSError, ValueError) as error:
        assert teller.poll() is None, teller.communicate()[1][-3000:]
        raise NotYet("not told") from error
    return told


def _cut(folder: Path) -> dict[str, object]:
    try:
        told: dict[str, object] = json.loads((folder / "cut.json").read_text())
    except (OSError, ValueError) as error:
        raise NotYet("not told") from error
    return told


def _carries(told: dict[str, object]) -> None:
    if not _connects(told):
        raise NotYet("it is cut")


def _connects(told: dict[str, object]) -> bool:
    """Whether the pod that is cut off reaches its peer, seen without the harness."""
    pid, there = main_process(str(told["target"]), "run"), f"</dev/tcp/{told['address']}/9092"
    argv = ["nsenter", f"--target={pid}", "--net", "--", "timeout", "0.3", "bash", "-c", there]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
