"""Fault specs: what they say, what they refuse, and that they survive JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.faults.selectors import (
    Selector,
    all_brokers,
    broker,
    clients,
    controller,
    leader_of,
    resolve,
    together,
)
from harness.faults.spec import (
    FaultSpec,
    isolate,
    kill,
    partition,
    pause,
    resolve_peers,
    split,
    terminate,
)
from harness.tests.faults.fakes import FakeStack
from harness.tests.faults.test_selectors import SELECTORS

LEADER = leader_of("orders", 0)

SPECS = st.one_of(
    st.builds(kill, SELECTORS, wipe=st.booleans()),
    st.builds(terminate, SELECTORS),
    st.builds(pause, SELECTORS),
    st.builds(isolate, SELECTORS),
    st.builds(split, SELECTORS, SELECTORS),
    st.builds(
        partition,
        SELECTORS,
        st.sampled_from(["clients", "brokers", "everyone"]),
        direction=st.sampled_from(["both", "in", "out"]),
        how=st.sampled_from(["drop", "reset"]),
    ),
)


@given(SPECS)
def test_a_spec_survives_json(spec: FaultSpec) -> None:
    """Every spec written as JSON text and read again is equal to itself."""
    assert spec == FaultSpec.from_json(json.loads(json.dumps(spec.to_json())))


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (kill(LEADER), "kill leader_of(orders, 0)"),
        (kill(LEADER, wipe=True), "kill and wipe leader_of(orders, 0)"),
        (terminate(broker(2)), "terminate broker(2)"),
        (pause(controller()), "pause controller()"),
        (isolate(LEADER), "isolate leader_of(orders, 0)"),
        (
            partition(LEADER, "followers", direction="in", how="reset"),
            "partition leader_of(orders, 0) from followers, inbound only, with resets",
        ),
        (
            split(broker(1), together(broker(2), broker(3))),
            "partition broker(1) from together(broker(2), broker(3))",
        ),
    ],
)
def test_a_spec_reads_as_its_effect(spec: FaultSpec, name: str) -> None:
    """The name of a fault is its effect and its roles."""
    assert name == spec.name


@pytest.mark.parametrize(
    ("spec", "traits"),
    [
        (kill(LEADER, wipe=True), {"data": "wiped"}),
        (kill(LEADER), {"data": "kept"}),
        (pause(LEADER), {}),
        (isolate(LEADER), {"scope": "everyone", "direction": "both", "how": "drop"}),
        (
            partition(LEADER, broker(2), direction="out"),
            {"scope": "nodes", "direction": "out", "how": "drop"},
        ),
    ],
)
def test_traits_say_what_recovery_depends_on(spec: FaultSpec, traits: dict[str, str]) -> None:
    """A spec's traits carry its scope, direction and what became of the data."""
    assert traits == spec.traits


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"kind": "kil", "target": {"select": "controller"}}, "did you mean 'kill'"),
        ({"kind": "partition", "target": {"select": "controller"}, "peers": "folowers"}, "'followers'"),
        (
            {"kind": "partition", "target": {"select": "controller"}, "peers": "followers"},
            "controller() has no",
        ),
        ({"kind": "partition", "target": {"select": "controller"}}, "needs peers"),
        ({"kind": "kill", "target": {"select": "controller"}, "wipe": "yes"}, "'yes'"),
        ({"kind": "pause", "target": {"select": "controller"}, "wipe": True}, "pause cannot wipe"),
        ({"kind": "pause", "target": {"select": "controller"}, "peers": "clients"}, "has no peers"),
        ({"kind": "pause", "target": {"select": "controller"}, "direction": "sideways"}, "'sideways'"),
        ({"kind": "pause", "target": {"select": "controller"}, "howl": "drop"}, "did you mean 'how'"),
        ("pause", "'pause'"),
    ],
)
def test_nonsense_is_refused_with_the_offending_value(value: object, shown: str) -> None:
    """A spec that makes no sense is bad input, and the message shows what was given."""
    with pytest.raises(BadInput) as refused:
        FaultSpec.from_json(value)

    assert shown in refused.value.sentence()


@pytest.mark.parametrize(
    ("spec", "peers"),
    [
        (partition(LEADER, "followers"), ("broker-2", "broker-3")),
        (partition(LEADER, "brokers"), ("broker-2", "broker-3")),
        (partition(LEADER, "clients"), ("load-1",)),
        (isolate(LEADER), ("broker-2", "broker-3", "load-1", "observer")),
        (partition(LEADER, broker("broker-3")), ("broker-3",)),
    ],
)
def test_peers_are_resolved_beside_the_target(spec: FaultSpec, peers: tuple[str, ...]) -> None:
    """The words for peers mean the nodes of that part without the target."""
    stack = FakeStack()
    target = resolve(spec.target, stack.roles, stack)

    assert peers == resolve_peers(spec, target, stack.roles, stack)


@pytest.mark.parametrize("peers", [LEADER, all_brokers()])
def test_nothing_is_cut_off_from_itself(peers: Selector) -> None:
    """A node on both sides of a cut is bad input that names it."""
    stack = FakeStack()
    spec = split(LEADER, peers)

    with pytest.raises(BadInput, match="broker-1 would be cut off from itself"):
        resolve_peers(spec, resolve(spec.target, stack.roles, stack), stack.roles, stack)


def test_a_cut_needs_somebody_on_the_other_side() -> None:
    """All brokers have no brokers left to be cut off from."""
    stack = FakeStack()
    spec = partition(all_brokers(), "brokers")

    with pytest.raises(BadInput, match="has no brokers"):
        resolve_peers(spec, resolve(spec.target, stack.roles, stack), stack.roles, stack)


def test_clients_exist_in_the_fake_stack() -> None:
    """The clients are the load nodes; the observer is none."""
    stack = FakeStack()

    assert ("load-1",) == resolve(clients(), stack.roles, stack).nodes
