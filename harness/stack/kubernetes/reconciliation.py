"""Custom resources that their operator leaves alone because the harness asked for it: found and resumed.

What pauses one outlives the harness, so the watchdog and ``heal`` take it away again, through ``kubectl`` on
a kind cluster's control plane. A mark beside the annotation tells ours from a user's own. It is an annotation
too: Strimzi copies a resource's labels to its pods, and would roll them all. Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.stack.kind.machines import kubectl_of
from harness.stack.kubernetes.cluster_left import ran

PAUSE = "strimzi.io/pause-reconciliation"
"""What a user writes on a resource of Strimzi's to have it left alone."""

MARK = "edge-harness/paused"
"""Beside it: that it was us."""

RESUME = "resume-reconciliation"
"""In a journal's note, under ``do``."""

KAFKAS = "kafkas.kafka.strimzi.io"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_KUBECTL_S = 20.0
_NO_SUCH_KIND = "doesn't have a resource type"


@dataclass(frozen=True, slots=True, order=True)
class Paused:
    """A resource that is paused by our doing."""

    cluster: str
    namespace: str
    name: str

    @property
    def resume(self) -> tuple[str, ...]:
        """The command that has its operator look after it again; idempotent."""
        words = ("annotate", "--overwrite", KAFKAS, self.name, f"{PAUSE}-", f"{MARK}-")
        return (*kubectl_of(self.cluster), "--namespace", self.namespace, *words)

    def __str__(self) -> str:
        return f"Kafka {self.namespace}/{self.name}"

    @property
    def note(self) -> dict[str, str]:
        """What the journal says of it; ``noted`` reads it."""
        return {"do": RESUME, "cluster": self.cluster, "namespace": self.namespace, "resource": self.name}


def noted(note: Mapping[str, object]) -> Paused | None:
    """What *note* of a journal is about; None: something else, or of a cluster that cannot be got at."""
    words = [str(note.get(key, "")) for key in ("cluster", "namespace", "resource")]
    if note.get("do") != RESUME or not all(_NAME.match(word) for word in words):
        return None
    return Paused(*words)


def paused(place: str) -> list[Paused]:
    """What is paused in *place*, ``CLUSTER`` or ``CLUSTER/NAMESPACE``; none where nobody answers."""
    cluster, _, namespace = place.partition("/")
    where = ("--namespace", namespace) if namespace else ("--all-namespaces",)
    try:
        asked = (*kubectl_of(cluster), "get", KAFKAS, *where, "--output", "json")
        told = ran(asked, _KUBECTL_S, _NO_SUCH_KIND)
        items = json.loads(told)["items"] if told else []
        return sorted(_paused(cluster, each["metadata"]) for each in items if _is_ours(each["metadata"]))
    except (OSError, ValueError, KeyError):
        return []


def resume_of(found: Paused) -> None:
    """Have the operator of *found* look after it again; one that is gone is fine.

    Raises:
        OSError: the cluster refuses, or does not answer.
    """
    ran(found.resume, _KUBECTL_S, "NotFound", _NO_SUCH_KIND)


def _is_ours(metadata: Mapping[str, dict[str, str]]) -> bool:
    return MARK in (metadata.get("annotations") or {})


def _paused(cluster: str, metadata: Mapping[str, str]) -> Paused:
    return Paused(cluster, metadata["namespace"], metadata["name"])
