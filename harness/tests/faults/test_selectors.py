"""Selectors: whom they choose, the reason they give, what they refuse."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.faults.places import (
    Beside,
    all_task_managers,
    api_server,
    flink,
    job_manager,
    name_service,
    object_store,
    operator,
    task_manager,
    vector_agent,
    zookeeper,
)
from harness.faults.selector_json import selector_from_json, selector_to_json
from harness.faults.selectors import (
    Resolution,
    Selector,
    all_brokers,
    another_broker_than,
    broker,
    clients,
    controller,
    coordinator_of,
    follower_of,
    leader_of,
    resolve,
    together,
)
from harness.tests.faults.fakes import FakeStack, PipelineStack

_NAMES = st.text(min_size=1, max_size=8)
_LEAVES = st.one_of(
    st.builds(leader_of, _NAMES, st.integers(0, 99)),
    st.builds(follower_of, _NAMES, st.integers(0, 99), st.integers(0, 9)),
    st.builds(controller),
    st.builds(coordinator_of, _NAMES),
    st.builds(broker, st.integers(1, 9) | _NAMES),
    st.builds(all_brokers),
    st.builds(clients),
    st.builds(task_manager, st.integers(1, 9)),
    st.sampled_from(
        [all_task_managers(), job_manager(), flink(), object_store(), vector_agent(), zookeeper()]
    ),
    st.sampled_from([operator(), name_service(), api_server()]),
)
SELECTORS: st.SearchStrategy[Selector] = st.recursive(
    _LEAVES,
    lambda inner: (
        st.builds(another_broker_than, inner)
        | st.builds(Beside, inner)
        | st.lists(inner, min_size=1, max_size=3).map(lambda members: together(*members))
    ),
    max_leaves=4,
)


TOGETHER = (
    "broker-1: broker 1 of 3 by name; controller is broker-2; "
    "and broker-2: active controller at injection; brokers broker-1, broker-2, broker-3"
)


@given(SELECTORS)
def test_a_selector_survives_json(selector: Selector) -> None:
    """Every selector written as JSON text and read again is equal to itself."""
    assert selector == selector_from_json(json.loads(json.dumps(selector_to_json(selector))))


@pytest.mark.parametrize(
    ("selector", "nodes", "why"),
    [
        (
            leader_of("orders", 0),
            ("broker-1",),
            "leader of orders/0 at injection; ISR broker-1, broker-2, broker-3; controller is broker-2",
        ),
        (
            follower_of("orders", 1, 1),
            ("broker-3",),
            "follower 1 of orders/1 at injection; ISR broker-1, broker-2, broker-3; controller is broker-2",
        ),
        (
            controller(),
            ("broker-2",),
            "active controller at injection; brokers broker-1, broker-2, broker-3",
        ),
        (
            coordinator_of("readers"),
            ("broker-3",),
            "coordinator of group readers at injection; controller is broker-2",
        ),
        (broker(3), ("broker-3",), "broker 3 of 3 by name; controller is broker-2"),
        (broker("broker-2"), ("broker-2",), "named by the scenario; controller is broker-2"),
        (all_brokers(), ("broker-1", "broker-2", "broker-3"), "every broker; controller is broker-2"),
        (clients(), ("load-1",), "every node that drives load"),
        (
            another_broker_than("broker-1"),
            ("broker-2",),
            "first running broker that is not broker-1 (named by the scenario; controller is broker-2)",
        ),
        (
            together(broker(1), controller()),
            ("broker-1", "broker-2"),
            TOGETHER,
        ),
    ],
)
def test_a_selector_chooses_by_role_and_says_why(
    selector: Selector, nodes: tuple[str, ...], why: str
) -> None:
    """A resolution holds the nodes that play the part now, and the whole reason."""
    stack = FakeStack()

    assert Resolution(nodes, why) == resolve(selector, stack.roles, stack)


@pytest.mark.parametrize(
    ("selector", "nodes", "why"),
    [
        (task_manager(2), ("taskmanager-2",), "task_manager 2 of 2"),
        (all_task_managers(), ("taskmanager-1", "taskmanager-2"), "every node that is a taskmanager"),
        (job_manager(), ("jobmanager-1",), "every node that is a jobmanager"),
        (
            flink(),
            ("jobmanager-1", "taskmanager-1", "taskmanager-2"),
            "every node that is a jobmanager or taskmanager",
        ),
        (object_store(), ("s3-1",), "every node that is a s3"),
    ],
)
def test_a_place_of_the_pipeline_is_chosen_by_its_part(
    selector: Selector, nodes: tuple[str, ...], why: str
) -> None:
    """What lies behind Kafka is found by the roles of the nodes, in the order of the stack."""
    stack = PipelineStack()

    assert Resolution(nodes, why) == resolve(selector, stack.roles, stack)


def test_a_place_that_a_stack_lacks_is_bad_input() -> None:
    """A task manager too many, and a part that no node plays, are refused with what there is."""
    stack = PipelineStack()
    with pytest.raises(BadInput, match=r"there is no task_manager\(3\). Fix: use 1 to 2"):
        resolve(task_manager(3), stack.roles, stack)
    with pytest.raises(BadInput, match="the stack has no vector_agent"):
        resolve(vector_agent(), stack.roles, stack)


def test_a_selector_is_resolved_anew_each_time() -> None:
    """A role that moved between two resolutions moves the choice."""
    stack = FakeStack()
    before = resolve(controller(), stack.roles, stack).nodes
    stack.roles.controls = "broker-3"

    assert (("broker-2",), ("broker-3",)) == (before, resolve(controller(), stack.roles, stack).nodes)


def test_a_missing_controller_does_not_stop_a_fault_on_somebody_else() -> None:
    """The reason says that the controller is not known, and the leader is still chosen."""
    stack = FakeStack()
    stack.roles.controls = ""

    why = resolve(leader_of("orders", 0), stack.roles, stack).why

    assert why.endswith("controller not known (the quorum has no leader)")


def test_another_broker_is_a_running_one() -> None:
    """A dead broker is passed over, and when none is left that is bad input."""
    stack = FakeStack()
    stack.fakes["broker-2"].process.alive = False

    assert ("broker-3",) == resolve(another_broker_than(broker(1)), stack.roles, stack).nodes
    stack.fakes["broker-3"].process.alive = False
    with pytest.raises(BadInput, match="no running broker is left besides broker-1"):
        resolve(another_broker_than(broker(1)), stack.roles, stack)


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        (broker("broker-4"), "there is no broker 'broker-4'. Fix: did you mean"),
        (broker(4), "there is no broker 4. Fix: use 1 to 3"),
        (broker(0), "there is no broker 0. Fix: use 1 to 3"),
        (follower_of("orders", 0, 2), "orders/0 has no follower 2"),
    ],
)
def test_an_unknown_one_is_bad_input_with_what_exists(selector: Selector, words: str) -> None:
    """A selector that chooses nobody says what there is instead."""
    stack = FakeStack()

    with pytest.raises(BadInput) as refused:
        resolve(selector, stack.roles, stack)

    assert words in refused.value.sentence()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"select": "leader_off"}, "did you mean 'leader_of'"),
        ({"select": "leader_of", "topic": "orders"}, "partition"),
        ({"select": "leader_of", "topic": "orders", "partition": "0"}, "partition='0' is not a whole number"),
        ({"select": "leader_of", "topic": "orders", "partition": -1}, "'orders'/-1"),
        ({"select": "together", "members": []}, "got no selector"),
        ("controller", "'controller'"),
    ],
)
def test_json_that_is_no_selector_is_bad_input(value: object, words: str) -> None:
    """What cannot be read as a selector is shown in the message."""
    with pytest.raises(BadInput) as refused:
        selector_from_json(value)

    assert words in refused.value.sentence()
