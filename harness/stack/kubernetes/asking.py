"""What an API server is asked, so that nothing changes but by a verb that says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubernetes.dynamic.exceptions import ResourceNotFoundError

from harness.errors import BadInput, StackError
from harness.stack.kubernetes import guest as guests
from harness.stack.kubernetes.connection import FAILURES, Refused
from harness.stack.kubernetes.owned import Manifest, Right

CALL_S = 10.0
ABSENT = 404


class UnknownKind(StackError):
    """The cluster has no definition of such resources."""


class Asking:
    """Questions about one namespace, over the cluster's *resources* as its client has discovered them."""

    def __init__(self, resources: Any, namespace: str) -> None:
        self.namespace, self._dynamic = namespace, resources

    def find(self, version: str, kind: str, name: str) -> Manifest | None:
        """The resource *name* as the API server has it; None: there is none.

        Raises:
            Refused: for any other reason.
        """
        try:
            return self._ask(version, kind, "get", name=name)
        except Refused as error:
            if error.status == ABSENT:
                return None
            raise

    def every(self, version: str, kind: str, label: str = "") -> list[Manifest]:
        """Every resource of *kind* in the namespace, or those with *label*, ``key=value``."""
        chosen = {"label_selector": label} if label else {}
        return list(self._ask(version, kind, "get", **chosen)["items"])

    def _ask(self, version: str, kind: str, verb: str, **arguments: Any) -> Manifest:
        resource = self._resource((version, kind))
        where = self.namespace if resource.namespaced else None
        name = arguments.get("name") or arguments.get("body", {}).get("metadata", {}).get("name", "")
        try:
            answer = getattr(resource, verb)(namespace=where, _request_timeout=CALL_S, **arguments)
        except FAILURES as error:
            raise Refused(f"the API server did not {verb} {kind} {name}".rstrip(), error) from error
        found: Manifest = answer.to_dict()
        return found

    def knows(self, kind: tuple[str, str]) -> bool:
        """Whether the cluster has such resources, of an apiVersion and a kind.

        Raises:
            StackError: the API server does not answer.
        """
        try:
            self._resource(kind)
        except UnknownKind:
            return False
        return True

    def _resource(self, kind: tuple[str, str]) -> Any:
        try:
            return self._dynamic.resources.get(api_version=kind[0], kind=kind[1])
        except ResourceNotFoundError as error:
            what = f"the cluster knows no {kind[1]} of {kind[0]}"
            raise UnknownKind(what, fix="install its operator, or name the one to install") from error
        except FAILURES as error:
            raise Refused("the API server does not answer", error) from error

    def namespace_labels(self) -> dict[str, str]:
        """The labels of the namespace.

        Raises:
            BadInput: there is none of that name.
            StackError: the API server does not tell.
        """
        found = self.labels_of(("v1", "Namespace"), self.namespace)
        if found is None:
            fix = f"kubectl create namespace {self.namespace}"
            raise BadInput(f"there is no namespace {self.namespace}", fix=fix)
        return found

    def disruptions(self) -> list[Manifest]:
        """The PodDisruptionBudgets of the namespace, as the API server has them.

        Raises:
            StackError: it does not tell.
        """
        return self.every("policy/v1", "PodDisruptionBudget")

    def pod_manifests(self) -> list[Manifest]:
        """The pods of the namespace, as the API server has them.

        Raises:
            StackError: it does not tell.
        """
        return self.every(*guests.PODS)

    def missing(self, rights: Iterable[Right]) -> list[Right]:
        """Those of *rights* that whoever we are does not have here; asks, and tries none.

        Raises:
            StackError: the API server does not tell.
        """
        return [right for right in sorted(rights) if not self._may(right)]

    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        """See ``harness.stack.kubernetes.guest.Objects``."""
        return bool(self._resource(kind).namespaced)

    def labels_of(self, kind: tuple[str, str], name: str) -> dict[str, str] | None:
        """See ``harness.stack.kubernetes.guest.Objects``."""
        found = self.find(*kind, name)
        return None if found is None else dict(found["metadata"].get("labels") or {})

    def labelled(self, kind: tuple[str, str], label: str) -> list[str]:
        """See ``harness.stack.kubernetes.guest.Objects``."""
        return [each["metadata"]["name"] for each in self.every(*kind, label)]

    def _may(self, right: Right) -> bool:
        resource, _, part = right.resource.partition("/")
        asked = {
            "namespace": self.namespace,
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": part,
        }
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
        body = {**review, "spec": {"resourceAttributes": asked}}
        told = self._ask("authorization.k8s.io/v1", "SelfSubjectAccessReview", "create", body=body)
        return bool(told["status"].get("allowed"))
