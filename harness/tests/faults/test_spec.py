"""Fault specs: what they say, what they refuse, and that they survive JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.faults.cluster import (
    delete_pod,
    deny,
    drain,
    lose_image,
    out_of_memory,
    pause_machine,
    pause_reconciliation,
    reboot_machine,
    rolling_update,
    split_machines,
    stop_machine,
    unlist,
)
from harness.faults.degrade import (
    bandwidth,
    disk_full,
    disk_read_only,
    latency,
    loss,
    s3_cuts_bodies,
    s3_hangs,
    s3_refuses,
    s3_slow,
    starve,
)
from harness.faults.places import flink, object_store, task_manager
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
    st.builds(bandwidth, SELECTORS, to_mbit=st.floats(0.5, 100)),
    st.builds(
        loss,
        SELECTORS,
        st.sampled_from(["clients", "brokers", "everyone"]) | SELECTORS,
        share=st.floats(0.01, 0.9),
        direction=st.sampled_from(["both", "in", "out"]),
    ),
    st.builds(latency, SELECTORS, ms=st.floats(2, 500)),
    st.builds(disk_full, SELECTORS),
    st.builds(disk_read_only, SELECTORS),
    st.builds(starve, SELECTORS, share=st.floats(0.05, 0.8)),
    st.builds(s3_refuses, status=st.integers(400, 599), share=st.floats(0.05, 1)),
    st.builds(s3_slow, delay_ms=st.floats(100, 5000), bytes_per_s=st.none() | st.integers(100, 10**6)),
    st.builds(s3_cuts_bodies, share=st.floats(0.05, 1)),
    st.builds(s3_hangs),
    st.builds(delete_pod, SELECTORS, grace_s=st.floats(0, 300)),
    *(
        st.builds(made, SELECTORS)
        for made in (drain, rolling_update, lose_image, unlist, deny, out_of_memory)
    ),
    st.builds(pause_reconciliation, SELECTORS),
    *(st.builds(made, SELECTORS) for made in (stop_machine, pause_machine, reboot_machine)),
    st.builds(split_machines, SELECTORS, SELECTORS),
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
        (bandwidth(broker(1), to_mbit=5), "limit broker(1) to 5 Mbit/s"),
        (loss(LEADER), "lose 10 % of the packets of leader_of(orders, 0)"),
        (
            loss(task_manager(1), "brokers", share=0.25, direction="in"),
            "lose 25 % of the packets of task_manager(1) and brokers, inbound only",
        ),
        (latency(broker(1), ms=50), "delay broker(1) by 50 ms"),
        (disk_full(object_store()), "fill the disk of object_store()"),
        (disk_read_only(broker(1)), "make the disk of broker(1) read-only"),
        (starve(flink(), share=0.1), "starve flink() to 10 % of its processor time"),
        (s3_refuses(share=0.5), "object_store() refuses 50 % of requests with 503"),
        (
            s3_slow(delay_ms=800, bytes_per_s=1000),
            "object_store() answers after 800 ms, 1000 bytes/s",
        ),
        (s3_cuts_bodies(), "object_store() cuts off 100 % of its answers"),
        (s3_hangs(), "object_store() does not answer"),
        (delete_pod(broker(1)), "delete the pod broker(1)"),
        (delete_pod(broker(1), grace_s=30), "delete the pod broker(1) with 30 s of grace"),
        (drain(LEADER), "drain the machine of leader_of(orders, 0)"),
        (rolling_update(broker(1)), "roll broker(1)"),
        (lose_image(broker(1)), "lose the image of broker(1)"),
        (unlist(object_store()), "take the endpoints of object_store() away"),
        (deny(broker(1)), "deny broker(1) every connection"),
        (out_of_memory(flink()), "fill the memory of flink()"),
        (pause_reconciliation(broker(1)), "pause the reconciliation of broker(1)"),
        (stop_machine(broker(1)), "stop the machine of broker(1)"),
        (pause_machine(broker(1)), "pause the machine of broker(1)"),
        (reboot_machine(broker(1)), "reboot the machine of broker(1)"),
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
        (loss(LEADER, "clients", share=0.2), {"scope": "clients", "direction": "both", "share": "0.2"}),
        (bandwidth(LEADER, to_mbit=5), {"to_mbit": "5"}),
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
        ({"kind": "bandwidth", "target": {"select": "controller"}}, "needs to_mbit"),
        (
            {"kind": "bandwidth", "target": {"select": "controller"}, "to_mbit": 1000},
            "to_mbit=1000. Fix: give a number from 0.5 to 100",
        ),
        ({"kind": "starve", "target": {"select": "controller"}, "share": "half"}, "share='half'"),
        ({"kind": "starve", "target": {"select": "controller"}, "share": True}, "share=True"),
        ({"kind": "kill", "target": {"select": "controller"}, "share": 0.5}, "parameter of a kill 'share'"),
        ({"kind": "disk_full", "target": {"select": "controller"}, "sharre": 1}, "did you mean 'share'"),
        ({"kind": "loss", "target": {"select": "controller"}, "share": 0.5}, "a loss needs peers"),
        (
            {
                "kind": "loss",
                "target": {"select": "controller"},
                "share": 0.5,
                "peers": "clients",
                "how": "reset",
            },
            "a loss has no way to cut",
        ),
        (
            {"kind": "pod_delete", "target": {"select": "controller"}, "grace_s": 301},
            "grace_s=301. Fix: give a number from 0 to 300",
        ),
        ({"kind": "drain", "target": {"select": "controller"}, "grace_s": 1}, "parameter of a drain"),
        ({"kind": "drain", "target": {"select": "beside"}}, "the selector beside got"),
        ({"kind": "kill", "target": {"select": "place", "name": "jobmanager", "which": 0}}, "'job_manager'"),
        ({"kind": "kill", "target": {"select": "place", "name": "task_manager", "which": 0}}, "from 1"),
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
