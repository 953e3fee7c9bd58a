"""One resource is found, changed, deleted or evicted; each no of the API server is told with its number."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import ResourceNotFoundError, api_exception

from harness.errors import StackError
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.connection import Refused

POD = {"kind": "Pod", "metadata": {"name": "edge-kafka-0"}}


class Answer:
    """What the dynamic client gives back."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return self._content


class Dynamic:
    """Stands in for the dynamic client: notes each call, and answers or raises as the test says."""

    def __init__(self, answer: object, *, namespaced: bool = True) -> None:
        self.answer, self.namespaced = answer, namespaced
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.resources = self

    def get(self, *, api_version: str, kind: str) -> SimpleNamespace:
        """The resource's own verbs; an unknown kind raises what the client raises."""
        if isinstance(self.answer, ResourceNotFoundError):
            raise self.answer
        verbs = {verb: self._verb(f"{verb} {api_version} {kind}") for verb in ("get", "patch", "delete")}
        return SimpleNamespace(namespaced=self.namespaced, **verbs)

    def _verb(self, words: str) -> Any:
        def call(**arguments: Any) -> object:
            self.told.append((words, arguments))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def no(status: int, words: str = "no") -> ApiException:
    """A refusal as the dynamic client raises it."""
    plain = ApiException(status=status, reason=words)
    plain.body = json.dumps({"message": words})
    plain.headers = {}
    raised: ApiException = api_exception(plain)  # type: ignore[no-untyped-call]
    return raised


def api(answer: object, *, namespaced: bool = True) -> tuple[Api, Dynamic]:
    """An API whose dynamic client has one answer to everything."""
    made = object.__new__(Api)
    made.namespace = "edge"
    dynamic = Dynamic(answer, namespaced=namespaced)
    made._dynamic = dynamic
    return made, dynamic


def test_a_resource_is_found_in_its_namespace() -> None:
    """As the API server has it, within a time; a machine is in no namespace."""
    found, dynamic = api(Answer(POD))
    assert found.find("v1", "Pod", "edge-kafka-0") == POD
    machines, cluster_wide = api(Answer({}), namespaced=False)
    machines.find("v1", "Node", "worker-1")

    ((words, arguments),) = dynamic.told
    assert (words, arguments["name"], arguments["namespace"]) == ("get v1 Pod", "edge-kafka-0", "edge")
    assert arguments["_request_timeout"] > 0
    assert cluster_wide.told[0][1]["namespace"] is None


def test_what_is_not_there_is_none_and_any_other_no_is_told() -> None:
    """404 is an answer; 403 is an error with its number and the API server's words."""
    assert api(no(404))[0].find("v1", "Pod", "x") is None

    with pytest.raises(Refused, match="the API server did not get Pod x: pods is forbidden") as raised:
        api(no(403, "pods is forbidden"))[0].find("v1", "Pod", "x")
    assert raised.value.status == 403


def test_an_api_server_that_does_not_answer_refuses_without_a_number() -> None:
    """A time that is up is no 404: nothing is concluded from it."""
    with pytest.raises(Refused, match="did not get Pod x") as raised:
        api(urllib3.exceptions.ReadTimeoutError(None, "", "timed out"))[0].find("v1", "Pod", "x")  # type: ignore[arg-type]

    assert raised.value.status == 0
    assert isinstance(raised.value, StackError)


def test_a_kind_that_the_cluster_does_not_know_is_an_error_in_words() -> None:
    """An old cluster may have no such kind: no traceback of the client."""
    with pytest.raises(StackError, match="the cluster knows no EndpointSlice of discovery"):
        api(ResourceNotFoundError("No matches found"))[0].every("discovery.k8s.io/v1", "EndpointSlice")


def test_every_resource_of_a_kind_is_listed() -> None:
    """The items, without the list around them."""
    listed, dynamic = api(Answer({"items": [POD]}))

    assert listed.every("v1", "Pod") == [POD]
    assert "name" not in dynamic.told[0][1]


def test_a_change_is_a_strategic_merge() -> None:
    """The one kind of patch that merges containers by name, and in which null takes a key away."""
    changed, dynamic = api(Answer(POD))
    change = {"spec": {"unschedulable": None}}
    changed.patch("v1", "Node", "worker-1", change)

    ((words, arguments),) = dynamic.told
    assert (words, arguments["body"]) == ("patch v1 Node", change)
    assert arguments["content_type"] == "application/strategic-merge-patch+json"


def test_a_deletion_of_what_is_gone_is_done() -> None:
    """404 is what was wanted; any other no is told."""
    api(no(404))[0].delete("v1", "Pod", "x")

    with pytest.raises(Refused, match="did not delete Pod x: busy"):
        api(no(409, "busy"))[0].delete("v1", "Pod", "x")


@pytest.mark.parametrize(("grace", "expected"), [(None, {}), (0, {"gracePeriodSeconds": 0})])
def test_a_grace_of_none_is_the_pods_own(grace: int | None, expected: dict[str, int]) -> None:
    """No grace given leaves the pod's own in force, zero means at once: they are not the same."""
    deleted, dynamic = api(Answer({}))
    deleted.delete("v1", "Pod", "x", grace_seconds=grace)

    assert dynamic.told[0][1]["body"] == {
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        **expected,
    }


def test_an_eviction_names_the_pod_and_tells_its_refusal() -> None:
    """429 with the budget's words when it is forbidden."""
    told: list[tuple[object, ...]] = []
    granted, refused = object.__new__(Api), object.__new__(Api)
    granted.namespace = refused.namespace = "edge"
    granted._core = evicting(lambda *given, **_: told.append(given))
    refused._core = evicting(_refuse)
    granted.evict("x")

    ((pod, namespace, body),) = told
    assert (pod, namespace) == ("x", "edge")
    assert body == {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x"}}
    with pytest.raises(Refused, match="pod x was not evicted: it would violate the budget") as raised:
        refused.evict("x")
    assert raised.value.status == 429


def evicting(call: Callable[..., None]) -> Any:
    """Stands in for the core API, of which only evictions are asked."""
    return SimpleNamespace(create_namespaced_pod_eviction=call)


def _refuse(*_: object, **__: object) -> None:
    raise no(429, "it would violate the budget")
