"""What the reader makes of a namespace's pods and PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from harness.guards.gate import Disruption
from harness.guards.seen import read, selects
from harness.stack.definition import NodeDefinition
from harness.stack.kubernetes.owned import Manifest

NODES = (
    NodeDefinition(name="kafka-0", role="broker", address="198.18.0.2"),
    NodeDefinition(name="kafka-1", role="broker", address="198.18.0.3"),
    NodeDefinition(name="load-0", role="load", address="198.18.0.4"),
)


class Namespace:
    """Stands in for the API of one namespace."""

    def __init__(self, pods: Sequence[Manifest] = (), budgets: Sequence[Manifest] = ()) -> None:
        self._pods, self._budgets = pods, budgets

    def namespace_labels(self) -> Mapping[str, str]:
        """As the test has them."""
        return {"team": "edge"}

    def pod_manifests(self) -> Sequence[Manifest]:
        """As the test has them."""
        return self._pods

    def disruptions(self) -> Sequence[Manifest]:
        """As the test has them."""
        return self._budgets


def pod(name: str, ready: str = "True", /, **labels: str) -> Manifest:
    """A pod on a machine."""
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": "worker-1"}, "status": status}


def budget(spec: Manifest, **status: int) -> Manifest:
    """A PodDisruptionBudget over ``app=kafka``."""
    selector = {"matchLabels": {"app": "kafka"}}
    kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "kafka"}}
    return {**kind, "spec": {"selector": selector, **spec}, "status": status}


def test_a_standing_stack_is_read_from_its_pods() -> None:
    """Labels, machine, and what a budget allows now; a pod that is not there has none of them."""
    pods = [pod("kafka-0", app="kafka"), pod("somebody-else", app="kafka")]
    seen = read(Namespace(pods, [budget({}, disruptionsAllowed=0)]), NODES)

    assert [(each.name, each.machine, each.controller) for each in seen.targets] == [
        ("kafka-0", "worker-1", True),
        ("kafka-1", "", True),
        ("load-0", "", False),
    ]
    assert seen.disruptions == (Disruption("kafka", ("kafka-0",), 0),)
    assert (seen.namespace, seen.to_apply) == ({"team": "edge"}, False)


def test_what_does_not_serve_is_not_ready() -> None:
    """Neither a pod whose condition says so, nor one that is not there; what is to come counts as ready."""
    pods = [pod("kafka-0", "False"), pod("load-0")]

    assert [each.ready for each in read(Namespace(pods), NODES).targets] == [False, False, True]
    assert [each.ready for each in read(Namespace(), NODES, to_apply=[budget({})]).targets] == [True] * 3


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"maxUnavailable": 1}, 1),
        ({"maxUnavailable": 0}, 0),
        ({"maxUnavailable": 5}, 2),
        ({"maxUnavailable": "30%"}, 1),
        ({"minAvailable": 2}, 0),
        ({"minAvailable": "50%"}, 1),
        ({}, 1),
    ],
)
def test_a_stack_to_come_is_read_from_its_manifests(spec: Manifest, allowed: int) -> None:
    """Its StatefulSets tell its pods, its own budgets what they will allow while all are healthy."""
    template = {"metadata": {"labels": {"app": "kafka"}}}
    stateful = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "kafka"},
        "spec": {"replicas": 2, "template": template},
    }
    made = budget(spec)
    del made["status"]
    seen = read(Namespace(), NODES, to_apply=[stateful, made])

    assert seen.disruptions == (Disruption("kafka", ("kafka-0", "kafka-1"), allowed),)
    assert seen.to_apply


@pytest.mark.parametrize(
    ("role", "labels", "votes"),
    [
        ("broker", {}, True),
        ("broker", {"strimzi.io/controller-role": "false"}, False),
        ("broker", {"strimzi.io/controller-role": "true"}, True),
        ("zookeeper", {"strimzi.io/kind": "Kafka"}, True),
        ("zookeeper", {}, False),
        ("taskmanager", {}, False),
    ],
)
def test_an_operator_says_who_votes(role: str, labels: dict[str, str], votes: bool) -> None:  # noqa: FBT001 - a table
    """Strimzi labels controllers, and runs ZooKeeper for older Kafka; else every broker is a controller."""
    node = NodeDefinition.model_validate({"name": "one", "role": role, "address": "198.18.0.2"})
    (target,) = read(Namespace([pod("one", **labels)]), [node]).targets

    assert target.controller is votes


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "kafka"}}, True),
        ({"matchLabels": {"app": "flink"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["kafka", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["kafka"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        (
            {
                "matchLabels": {"app": "kafka"},
                "matchExpressions": [{"key": "tier", "operator": "Exists"}],
            },
            False,
        ),
    ],
)
def test_selectors_mean_what_the_api_server_means(
    selector: Mapping[str, object] | None,
    selected: bool,  # noqa: FBT001 - a table
) -> None:
    """An empty selector of a policy/v1 budget covers everything, expressions and labels must all hold."""
    assert selects(selector, {"app": "kafka"}) is selected
