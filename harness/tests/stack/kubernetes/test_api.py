"""What the API server tells is read from its own objects, and its refusals are quoted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from harness.errors import BadInput, StackError
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.manifests import read_manifests


class Core:
    """Stands in for the core API: answers with what a test gives it, or raises it."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __getattr__(self, _name: str) -> Any:
        def call(*_: object, **__: object) -> object:
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        return call


def api(answer: object) -> Api:
    """An API of which every call has the same answer."""
    made = object.__new__(Api)
    made.namespace, made._guest, made._heard = "edge-harness", "", {}
    made._core = Core(answer)  # type: ignore[assignment]
    return made


def a_pod(*, ready: bool, waiting: str = "") -> client.V1Pod:
    """A pod with one container, as the client gives it."""
    state = client.V1ContainerState()
    if waiting:
        state.waiting = client.V1ContainerStateWaiting(reason=waiting, message="no such image")
    condition = client.V1PodCondition(type="Ready", status="True" if ready else "False")
    container = client.V1ContainerStatus(
        name="kafka", ready=ready, restart_count=2, image="i", image_id="", state=state
    )
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name="edge-kafka-0"),
        spec=client.V1PodSpec(containers=[], node_name="worker2"),
        status=client.V1PodStatus(
            phase="Running", pod_ip="10.244.1.7", conditions=[condition], container_statuses=[container]
        ),
    )


def listed(*pods: client.V1Pod) -> SimpleNamespace:
    """The answer to a listing."""
    return SimpleNamespace(items=list(pods))


def test_a_pod_is_what_its_conditions_say() -> None:
    """Address, node, readiness and restarts come from the pod's status."""
    (seen,) = api(listed(a_pod(ready=True))).pods().values()

    assert (seen.name, seen.address, seen.node) == ("edge-kafka-0", "10.244.1.7", "worker2")
    assert seen.ready
    assert seen.restarts == 2


def test_a_pod_that_does_not_come_up_says_why() -> None:
    """The error of a wait that ends in vain names the pod and carries the cluster's reason."""
    with pytest.raises(StackError, match=r"edge-kafka-0: PodInitializing \(no such image\)"):
        api(listed(a_pod(ready=False, waiting="PodInitializing"))).wait_ready(["edge-kafka-0"], 0.01)


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("ErrImageNeverPull", r"images\.NAME"),
        ("ImagePullBackOff", r"images\.NAME"),
        ("CrashLoopBackOff", r"logs/edge-kafka-0\.log"),
    ],
)
def test_nobody_waits_for_a_pod_that_cannot_start(reason: str, fix: str) -> None:
    """An image that is nowhere, or a crash after every start, ends the wait at once, with the fix."""
    with pytest.raises(StackError, match=rf"pod edge-kafka-0 cannot start.*{fix}"):
        api(listed(a_pod(ready=False, waiting=reason))).wait_ready(["edge-kafka-0"], 3_600)


def test_a_pod_without_hope_names_the_container_that_cannot_start() -> None:
    """Its last words are those of that container; one that only waits has no such name."""
    stuck, waits = (a_pod(ready=False, waiting=reason) for reason in ("CrashLoopBackOff", "PodInitializing"))

    assert [pod.hopeless for pod in api(listed(stuck)).pods().values()] == ["kafka"]
    assert [pod.hopeless for pod in api(listed(waits)).pods().values()] == [""]


def test_a_log_is_followed_chunk_by_chunk() -> None:
    """What comes later is there as well, and bytes that are no text do no harm."""
    followed = SimpleNamespace(stream=lambda: iter([b"it starts\n", b"it ends \xff\n"]))

    assert list(api(followed).last_log("edge-vector-0", 1)) == ["it starts\n", "it ends \ufffd\n"]


def test_a_log_that_cannot_be_followed_is_an_error() -> None:
    """The API server's words say why."""
    refusal = ApiException(status=400, reason="Bad Request")
    refusal.body = json.dumps({"message": "container is waiting to start"})

    with pytest.raises(
        StackError, match="edge-vector-0 could not be followed: container is waiting to start"
    ):
        list(api(refusal).last_log("edge-vector-0", 1))


def test_a_pod_that_is_not_there_is_named() -> None:
    """No pod is not ready either."""
    with pytest.raises(StackError, match="edge-kafka-1: no pod"):
        api(listed()).wait_ready(["edge-kafka-1"], 0.01)


def test_a_refusal_is_quoted() -> None:
    """The API server's own message stands in the error, not the client's dump of headers."""
    refusal = ApiException(status=403, reason="Forbidden")
    refusal.body = json.dumps({"message": "pods is forbidden: quota exceeded"})

    with pytest.raises(StackError, match="pods is forbidden: quota exceeded"):
        api(refusal).pods()


def test_a_namespace_of_somebody_else_is_left_alone() -> None:
    """A namespace without our label is never applied to, hence never deleted."""
    strange = SimpleNamespace(metadata=SimpleNamespace(name="edge-harness", labels={"team": "payments"}))

    with pytest.raises(BadInput, match="namespace edge-harness is not ours"):
        api(SimpleNamespace(items=[strange])).open()


@pytest.mark.parametrize("text", ["a: [", "- just\n- a list", "kind: Pod"])
def test_a_manifest_that_is_none_is_bad_input(tmp_path: Path, text: str) -> None:
    """A file that is not YAML, or holds no resource, is told by its name."""
    (tmp_path / "x.yaml").write_text(text)

    with pytest.raises(BadInput, match=r"x\.yaml"):
        read_manifests(tmp_path / "x.yaml")


def a_warning(uid: str, message: str, count: int = 1) -> SimpleNamespace:
    """An event against a StatefulSet, as the client gives it."""
    return SimpleNamespace(
        involved_object=SimpleNamespace(name="edge-kafka"),
        metadata=SimpleNamespace(uid=uid),
        message=message,
        count=count,
    )


def test_only_what_is_new_is_a_complaint() -> None:
    """Events outlive what they tell of: those that were there before are nobody's, unless they come again."""
    told = api(SimpleNamespace(items=[a_warning("e1", "exceeded quota: old")]))
    told._heard = {"e1": 1}

    assert told.complaint("edge-kafka") == ""
    told._core = Core(SimpleNamespace(items=[a_warning("e1", "exceeded quota: again", count=2)]))  # type: ignore[assignment]
    assert told.complaint("edge-kafka") == "exceeded quota: again"
    assert told.complaint("edge-s3") == ""


@pytest.mark.parametrize(
    "words",
    [
        "exceeded quota: full",
        "failed quota: full: must specify limits.cpu",
        'violates PodSecurity "restricted:latest"',
    ],
)
def test_a_pod_that_nobody_may_make_is_not_waited_for(words: str) -> None:
    """Whoever should make it was refused, and says by what."""

    class Refused(Core):
        """No pods, one warning."""

        def list_namespaced_pod(self, *_: object, **__: object) -> SimpleNamespace:
            """None."""
            return SimpleNamespace(items=[])

    refused = api(None)
    refused._core = Refused(SimpleNamespace(items=[a_warning("e1", words)]))  # type: ignore[assignment]
    with pytest.raises(StackError, match="pod edge-kafka-0 may not be made") as error:
        refused.wait_ready(["edge-kafka-0"], 30)
    assert words in error.value.why
