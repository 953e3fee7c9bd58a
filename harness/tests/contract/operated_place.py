"""A Kafka of Strimzi's on a real API server, and a stand-in for the operator that would look after it.

The stand-in is no operator: it does nothing but write into the resource's status the condition that Strimzi
writes, ``ReconciliationPaused`` while the annotation is there and ``Ready`` otherwise. What the harness asks
of the API server, and what it believes, is real.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping

from harness.stack.kind.machines import kubectl_of
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.orchestra import KubernetesOrchestrator
from harness.stack.kubernetes.owned import Manifest
from harness.stack.kubernetes.reconciliation import KAFKAS, PAUSE

CLUSTER, NAMESPACE = "edge-harness", "edge-operated"
KAFKA, POD = "edge-kafka", "edge-kafka-dual-0"
VERSION = "kafka.strimzi.io/v1"
_LOOKS_S = 0.2


def told(*words: str) -> str:
    """What ``kubectl`` of the cluster's control plane prints."""
    argv = [*kubectl_of(CLUSTER), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def a_broker() -> Manifest:
    """A pod that carries the labels of a broker of Strimzi's; no machine ever has to run it."""
    labels = {"strimzi.io/cluster": KAFKA, "strimzi.io/kind": "Kafka"}
    container = {"name": "kafka", "image": "debian:bookworm-slim", "command": ["sleep", "infinity"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "labels": labels},
        "spec": {"containers": [container]},
    }


def orchestrator(api: Api) -> KubernetesOrchestrator:
    """Over the namespace of *api*."""
    return KubernetesOrchestrator(api, cluster=CLUSTER)


def annotated(api: Api) -> Mapping[str, str]:
    """What is annotated on the Kafka."""
    found = api.find(VERSION, "Kafka", KAFKA)
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


@contextlib.contextmanager
def stand_in(api: Api) -> Iterator[None]:
    """Somebody who says of the Kafka what its operator would say, while the block runs."""
    ending = threading.Event()

    def speak() -> None:
        said = ""
        while not ending.wait(_LOOKS_S):
            kind = "ReconciliationPaused" if annotated(api).get(PAUSE) == "true" else "Ready"
            if kind != said:
                _say(kind)
                said = kind

    speaking = threading.Thread(target=speak, daemon=True)
    speaking.start()
    try:
        yield
    finally:
        ending.set()
        speaking.join()


def _say(kind: str) -> None:
    change = {"status": {"conditions": [{"type": kind, "status": "True"}]}}
    told(
        *("--namespace", NAMESPACE, "patch", KAFKAS, KAFKA, "--subresource=status"),
        *("--type=merge", "--patch", json.dumps(change)),
    )
