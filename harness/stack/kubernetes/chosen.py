"""Which pod each node of a stack is: by its own name, or by labels, and by what the pod's processes show.

Whoever runs pods decides on their names: a StatefulSet counts them, an operator's pod sets and Deployments
have names of their own. So a node may say by which labels its pod is found, and is the same node when
another pod takes the place. A pod's processes are known by its uid, which the kubelet writes into the name of
their control group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from harness.errors import StackError
from harness.stack.definition import NodeDefinition, PodSelector, StackDefinition
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.pods_seen import Choice, PodSeen

_FROM_KUBELET = b"KUBERNETES_SERVICE_HOST="
"""The kubelet tells every container where the API server is; a pod's sandbox is not told."""


def chosen(nodes: Iterable[NodeDefinition], pods: Mapping[str, PodSeen]) -> dict[str, PodSeen]:
    """The pod of each node, by the node's name; a node without one is left out."""
    found = {node.name: _pod_of(node, pods) for node in nodes}
    return {name: pod for name, pod in found.items() if pod is not None}


def choice(definition: StackDefinition) -> Choice:
    """What tells which pod each node of *definition* is; every other pod is called by its own name."""
    strange = selected(definition)

    def choose(pods: Mapping[str, PodSeen]) -> Mapping[str, PodSeen]:
        others = {name: pod for name, pod in pods.items() if name not in strange}
        return others | chosen(definition.nodes, pods)

    return choose


def located(definition: StackDefinition, pods: Mapping[str, PodSeen]) -> StackDefinition:
    """*definition* with the pod's address wherever a node has none that others find it by."""
    nodes = [
        node if node.address else node.model_copy(update={"address": pods[node.name].address})
        for node in definition.nodes
    ]
    return definition.model_copy(update={"nodes": tuple(nodes)})


def selected(definition: StackDefinition) -> dict[str, NodeDefinition]:
    """The nodes that are not the pods of their names."""
    return {node.name: node for node in definition.nodes if node.selector is not None}


def process_now(api: Api, node: NodeDefinition) -> int:
    """The first process of the pod that is *node* now; 0 while there is none, or nobody can tell."""
    try:
        pod = chosen((node,), api.pods()).get(node.name)
    except StackError:
        return 0  # nobody can tell at the moment: it is asked again
    return process_of(pod.uid) if pod is not None else 0


def process_of(uid: str) -> int:
    """The first process of a container of pod *uid*; 0 when there is none on this machine."""
    marks = (f"pod{uid}", f"pod{uid.replace('-', '_')}")  # cgroupfs writes it so, systemd so
    for process in psutil.process_iter():
        if _is_first(process.pid) and any(mark in _read(process.pid, "cgroup").decode() for mark in marks):
            return int(process.pid)
    return 0


def _pod_of(node: NodeDefinition, pods: Mapping[str, PodSeen]) -> PodSeen | None:
    if node.selector is None:
        return pods.get(node.name)
    left = _matching(node.selector, pods.values())
    return left[node.selector.index] if node.selector.index < len(left) else None


def _matching(selector: PodSelector, pods: Iterable[PodSeen]) -> list[PodSeen]:
    """Those that carry its labels and are not on their way out, in the order of their names' numbers."""
    found = [pod for pod in pods if selector.labels.items() <= pod.labels.items() and not pod.ending]
    return sorted(found, key=lambda pod: [part.zfill(9) for part in re.findall(r"\d+|\D+", pod.name)])


def _is_first(pid: int) -> bool:
    """Whether it is the first process of a container."""
    told = re.search(rb"^NSpid:.*\t(\d+)$", _read(pid, "status"), re.MULTILINE)
    return bool(told and told[1] == b"1") and _FROM_KUBELET in _read(pid, "environ")


def _read(pid: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""
