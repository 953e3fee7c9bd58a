"""What a cluster shows of a stack: the one reader. It changes nothing, and asks for no secret."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from harness.guards.gate import Disruption, Seen
from harness.guards.limits import Target
from harness.stack.definition import NodeDefinition
from harness.stack.kubernetes.owned import OURS, Manifest


class Shown(Protocol):
    """One namespace of a cluster, as ``stack.kubernetes.api.Api`` shows it; each raises StackError."""

    def namespace_labels(self) -> Mapping[str, str]:
        """Its labels; BadInput where there is none."""
        ...

    def pod_manifests(self) -> Sequence[Manifest]:
        """Its pods."""
        ...

    def disruptions(self) -> Sequence[Manifest]:
        """Its PodDisruptionBudgets."""
        ...


def read(
    shown: Shown,
    nodes: Sequence[NodeDefinition],
    *,
    to_apply: Sequence[Manifest] = (),
) -> Seen:
    """What *shown* has of the pods of *nodes*.

    Args:
        to_apply: the manifests of a stack that is not there yet and that the harness is about to apply.

    Raises:
        BadInput: there is no such namespace.
        StackError: the API server does not tell.
    """
    pods = {pod["metadata"]["name"]: pod for pod in (*_foreseen(to_apply), *shown.pod_manifests())}
    targets = tuple(_target(node, pods.get(node.name), to_come=bool(to_apply)) for node in nodes)
    budgets = (*shown.disruptions(), *_budgets(to_apply))
    disruptions = tuple(_disruption(each, targets) for each in budgets)
    return Seen(targets, shown.namespace_labels(), disruptions, to_apply=bool(to_apply))


def selects(selector: Mapping[str, object] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector means something with *labels*; an empty one means everything, none nothing."""
    if selector is None:
        return False
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    assert isinstance(wanted, Mapping)
    assert isinstance(expressions, Sequence)
    return wanted.items() <= labels.items() and all(_holds(each, labels) for each in expressions)


def _holds(expression: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    found, values = labels.get(str(expression["key"])), expression.get("values") or ()
    assert isinstance(values, Sequence)
    match expression["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case _:
            return found is None


def _target(node: NodeDefinition, pod: Manifest | None, *, to_come: bool) -> Target:
    if pod is None:
        return Target(node.name, node.role, controller=_votes(node.role, {}), ready=to_come)
    labels = pod["metadata"].get("labels") or {}
    machine = pod.get("spec", {}).get("nodeName") or ""
    conditions = pod.get("status", {}).get("conditions")
    ready = conditions is None or any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )
    return Target(node.name, node.role, labels, machine, _votes(node.role, labels), ready)


def _votes(role: str, labels: Mapping[str, str]) -> bool:
    """Whether a pod votes in Kafka's quorum: the labels of an operator say so, else every broker does."""
    said = labels.get("strimzi.io/controller-role")
    if said is not None:
        return said == "true"
    if role == "zookeeper":
        return labels.get("strimzi.io/kind") == "Kafka"
    return role == "broker"


def _disruption(budget: Manifest, targets: Sequence[Target]) -> Disruption:
    selector = budget.get("spec", {}).get("selector")
    covers = tuple(each.name for each in targets if selects(selector, each.labels))
    told = budget.get("status", {}).get("disruptionsAllowed")
    allowed = _allows(budget.get("spec", {}), len(covers)) if told is None else int(told)
    return Disruption(budget["metadata"]["name"], covers, allowed)


def _allows(spec: Manifest, count: int) -> int:
    """How many of *count* healthy pods may be evicted; the API server rounds a percentage up."""
    if spec.get("maxUnavailable") is not None:
        return min(_number(spec["maxUnavailable"], count), count)
    return max(0, count - _number(spec.get("minAvailable") or 1, count))


def _number(value: object, count: int) -> int:
    text = str(value)
    return math.ceil(int(text[:-1]) * count / 100) if text.endswith("%") else int(text)


def _foreseen(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """The pods that the StatefulSets of *manifests* will have."""
    for each in manifests:
        if each["kind"] == "StatefulSet":
            labels = {**(each["spec"]["template"].get("metadata", {}).get("labels") or {}), **OURS}
            for number in range(each["spec"].get("replicas", 1)):
                yield {"metadata": {"name": f"{each['metadata']['name']}-{number}", "labels": labels}}


def _budgets(manifests: Iterable[Manifest]) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == "PodDisruptionBudget"]
