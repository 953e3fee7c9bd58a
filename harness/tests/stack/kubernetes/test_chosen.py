"""A node is the pod that carries its labels, and the same node when another pod takes the place."""

from __future__ import annotations

import psutil
import pytest

from harness.errors import StackError
from harness.stack.definition import NodeDefinition, PodSelector
from harness.stack.kubernetes import chosen as module
from harness.stack.kubernetes.chosen import chosen, located, process_now, process_of
from harness.stack.kubernetes.pods_seen import PodSeen
from harness.tests.stack.places import definition_of

TASK_MANAGER = {"component": "taskmanager"}


def a_pod(name: str, labels: dict[str, str] | None = None, *, uid: str = "", ending: bool = False) -> PodSeen:
    """A ready pod."""
    return PodSeen(
        name,
        "10.244.1.7",
        "worker",
        ready=True,
        restarts=0,
        said="",
        uid=uid,
        labels=labels or {},
        ending=ending,
    )


def by_name(*pods: PodSeen) -> dict[str, PodSeen]:
    """The pods as the API lists them."""
    return {pod.name: pod for pod in pods}


def a_node(name: str, labels: dict[str, str] | None = None, index: int = 0) -> NodeDefinition:
    """A node that is found by *labels*, or by its name."""
    selector = PodSelector(labels=labels, index=index) if labels else None
    return NodeDefinition(name=name, role="taskmanager", selector=selector)


class Lister:
    """Stands in for the API server: lists what a test gives it, or raises it."""

    def __init__(self, answer: dict[str, PodSeen] | StackError) -> None:
        self.answer = answer

    def pods(self) -> dict[str, PodSeen]:
        """What it was given."""
        if isinstance(self.answer, StackError):
            raise self.answer
        return self.answer


def test_without_a_selector_a_node_is_the_pod_of_its_name() -> None:
    """A StatefulSet's pods need no labels; one that is not there is left out."""
    found = chosen((a_node("edge-kafka-0"), a_node("edge-kafka-1")), by_name(a_pod("edge-kafka-0")))

    assert {name: pod.name for name, pod in found.items()} == {"edge-kafka-0": "edge-kafka-0"}


def test_a_selector_takes_only_what_carries_all_its_labels() -> None:
    """One label of two is not enough."""
    node = a_node("broker-1", {"strimzi.io/cluster": "edge-kafka", "strimzi.io/pod-name": "k-0"})
    other = a_pod("k-0", {"strimzi.io/cluster": "another", "strimzi.io/pod-name": "k-0"})
    own = a_pod("k-0b", {"strimzi.io/cluster": "edge-kafka", "strimzi.io/pod-name": "k-0", "x": "y"})

    assert chosen((node,), by_name(other, own)) == {"broker-1": own}


def test_of_several_the_index_counts_in_the_order_of_numbers() -> None:
    """Pod 10 comes after pod 2, as a person counts."""
    pods = by_name(*(a_pod(f"taskmanager-1-{n}", TASK_MANAGER) for n in (10, 2)))
    nodes = [a_node(f"tm-{index}", TASK_MANAGER, index) for index in range(3)]

    assert {name: pod.name for name, pod in chosen(nodes, pods).items()} == {
        "tm-0": "taskmanager-1-2",
        "tm-1": "taskmanager-1-10",
    }


def test_a_pod_on_its_way_out_is_nobody() -> None:
    """Its successor is the node, although both are listed for a while."""
    pods = by_name(a_pod("op-a", TASK_MANAGER, ending=True), a_pod("op-b", TASK_MANAGER))

    assert chosen((a_node("operator", TASK_MANAGER),), pods)["operator"].name == "op-b"


def test_a_node_without_an_address_gets_its_pods() -> None:
    """Where no Service gives a pod a name, its own address is what others find."""
    definition = definition_of(NodeDefinition(name="operator", role="operator"))

    (node,) = located(definition, {"operator": a_pod("operator")}).nodes
    assert node.address == "10.244.1.7"


@pytest.mark.parametrize("group", ["kubepods-burstable-pod1a_2b.slice", "kubepods/burstable/pod1a-2b"])
def test_a_process_is_known_by_its_pods_uid(monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    """Both spellings of a control group count; the sandbox, and what a probe starts, do not."""
    told = b"KUBERNETES_SERVICE_HOST=10.96.0.1\0"
    files = {
        (11, "status"): b"NSpid:\t11\t4\t1\n",  # the sandbox: the kubelet told it nothing
        (12, "status"): b"NSpid:\t12\t5\t1\n",
        (13, "status"): b"NSpid:\t13\t6\t44\n",  # a probe
        **{(pid, "cgroup"): f"0::/docker/x/{group}/cri".encode() for pid in (11, 12, 13)},
        **{(pid, "environ"): told for pid in (12, 13)},
    }
    monkeypatch.setattr(module, "_read", lambda pid, name: files.get((pid, name), b""))
    monkeypatch.setattr(psutil, "process_iter", lambda: map(Pid, (13, 11, 12)))

    assert process_of("1a-2b") == 12
    assert process_of("9c-9c") == 0


class Pid:
    """Stands in for a process of psutil: it has a pid."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


def test_nobody_is_found_while_nobody_can_tell() -> None:
    """No pod, and an API server that does not answer, both mean: not now."""
    node = a_node("operator", TASK_MANAGER)

    assert process_now(Lister({}), node) == 0  # type: ignore[arg-type] # lists pods as an Api does
    assert process_now(Lister(StackError("down")), node) == 0  # type: ignore[arg-type] # as above
