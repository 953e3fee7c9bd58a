"""The plans of real scenarios at the gate: what may go into somebody's cluster, and what may not."""

from __future__ import annotations

from typing import cast

import pytest

from harness import bundle
from harness.errors import BadInput
from harness.guards.allow import Entry, Place
from harness.guards.gate import Admission, Clearance, clear
from harness.guards.limits import Planned
from harness.guards.seen import Shown, read
from harness.launch import prepare
from harness.platforms.clearing import manifests_of
from harness.rehearsal import plan_of
from harness.scenario import discover
from harness.stack.kubernetes.owned import Manifest

FOUND = discover(bundle.scenarios())
PLACE = Place("staging", "https://10.1.2.3:6443", "edge-harness")
ADMITTED = Admission(PLACE, Entry(context="staging", namespaces=("edge-harness",)))


class Empty:
    """Stands in for the API of a namespace with nothing in it."""

    def namespace_labels(self) -> dict[str, str]:
        """None."""
        return {}

    def pod_manifests(self) -> list[Manifest]:
        """None."""
        return []

    def disruptions(self) -> list[Manifest]:
        """None."""
        return []


def at_the_gate(name: str) -> tuple[tuple[Planned, ...], Clearance]:
    """The plan of scenario *name* in Kubernetes, and what comes of it in an empty namespace."""
    prepared = prepare(FOUND[name].stack, dict(FOUND[name].settings), "context:staging")
    plan = plan_of(FOUND[name], prepared.definition)
    applied = manifests_of(prepared.definition, prepared.folder)
    seen = read(cast("Shown", Empty()), prepared.definition.nodes, to_apply=applied)
    return plan, clear(ADMITTED, seen, plan)


@pytest.mark.parametrize(
    "name", ["quickstart", "pipeline", "leader_killed", "rolling_restart", "one_way_cut"]
)
def test_one_broker_at_a_time_is_cleared(name: str) -> None:
    """Faults that come one after the other hit a third of three brokers, however many there are of them."""
    plan, cleared = at_the_gate(name)

    assert plan
    assert "PodDisruptionBudget edge-kafka covers edge-kafka-0, edge-kafka-1, edge-kafka-2" in "\n".join(
        cleared.lines
    )


@pytest.mark.parametrize("name", ["two_brokers_killed"])
def test_two_of_three_brokers_are_refused(name: str) -> None:
    """Whatever the list allows: no quorum would be left."""
    with pytest.raises(BadInput, match=r"a quorum is never taken away.*no majority of the 3 controllers"):
        at_the_gate(name)
