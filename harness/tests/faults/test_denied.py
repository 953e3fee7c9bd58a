"""Pods that a NetworkPolicy forbids everything: in force where the network obeys, else refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.faults.denied import ENFORCED_S, Denied
from harness.faults.mechanism import Seen
from harness.faults.reach import Pair
from harness.faults.watchdog import Watch
from harness.stack.kubernetes.policies import Denial
from harness.tests.faults.orchestrated import Later, PodStack
from harness.tests.stack.kubectled import Kubectl

NAME = "broker-1"
TO, FROM, OUTSIDE = Pair("broker-2", NAME), Pair(NAME, "broker-3"), Pair("load-1", NAME)


class Network:
    """A network that lets connections be opened until it obeys."""

    def __init__(self) -> None:
        self.obeys = False
        self.asked: list[frozenset[Pair]] = []

    def open_now(self, pairs: frozenset[Pair]) -> frozenset[Pair]:
        """All of them, or none."""
        self.asked.append(pairs)
        return frozenset() if self.obeys else pairs

    def obey(self) -> None:
        """From now on."""
        self.obeys = True


def on(stack: PodStack, network: Network, clock: Later | None = None) -> Denied:
    """The fault on the first broker of *stack*."""
    services, through = {NAME: stack.pods[NAME]}, frozenset({TO, FROM, OUTSIDE})
    return Denied(
        services, stack.orchestrator, 60.0, frozenset({TO}), through,
        clock=clock or Later(), open_now=network.open_now,
    )  # fmt: skip


def test_a_policy_that_the_network_enforces_is_in_force() -> None:
    """The network may take its time; healing twice is fine, and the pod must serve after it."""
    stack, network = PodStack(), Network()
    fault = on(stack, network, Later(network.obey))
    fault.inject()

    assert fault.landed() == Seen(ok=True, words="the network enforces the policy")
    assert set(network.asked) == {frozenset({TO, FROM})}
    assert fault.still().ok
    fault.heal()
    fault.heal()
    assert fault.healed() == Seen(ok=True, words="broker-1: ready")
    assert stack.orchestrator.told == ["deny broker-1"]


def test_a_policy_that_nobody_enforces_is_no_fault() -> None:
    """It is there, and connections open all the same: not proven, with the reason."""
    clock = Later()
    fault = on(PodStack(), Network(), clock)
    fault.inject()
    seen = fault.landed()

    assert not seen.ok
    assert "broker-1→broker-3, broker-2→broker-1 still connect" in seen.words
    assert seen.words.endswith("this cluster's network enforces no NetworkPolicy")
    assert clock.slept >= ENFORCED_S


@pytest.mark.parametrize(("obeys", "through"), [(True, {TO, FROM}), (False, {OUTSIDE})])
def test_what_was_closed_before_proves_nothing(obeys: bool, through: set[Pair]) -> None:  # noqa: FBT001
    """Another fault had closed it, or there is no other pod: not proven, and not for want of time."""
    network, clock = Network(), Later()
    network.obeys = obeys
    fault = on(PodStack(), network, clock)
    fault = replace(fault, through=frozenset(through))
    fault.inject()

    assert not fault.landed().ok
    assert "no connection between pods was open before" in fault.landed().words
    assert clock.slept == 0


def test_only_between_pods_connections_must_fail() -> None:
    """A policy lets in what comes from the pod's own machine, and what stands outside may look like that."""
    footprint = on(PodStack(), Network()).footprint

    assert (footprint.severed, footprint.unsure) == (frozenset({TO, FROM}), frozenset({OUTSIDE}))


def test_a_policy_that_somebody_deleted_did_not_stay_in_force() -> None:
    """And one that is still there after healing is not healed."""
    stack = PodStack()
    fault = on(stack, Network())
    fault.inject()

    assert fault.healed() == Seen(ok=False, words="broker-1 is still denied")
    stack.orchestrator.policies.clear()
    assert fault.still() == Seen(ok=False, words="somebody else deleted the policy of broker-1")


def test_the_watchdog_deletes_the_policies_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in a kind cluster, and no others; it says so."""
    kubectl = Kubectl(tmp_path / "docker", monkeypatch)
    kubectl.denied = ["denied-broker-1", "denied-broker-2", "of-a-user"]
    with Watch(tmp_path, tmp_path.name):
        notes = [
            Denial("edge-harness", "edge", NAME).note,
            Denial("", "edge", "broker-2").note,
            Denial("edge-harness", "edge; reboot", "broker-2").note,
        ]
        line = {"step": "planned", "undo": notes}
        (tmp_path / "journal.jsonl").write_text(json.dumps(line) + "\n")

    assert kubectl.denied == ["denied-broker-2", "of-a-user"]
    words = "the harness ended: deleted the policies of ['broker-1']"
    assert words in (tmp_path / "watchdog.log").read_text()
