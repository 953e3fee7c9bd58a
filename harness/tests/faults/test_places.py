"""Places in a cluster: who stands on the same machine, and what is only an address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import BadInput, NotExpressible
from harness.faults.cluster import split_machines
from harness.faults.places import Beside, api_server
from harness.faults.selectors import Resolution, all_brokers, broker, controller, resolve
from harness.faults.spec import resolve_peers
from harness.tests.faults.fakes import FakeStack
from harness.tests.faults.orchestrated import PodStack


def crowded() -> PodStack:
    """The first two brokers on one machine, the third on another."""
    stack = PodStack()
    pods = stack.orchestrator.pods
    pods["broker-2"] = replace(pods["broker-2"], machine="worker-1")
    return stack


def test_beside_a_pod_stands_every_pod_of_its_machine() -> None:
    """The choice holds the pod's own and its neighbours, and the reason names machine and role."""
    stack = crowded()
    why = "on worker-1, the machine of active controller at injection; brokers broker-1, broker-2, broker-3"

    assert resolve(Beside(controller()), stack.roles, stack) == Resolution(("broker-1", "broker-2"), why)
    assert resolve(Beside(broker(3)), stack.roles, stack).nodes == ("broker-3",)


def test_beside_several_pods_stand_those_of_all_their_machines() -> None:
    """Each machine once."""
    found = resolve(Beside(all_brokers()), (stack := crowded()).roles, stack)

    assert found.nodes == ("broker-1", "broker-2", "broker-3")
    assert found.why.startswith("on worker-1, worker-3, the machine of every broker")


def test_a_pod_that_is_on_no_machine_has_nobody_beside_it() -> None:
    """A pod that waits for a machine, and what is no pod at all, are bad input: never a fault on nobody."""
    stack = crowded()
    stack.orchestrator.pods["broker-3"] = replace(stack.orchestrator.pods["broker-3"], machine="")

    for nowhere in (broker(3), api_server()):
        with pytest.raises(BadInput, match="is on no machine of the cluster"):
            resolve(Beside(nowhere), stack.roles, stack)


def test_without_an_orchestrator_nothing_stands_beside() -> None:
    """On the local platform each node is its own machine: not expressible, with the platform that can."""
    bare = FakeStack()
    without = PodStack()
    without.orchestrator = None  # type: ignore[assignment] # a stack may say that it has none

    for stack in (bare, without):
        with pytest.raises(NotExpressible, match=r"broker\(1\) has no machine of its own.*--platform kind"):
            resolve(Beside(broker(1)), stack.roles, stack)


def test_two_pods_on_one_machine_cannot_be_split() -> None:
    """A cut between machines needs two of them."""
    stack = crowded()
    spec = split_machines(broker(1), broker(2))
    target = resolve(spec.target, stack.roles, stack)

    with pytest.raises(BadInput, match="broker-1, broker-2 would be cut off from itself"):
        resolve_peers(spec, target, stack.roles, stack)
    apart = split_machines(broker(1), broker(3))
    assert resolve_peers(apart, target, stack.roles, stack) == ("broker-3",)
