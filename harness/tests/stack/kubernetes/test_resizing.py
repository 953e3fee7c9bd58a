"""The limits of a pod: read, lowered, marked, and given back by whoever finds the mark."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.stack.kubernetes import resizing
from harness.stack.kubernetes.orchestra import KubernetesOrchestrator
from harness.tests.stack.clusters import FakeApi, a_pod

POD = "edge-kafka-0"
HAD = {"kafka": {"limits": "8", "requests": "100m"}}


def limited_pod() -> dict[str, Any]:
    """A pod with a limit for one of its containers, as the kubelet has applied it."""
    pod = a_pod(POD)
    resources = {"limits": {"cpu": "8", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "512Mi"}}
    pod["metadata"]["namespace"] = "edge"
    pod["spec"]["containers"] = [{"name": "kafka", "resources": resources}, {"name": "agent"}]
    pod["status"]["containerStatuses"] = [{"name": "kafka", "resources": resources}, {"name": "agent"}]
    return pod


def test_a_limit_is_read_from_both_sides() -> None:
    """What is asked for, as it is written; what is applied, in thousandths. Who has none is not named."""
    assert (HAD, {"kafka": 8_000}) == (resizing.asked(limited_pod()), resizing.given(limited_pod()))


def test_no_request_is_raised() -> None:
    """A request may not be more than its limit; one that is less stays."""
    assert {"kafka": {"limits": "50m", "requests": "50m"}} == resizing.lowered(HAD, 50)
    assert {"kafka": {"limits": "200m", "requests": "100m"}} == resizing.lowered(HAD, 200)


def test_a_pod_is_marked_limited_and_given_back() -> None:
    """The mark comes first and goes last, so that whoever finds the limit finds what it was."""
    api = FakeApi(limited_pod())
    orchestrator = KubernetesOrchestrator(api)

    orchestrator.limit(POD, 200)
    marked = api.held["Pod", POD]
    assert (HAD, True) == (resizing.marked(marked), orchestrator.is_limited(POD))
    assert {"kafka": {"limits": "200m", "requests": "100m"}} == resizing.asked(marked)
    orchestrator.unlimit(POD)
    orchestrator.unlimit(POD)

    assert ["patch Pod edge-kafka-0", "resize edge-kafka-0"] == api.told[:2]
    assert ["resize edge-kafka-0", "patch Pod edge-kafka-0"] == api.told[2:]
    assert (HAD, False) == (resizing.asked(api.held["Pod", POD]), orchestrator.is_limited(POD))


def test_why_it_is_not_applied_is_said() -> None:
    """In the kubelet's words; other conditions are none."""
    pod = limited_pod()
    pod["status"]["conditions"] += [
        {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "no room"},
        {"type": "PodResizeInProgress", "status": "False"},
    ]

    assert "PodResizePending Infeasible no room" == resizing.pending(pod)
    assert "" == resizing.pending(limited_pod())


KUBECTL = """\
import json, sys
words = sys.argv[1:]
with open({told!r}, "a") as file:
    print(json.dumps(words), file=file)
if "get" in words:
    print({pods!r})
elif {refuses!r}:
    sys.exit("no room")
"""


def kubectl(folder: Path, *pods: dict[str, Any], refuses: bool = False) -> tuple[str, ...]:
    """A program in kubectl's place that has *pods*, and writes down what it was asked."""
    program = folder / "kubectl.py"
    told = str(folder / "told")
    program.write_text(KUBECTL.format(told=told, pods=json.dumps({"items": pods}), refuses=refuses))
    return (sys.executable, "-S", str(program))


def test_whoever_finds_a_mark_gives_the_limits_back(tmp_path: Path) -> None:
    """By the cluster's own kubectl: the limits, then the mark."""
    pod = limited_pod()
    pod["metadata"] |= {"annotations": {resizing.MARK: json.dumps(HAD)}}

    assert [POD] == resizing.give_back(kubectl(tmp_path, pod))

    asked = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert ["get", "pods", "--all-namespaces", "-l", resizing.MARK, "-o", "json"] == asked[0]
    assert ["patch", "pod", POD, "--namespace", "edge", "--subresource", "resize", "--patch"] == asked[1][:-1]
    containers = json.loads(asked[1][-1])["spec"]["containers"]
    assert [
        {"name": "kafka", "resources": {"limits": {"cpu": "8"}, "requests": {"cpu": "100m"}}}
    ] == containers
    assert None is json.loads(asked[2][-1])["metadata"]["labels"][resizing.MARK]


def test_a_cluster_that_refuses_is_told(tmp_path: Path) -> None:
    """What could not be given back is not said to have been."""
    pod = limited_pod()
    pod["metadata"] |= {"annotations": {resizing.MARK: json.dumps(HAD)}}

    with pytest.raises(OSError, match="no room"):
        resizing.give_back(kubectl(tmp_path, pod, refuses=True))
