"""A cluster's API over dicts: resources by kind and name, changed by the rules of a strategic merge."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from kubernetes.client.exceptions import ApiException

from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.connection import Refused
from harness.stack.kubernetes.owned import Manifest


def refused(status: int, words: str) -> Refused:
    """What the API server says no with."""
    return Refused("it was not done", ApiException(status=status, reason=words))


class FakeApi(Api):
    """See ``harness.stack.kubernetes.api.Api``. ``on_evict`` is raised by every eviction."""

    def __init__(self, *resources: Manifest) -> None:
        self.namespace = "edge"
        self.held = {(each["kind"], each["metadata"]["name"]): copy.deepcopy(each) for each in resources}
        self.told: list[str] = []
        self.on_evict: Exception | None = None
        self.known: set[tuple[str, str]] = set()

    def knows(self, kind: tuple[str, str]) -> bool:
        """As set: an apiVersion and a kind."""
        return kind in self.known

    def change(self, version: str, kind: str, name: str, change: Manifest) -> None:
        """As a patch, of a kind that the cluster knows."""
        assert self.knows((version, kind))
        self.patch(version, kind, name, change)

    def touch(self, version: str, kind: str, name: str) -> None:
        """Told, and nothing changed."""
        assert self.knows((version, kind))
        self.told.append(f"touch {kind} {name}")

    def apply(self, manifests: Iterable[Manifest]) -> None:
        """Each is there, as it is given."""
        for each in manifests:
            self.told.append(f"apply {each['kind']} {each['metadata']['name']}")
            self.held[each["kind"], each["metadata"]["name"]] = copy.deepcopy(each)

    def find(self, version: str, kind: str, name: str) -> Manifest | None:
        """A copy of it."""
        assert version
        return copy.deepcopy(self.held.get((kind, name)))

    def every(self, version: str, kind: str, label: str = "") -> list[Manifest]:
        """Copies of all of that kind."""
        assert version
        key, _, value = label.partition("=")
        found = [each for (held, _), each in self.held.items() if held == kind]
        return [
            copy.deepcopy(each) for each in found if not key or each["metadata"]["labels"].get(key) == value
        ]

    def patch(self, version: str, kind: str, name: str, change: Manifest) -> None:
        """Merge it in; one that is not there is refused."""
        assert version
        self.told.append(f"patch {kind} {name}")
        if (kind, name) not in self.held:
            raise refused(404, "NotFound")
        _merge(self.held[kind, name], change)

    def resize(self, pod: str, change: Manifest) -> None:
        """As a patch; the kubelet applies it when the test says so."""
        self.patch("v1", "Pod", pod, change)
        self.told[-1] = f"resize {pod}"

    def delete(self, version: str, kind: str, name: str, *, grace_seconds: int | None = None) -> None:
        """Gone at once; nobody makes another one."""
        assert version
        self.told.append(f"delete {kind} {name} {grace_seconds}")
        self.held.pop((kind, name), None)

    def evict(self, pod: str) -> None:
        """As a deletion, unless it is refused."""
        if self.on_evict:
            raise self.on_evict
        self.delete("v1", "Pod", pod)


def _merge(old: dict[str, Any], change: dict[str, Any]) -> None:
    """A null takes a key away; lists of containers are merged by name."""
    for key, value in change.items():
        if value is None:
            old.pop(key, None)
        elif isinstance(value, dict):
            _merge(old.setdefault(key, {}), value)
        elif key == "containers":
            for each in value:
                _merge(next(one for one in old[key] if one["name"] == each["name"]), each)
        else:
            old[key] = value


def a_pod(
    name: str, *, uid: str = "u1", ready: bool = True, owner: str = "edge-kafka", kind: str = "StatefulSet"
) -> Manifest:
    """A pod of a controller, on a machine, with one claim."""
    owners = [{"kind": kind, "name": owner, "controller": True}] if owner else []
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": uid, "labels": {"app": owner}, "ownerReferences": owners},
        "spec": {"nodeName": "worker-1", "volumes": [{"name": "config", "configMap": {}}, claim]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "kafka", "state": {"running": {}}, "lastState": {}}],
        },
    }


def a_set(name: str = "edge-kafka") -> Manifest:
    """A StatefulSet of two containers, each with an image of its own."""
    containers = [{"name": "kafka", "image": "kafka:1"}, {"name": "agent", "image": "agent:2"}]
    template = {"metadata": {}, "spec": {"containers": containers}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {"template": template, "updateStrategy": strategy},
    }


def a_service(name: str, selector: dict[str, str] | None) -> Manifest:
    """A Service that leads to the pods with those labels."""
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"selector": selector}}


def a_slice(service: str, endpoints: int) -> Manifest:
    """The endpoints of a Service, or some of them."""
    labels = {"kubernetes.io/service-name": service}
    name = f"{service}-{endpoints}"
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": labels},
        "endpoints": [{}] * endpoints or None,
    }
