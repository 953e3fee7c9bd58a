"""A guest in somebody's namespace: takes no name that is taken, and leaves nothing of its own behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from harness.errors import BadInput
from harness.stack.kubernetes.owned import OURS, RUN, Manifest, run_label, stamped
from harness.waiting import NotYet, wait_for

CLAIMS, PODS = ("v1", "PersistentVolumeClaim"), ("v1", "Pod")
"""What is made from the templates of what was applied."""

_DELETED_S = 90.0


class Objects(Protocol):
    """The objects of one namespace; each call names an apiVersion and a kind."""

    @property
    def namespace(self) -> str:
        """The namespace."""
        ...

    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        """Whether such objects lie in namespaces."""
        ...

    def labels_of(self, kind: tuple[str, str], name: str) -> Mapping[str, str] | None:
        """The labels of one object; None: there is none."""
        ...

    def labelled(self, kind: tuple[str, str], label: str) -> list[str]:
        """The names of the objects with *label*, ``key=value``."""
        ...

    def delete(self, version: str, kind: str, name: str) -> None:
        """Delete one object and what it owns; none there is fine."""
        ...


def taking(objects: Objects, manifest: Manifest, run: str) -> Manifest:
    """*manifest* as a guest applies it, once its name is free or this run's own.

    Raises:
        BadInput: it lies in no namespace, is a Secret, or the name is taken.
    """
    kind, name = (manifest["apiVersion"], manifest["kind"]), manifest["metadata"]["name"]
    words = f"{manifest['kind']} {name}"
    if not objects.is_namespaced(kind):
        raise BadInput(
            f"{words} is not applied here", why="it would be cluster-wide; the harness has one namespace"
        )
    if manifest["kind"] == "Secret":
        raise BadInput(f"{words} is not applied here", why="the harness has nothing to do with secrets")
    found = objects.labels_of(kind, name)
    if found is not None and not OURS.items() <= found.items():
        fix = "use another namespace"
        raise BadInput(f"{words} is there already in {objects.namespace}", why="it is not ours", fix=fix)
    if found is not None and found.get(RUN) != run_label(run):
        left = f"kubectl --namespace {objects.namespace} delete {manifest['kind']} {name}"
        why = f"run {found.get(RUN)} made it"
        raise BadInput(
            f"{words} is there already in {objects.namespace}", why=why, fix=f"if it has ended: {left}"
        )
    return stamped(manifest, run)


def sweep(objects: Objects, applied: Iterable[tuple[str, str]], run: str) -> None:
    """Delete what carries the label of *run*, pods and claims included, and wait until it is gone.

    Raises:
        StackError: something of it is still there; carries its names.
    """
    label, kinds = f"{RUN}={run_label(run)}", tuple(applied)
    for kind in (*kinds, CLAIMS):
        for name in objects.labelled(kind, label):
            objects.delete(*kind, name)

    def gone() -> None:
        left = [
            f"{kind[1]} {name}" for kind in (*kinds, PODS, CLAIMS) for name in objects.labelled(kind, label)
        ]
        if left:
            raise NotYet(f"still there: {', '.join(left)}")

    fix = f"kubectl --namespace {objects.namespace} get all,configmaps,persistentvolumeclaims -l {label}"
    wait_for(gone, what="what was applied to go", seconds=_DELETED_S, every=0.5, fix=fix)
