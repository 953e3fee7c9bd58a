"""The API server of a cluster: manifests are applied, conditions waited for, and whoever refuses is quoted.

This module, ``asking`` and ``connection`` beside it are the only ones that import ``kubernetes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import kubernetes
from kubernetes.dynamic import DynamicClient

from harness.clock import MONOTONIC
from harness.errors import BadInput, NotExpressible, StackError
from harness.stack.kubernetes import guest as guests
from harness.stack.kubernetes.asking import ABSENT, Asking
from harness.stack.kubernetes.asking import CALL_S as _CALL_S
from harness.stack.kubernetes.connection import FAILURES as _FAILURES
from harness.stack.kubernetes.connection import Access, Refused, connected, exec_stream
from harness.stack.kubernetes.lines import Channel, output_of
from harness.stack.kubernetes.owned import OURS, Manifest
from harness.stack.kubernetes.pods_seen import Choice, PodSeen, seen
from harness.stack.last_words import last_words
from harness.waiting import NotYet, wait_for

_FIELD_MANAGER = "edge-harness"
_STRATEGIC, _MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"
_DELETED_S = 60.0
_COMPLAINT = 200
"""So many lines of a log surely hold the last complaint, with the calls that led to it."""

_CRASHED = "CrashLoopBackOff"
_NEVER = ("exceeded quota", "failed quota", "violates PodSecurity", "denied the request", "is forbidden")


class Api(Asking):
    """One namespace of one cluster.

    Args:
        guest: the run that is a guest in a namespace of somebody else; empty: the namespace is ours.
        owner: the reference to what owns all that is applied: it goes with that; empty: nothing does.
    """

    def __init__(
        self, access: Access, namespace: str, *, guest: str = "", owner: Manifest | None = None
    ) -> None:
        self.access, self._guest, self._owner = access, guest, owner
        self._applied: set[tuple[str, str]] = set()
        client = connected(access)
        super().__init__(DynamicClient(client), namespace)  # type: ignore[no-untyped-call]
        self._core = kubernetes.client.CoreV1Api(client)
        self._heard = {each.metadata.uid: each.count or 1 for each in self._warnings()}

    def open(self) -> None:
        """Make the namespace, marked as ours; a guest only finds it there.

        Raises:
            BadInput: there is one that is not ours; for a guest: there is none.
            StackError: the API server refuses.
        """
        if self._guest:
            self.namespace_labels()
            return
        found = [each for each in self._namespaces() if each.metadata.name == self.namespace]
        if found and not (OURS.items() <= (found[0].metadata.labels or {}).items()):
            raise BadInput(f"namespace {self.namespace} is not ours", fix="name another in the stack")
        labels = {"metadata": {"name": self.namespace, "labels": OURS}}
        self.apply([{"apiVersion": "v1", "kind": "Namespace", **labels}])

    def apply(self, manifests: Iterable[Manifest]) -> None:
        """Apply each by server-side apply.

        Raises:
            StackError: one is refused; carries the API server's words.
        """
        for each in manifests:
            manifest = guests.taking(self, each, self._guest) if self._guest else each
            if self._owner:
                manifest["metadata"]["ownerReferences"] = [self._owner]
            self._put(manifest)
            self._applied.add((manifest["apiVersion"], manifest["kind"]))

    def check(self, manifest: Manifest) -> None:
        """Have the API server judge *manifest* and keep nothing: a server-side dry run.

        Raises:
            StackError: it is refused; carries the API server's words.
        """
        self._put(manifest, dry_run="All")

    def _put(self, manifest: Manifest, **how: str) -> None:
        resource = self._resource((manifest["apiVersion"], manifest["kind"]))
        try:
            self._dynamic.server_side_apply(
                resource,
                body=manifest,
                namespace=self.namespace if resource.namespaced else None,
                field_manager=_FIELD_MANAGER,
                force_conflicts=True,
                **how,
            )
        except _FAILURES as error:
            name = f"{manifest['kind']} {manifest['metadata']['name']}"
            raise Refused(f"the API server refused {name}", error) from error

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create one resource, and give it as the API server has it; a dry run only asks whether it may be.

        Raises:
            StackError: it is refused; carries the API server's words.
        """
        options = {"dry_run": "All"} if dry_run else {}
        return self._ask(manifest["apiVersion"], manifest["kind"], "create", body=manifest, **options)

    def owner_of(self, pod: str) -> Manifest:
        """The reference to what owns *pod*, for what is to go with it.

        Raises:
            StackError: there is no such pod, or nothing owns it.
        """
        known = (each["metadata"] for each in self.pod_manifests())
        owners = [owner for own in known if own["name"] == pod for owner in own.get("ownerReferences") or []]
        if owners:
            return {key: owners[0][key] for key in ("apiVersion", "kind", "name", "uid")}
        raise StackError(f"nothing in namespace {self.namespace} owns pod {pod}")

    def output(self, pod: str, argv: Sequence[str], *, seconds: float) -> Iterator[bytes]:
        """What *argv* puts out in *pod*, piece by piece.

        Raises:
            StackError: it failed, or nothing came for *seconds*.
        """
        return output_of(self.exec(pod, argv, binary=True), f"{argv[0]} in pod {pod}", seconds)

    def exec(self, pod: str, argv: Sequence[str], *, binary: bool = False) -> Channel:
        """A command in *pod*; see ``harness.stack.kubernetes.connection.exec_stream``."""
        return exec_stream(self.access, self.namespace, pod, argv, binary=binary)

    def patch(self, version: str, kind: str, name: str, change: Manifest) -> None:
        """Change one resource by a strategic merge; null takes a key away."""
        self._ask(version, kind, "patch", name=name, body=change, content_type=_STRATEGIC)

    def resize(self, pod: str, change: Manifest) -> None:
        """Change what *pod* has, in place.

        Raises:
            NotExpressible: the cluster cannot; it is older than Kubernetes 1.33.
            StackError: it refuses; carries its words.
        """
        parts: Any = self._resource(("v1", "Pod")).subresources
        if "resize" not in parts:
            why = "its API server knows no resize of a pod"
            raise NotExpressible(
                "not expressible in this cluster", why=why, fix="use Kubernetes 1.33 or newer"
            )
        told = {"name": pod, "namespace": self.namespace, "body": change, "content_type": _STRATEGIC}
        try:
            parts["resize"].patch(**told, _request_timeout=_CALL_S)
        except _FAILURES as error:
            raise Refused(f"pod {pod} was not resized", error) from error

    def delete(self, version: str, kind: str, name: str, *, grace_seconds: int | None = None) -> None:
        """Delete one resource and what it owns; none there is fine."""
        options: Manifest = {"kind": "DeleteOptions", "propagationPolicy": "Background"}
        options |= {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        try:
            self._ask(version, kind, "delete", name=name, body=options)
        except Refused as error:
            if error.status != ABSENT:
                raise

    def change(self, version: str, kind: str, name: str, change: Manifest) -> None:
        """Change one custom resource by a merge, which is all that its kind takes; null takes a key away."""
        self._ask(version, kind, "patch", name=name, body=change, content_type=_MERGE)

    def let_go(self, version: str, kind: str, name: str) -> None:
        """Take the finalizers from one resource, so that its deletion ends; none there is fine."""
        self._merge(version, kind, name, {"metadata": {"finalizers": None}})

    def touch(self, version: str, kind: str, name: str) -> None:
        """Change one resource in a way that means nothing, so that who watches looks again; none is fine."""
        mark = {"edge-harness/touched": str(MONOTONIC.now())}
        self._merge(version, kind, name, {"metadata": {"annotations": mark}})

    def _merge(self, version: str, kind: str, name: str, change: Manifest) -> None:
        try:
            self._ask(version, kind, "patch", name=name, body=change, content_type=_MERGE)
        except Refused as error:
            if error.status != ABSENT:
                raise

    def evict(self, pod: str) -> None:
        """Ask for the eviction of *pod*.

        Raises:
            Refused: 429 when a disruption budget forbids it.
        """
        body: Any = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        try:
            self._core.create_namespaced_pod_eviction(pod, self.namespace, body, _request_timeout=_CALL_S)
        except _FAILURES as error:
            raise Refused(f"pod {pod} was not evicted", error) from error

    def service_address(self, name: str, namespace: str) -> str:
        """The address that the cluster gave service *name* of *namespace*.

        Raises:
            StackError: there is none.
        """
        try:
            found: Any = self._core.read_namespaced_service(name, namespace, _request_timeout=_CALL_S)
        except _FAILURES as error:
            raise Refused(f"the cluster has no service {name}", error) from error
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
            raise Refused("the API server did not list the pods", error) from error
        return {pod.metadata.name: seen(pod) for pod in found.items}

    def wait_ready(
        self, names: Iterable[str], seconds: float, choose: Choice = lambda pods: pods
    ) -> dict[str, PodSeen]:
        """The pods *names* once all of them are ready; *choose* tells which pod has which of the names.

        Raises:
            StackError: not within *seconds*; carries what the cluster says of those that are not.
        """
        wanted = tuple(names)

        def observe() -> dict[str, PodSeen]:
            found = choose(self.pods())
            missing = [name for name in wanted if name not in found or not found[name].ready]
            for pod in (found[name] for name in missing if name in found and found[name].hopeless):
                raise self._cannot_start(pod)
            if missing:
                said = {name: found[name].said if name in found else self._refused(name) for name in missing}
                raise NotYet("; ".join(f"{name}: {why}" for name, why in said.items()))
            return {name: found[name] for name in wanted}

        return wait_for(
            observe,
            what="pods to be ready",
            seconds=seconds,
            every=0.25,
            fix="see logs/events.txt of the run",
        )

    def _refused(self, pod: str) -> str:
        """Why there is no *pod*, in the words of whoever should make it.

        Raises:
            StackError: it will not be made by waiting.
        """
        said = self.complaint(pod.rpartition("-")[0])
        if any(word in said for word in _NEVER):
            raise StackError(f"pod {pod} may not be made", why=said)
        return said or "no pod"

    def complaint(self, name: str) -> str:
        """The last thing that the cluster had to say against the object *name* since we looked first.

        Empty: nothing. Events outlive what they tell of, and an object of that name may be a later one.
        """
        found = [each for each in self._warnings() if each.involved_object.name == name]
        new = [each for each in found if self._heard.get(each.metadata.uid, 0) < (each.count or 1)]
        return str(new[-1].message) if new else ""

    def _warnings(self) -> list[Any]:
        try:
            return list(
                self._core.list_namespaced_event(
                    self.namespace, field_selector="type=Warning", _request_timeout=_CALL_S
                ).items
            )
        except _FAILURES:
            return []

    def _cannot_start(self, pod: PodSeen) -> StackError:
        last = last_words(self.log(pod.name, _COMPLAINT, pod.hopeless), 3)
        why = f"{pod.said}{f'; its last words: {last}' if last else ''}"
        crashed = _CRASHED in pod.said
        fix = f"see logs/{pod.name}.log of the run" if crashed else "--set images.NAME=… names another image"
        return StackError(f"pod {pod.name} cannot start", why=why, fix=fix)

    def log(self, pod: str, lines: int | None = None, container: str | None = None) -> str:
        """The log of *pod*, or of its *container*, whole or its end; empty when it cannot be had."""
        try:
            told = self._core.read_namespaced_pod_log(
                pod, self.namespace, tail_lines=lines, container=container, _request_timeout=_CALL_S
            )
        except _FAILURES:
            return ""
        return str(told or "")

    def tail(self, pod: str, lines: int, container: str | None = None) -> str:
        """The end of the log of *pod* on one line, for an error."""
        return " | ".join(self.log(pod, lines, container).splitlines())

    def last_log(self, pod: str, seconds: float) -> Iterator[str]:
        """The log of *pod*, from its first line to the last of its container, one chunk at a time.

        Once the first chunk is there, the rest comes even when the pod is deleted meanwhile.

        Raises:
            StackError: the API server refuses, or nothing came for *seconds*.
        """
        try:
            told: Any = self._core.read_namespaced_pod_log(
                pod, self.namespace, follow=True, _preload_content=False, _request_timeout=seconds
            )
            for chunk in told.stream():
                yield chunk.decode(errors="replace")
        except _FAILURES as error:
            raise Refused(f"the log of {pod} could not be followed", error) from error

    def events(self) -> Iterator[str]:
        """What the cluster reports of the namespace, oldest first, one line each."""
        try:
            found = self._core.list_namespaced_event(self.namespace, _request_timeout=_CALL_S).items
        except _FAILURES:
            return
        for event in sorted(found, key=lambda each: str(each.last_timestamp or each.event_time)):
            yield f"{event.last_timestamp} {event.involved_object.name} {event.reason}: {event.message}"

    def close(self) -> None:
        """Delete the namespace and wait until nothing of it is left; a guest deletes only what it applied.

        Raises:
            StackError: it is still there.
        """
        if self._guest:
            guests.sweep(self, sorted(self._applied), self._guest)
            return
        try:
            self._core.delete_namespace(self.namespace, _request_timeout=_CALL_S)
        except _FAILURES as error:
            refused = Refused("the namespace could not be deleted", error)
            if refused.status != ABSENT:
                raise refused from error
        wait_for(self._gone, what=f"namespace {self.namespace} to go", seconds=_DELETED_S, every=0.25)

    def _gone(self) -> None:
        if any(each.metadata.name == self.namespace for each in self._namespaces()):
            raise NotYet("it is terminating")

    def _namespaces(self) -> list[Any]:
        try:
            return list(self._core.list_namespace(_request_timeout=_CALL_S).items)
        except _FAILURES as error:
            raise Refused("the API server does not answer", error) from error
