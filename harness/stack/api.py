"""The API server of a cluster: manifests are applied, conditions waited for, and whoever refuses is quoted.

The one module that imports ``kubernetes``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes
import urllib3
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from harness.errors import BadInput, StackError
from harness.waiting import NotYet, wait_for

Manifest: TypeAlias = dict[str, Any]
"""One resource as its file has it; the API server knows its shape."""

_FIELD_MANAGER = "edge-harness"
_OWNER = {"app.kubernetes.io/managed-by": "edge-harness"}
_CALL_S = 10.0
_DELETED_S = 60.0
_HOPELESS = frozenset(
    {
        *("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff"),
        *("CreateContainerConfigError", "CrashLoopBackOff"),
    }
)
_FAILURES = (ApiException, urllib3.exceptions.HTTPError)


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod as the API server tells of it."""

    name: str
    address: str
    node: str
    ready: bool
    restarts: int
    said: str
    """Why it is not ready, in the cluster's words."""
    hopeless: bool = False
    """Whether it will not become ready by waiting: no such image, no such key, one crash after another."""


class Api:
    """One namespace of one cluster."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.namespace = namespace
        client = kubernetes.config.new_client_from_config_dict(yaml.safe_load(kubeconfig))  # type: ignore[no-untyped-call]
        self._core = kubernetes.client.CoreV1Api(client)
        self._dynamic = DynamicClient(client)  # type: ignore[no-untyped-call]

    def open(self) -> None:
        """Make the namespace, marked as ours.

        Raises:
            BadInput: there is one that is not ours.
            StackError: the API server refuses.
        """
        found = [each for each in self._namespaces() if each.metadata.name == self.namespace]
        if found and not (_OWNER.items() <= (found[0].metadata.labels or {}).items()):
            raise BadInput(f"namespace {self.namespace} is not ours", fix="name another in the stack")
        labels = {"metadata": {"name": self.namespace, "labels": _OWNER}}
        self.apply([{"apiVersion": "v1", "kind": "Namespace", **labels}])

    def apply(self, manifests: Iterable[Manifest]) -> None:
        """Apply each by server-side apply.

        Raises:
            StackError: one is refused; carries the API server's words.
        """
        for manifest in manifests:
            name = f"{manifest['kind']} {manifest['metadata']['name']}"
            try:
                resource = self._dynamic.resources.get(
                    api_version=manifest["apiVersion"], kind=manifest["kind"]
                )
                self._dynamic.server_side_apply(  # type: ignore[no-untyped-call]
                    resource,
                    body=manifest,
                    namespace=self.namespace if resource.namespaced else None,
                    field_manager=_FIELD_MANAGER,
                    force_conflicts=True,
                )
            except ResourceNotFoundError as error:
                raise StackError(f"the cluster knows no {manifest['kind']}", why=str(error)) from error
            except _FAILURES as error:
                raise StackError(f"the API server refused {name}", why=_words(error)) from error

    def service_address(self, name: str) -> str:
        """The address that the cluster gave service *name*.

        Raises:
            StackError: there is none.
        """
        try:
            found: Any = self._core.read_namespaced_service(name, self.namespace)
        except _FAILURES as error:
            raise StackError(f"the cluster has no service {name}", why=_words(error)) from error
        return str(found.spec.cluster_ip)

    def config_map(self, name: str, files: Mapping[str, str]) -> None:
        """Apply a ConfigMap of *files*."""
        metadata = {"name": name}
        self.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(files)}])

    def pods(self) -> dict[str, PodSeen]:
        """Every pod of the namespace, by name.

        Raises:
            StackError: the API server does not answer.
        """
        try:
            found: Any = self._core.list_namespaced_pod(self.namespace, _request_timeout=_CALL_S)
        except _FAILURES as error:
            raise StackError("the API server did not list the pods", why=_words(error)) from error
        return {pod.metadata.name: _seen(pod) for pod in found.items}

    def wait_ready(self, names: Iterable[str], seconds: float) -> dict[str, PodSeen]:
        """The pods *names* once all of them are ready.

        Raises:
            StackError: not within *seconds*; carries what the cluster says of those that are not.
        """
        wanted = tuple(names)

        def observe() -> dict[str, PodSeen]:
            found = self.pods()
            missing = [name for name in wanted if name not in found or not found[name].ready]
            for pod in (found[name] for name in missing if name in found and found[name].hopeless):
                raise self._cannot_start(pod)
            if missing:
                said = {name: found[name].said if name in found else "no pod" for name in missing}
                raise NotYet("; ".join(f"{name}: {why}" for name, why in said.items()))
            return {name: found[name] for name in wanted}

        return wait_for(observe, what="pods to be ready", seconds=seconds, every=0.25, fix="see its events")

    def _cannot_start(self, pod: PodSeen) -> StackError:
        last = " | ".join(self.log(pod.name, 3).splitlines())
        why = f"{pod.said}{f'; its last words: {last}' if last else ''}"
        return StackError(
            f"pod {pod.name} cannot start", why=why, fix="--set images.NAME=… names another image"
        )

    def log(self, pod: str, lines: int | None = None) -> str:
        """The log of *pod*, whole or its end; empty when it cannot be had."""
        try:
            told = self._core.read_namespaced_pod_log(
                pod, self.namespace, tail_lines=lines, _request_timeout=_CALL_S
            )
        except _FAILURES:
            return ""
        return str(told or "")

    def events(self) -> Iterator[str]:
        """What the cluster reports of the namespace, oldest first, one line each."""
        try:
            found = self._core.list_namespaced_event(self.namespace, _request_timeout=_CALL_S).items
        except _FAILURES:
            return
        for event in sorted(found, key=lambda each: str(each.last_timestamp or each.event_time)):
            yield f"{event.last_timestamp} {event.involved_object.name} {event.reason}: {event.message}"

    def close(self) -> None:
        """Delete the namespace and wait until nothing of it is left.

        Raises:
            StackError: it is still there.
        """
        try:
            self._core.delete_namespace(self.namespace, _request_timeout=_CALL_S)
        except ApiException as error:
            if error.status != 404:
                raise StackError("the namespace could not be deleted", why=_words(error)) from error
        wait_for(self._gone, what=f"namespace {self.namespace} to go", seconds=_DELETED_S, every=0.25)

    def _gone(self) -> None:
        if any(each.metadata.name == self.namespace for each in self._namespaces()):
            raise NotYet("it is terminating")

    def _namespaces(self) -> list[Any]:
        try:
            return list(self._core.list_namespace(_request_timeout=_CALL_S).items)
        except _FAILURES as error:
            raise StackError("the API server does not answer", why=_words(error)) from error


def read_manifests(path: Path) -> list[Manifest]:
    """The resources in one file.

    Raises:
        BadInput: it is not YAML, or holds something else.
    """
    try:
        found = [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path} cannot be read", why=str(error)) from error
    for each in found:
        if not isinstance(each, dict) or not {"apiVersion", "kind", "metadata"} <= each.keys():
            raise BadInput(f"{path} holds something that is no resource")
    return found


def _seen(pod: Any) -> PodSeen:
    status = pod.status
    statuses = [*(status.init_container_statuses or []), *(status.container_statuses or [])]
    ready = any(each.type == "Ready" and each.status == "True" for each in status.conditions or [])
    return PodSeen(
        name=pod.metadata.name,
        address=status.pod_ip or "",
        node=pod.spec.node_name or "",
        ready=ready,
        restarts=sum(each.restart_count for each in statuses),
        said=_why(status, statuses),
        hopeless=bool(_HOPELESS & {each.state.waiting.reason for each in statuses if _waits(each)}),
    )


def _why(status: Any, statuses: list[Any]) -> str:
    waiting = [each.state.waiting for each in statuses if _waits(each)]
    told = [f"{each.reason}{f' ({each.message})' if each.message else ''}" for each in waiting]
    told += [each.message for each in status.conditions or [] if each.status == "False" and each.message]
    return "; ".join(told[:3]) or str(status.phase)


def _waits(container: Any) -> bool:
    return bool(container.state and container.state.waiting)


def _words(error: Exception) -> str:
    if isinstance(error, ApiException) and error.body:
        try:
            return str(json.loads(error.body).get("message", error.reason))
        except ValueError:
            return str(error.reason)
    return str(error)
