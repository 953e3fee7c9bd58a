"""NetworkPolicies that forbid one pod every connection: made, found and deleted.

A policy is a wish: only a cluster whose network reads policies does anything about it, and what it does to
connections that are open already differs between networks. It outlives the harness, so the watchdog deletes
it, through ``kubectl`` on a kind cluster's control plane; in another cluster it goes with the stack. Standard
library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.stack.kind.machines import kubectl_of
from harness.stack.kubernetes.cluster_left import ran
from harness.stack.kubernetes.owned import Manifest

VERSION, KIND = "networking.k8s.io/v1", "NetworkPolicy"

ALLOW = "allow"
"""In a journal's note, under ``do``."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_KUBECTL_S = 20.0
_PASSING = ("pod-template-hash", "controller-revision-hash", "apps.kubernetes.io/pod-index")
"""Labels that a pod's successor need not have, or that tell nothing of which pod it is."""


@dataclass(frozen=True, slots=True, order=True)
class Denial:
    """The policy that forbids the pod *pod* everything; ``cluster`` is the kind cluster, if it is one."""

    cluster: str
    namespace: str
    pod: str

    @property
    def name(self) -> str:
        """What the policy is called."""
        return f"denied-{self.pod}"

    @property
    def deletion(self) -> tuple[str, ...]:
        """The command that takes it away, run on the control plane of its kind cluster; idempotent."""
        words = ("delete", "networkpolicy", self.name, "--ignore-not-found")
        return (*kubectl_of(self.cluster), "--namespace", self.namespace, *words)

    @property
    def note(self) -> dict[str, str]:
        """What the journal says of it; ``noted`` reads it."""
        return {"do": ALLOW, "cluster": self.cluster, "namespace": self.namespace, "pod": self.pod}

    def manifest(self, labels: Mapping[str, str]) -> Manifest:
        """The policy for the pod with *labels*: it rules both directions and lets nothing pass."""
        return {
            "apiVersion": VERSION,
            "kind": KIND,
            "metadata": {"name": self.name},
            "spec": {"podSelector": {"matchLabels": dict(labels)}, "policyTypes": ["Ingress", "Egress"]},
        }


def choosing(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of a pod's *labels* by which a policy chooses it, and its successor of the same name."""
    return {key: value for key, value in labels.items() if key not in _PASSING}


def noted(note: Mapping[str, object]) -> Denial | None:
    """What *note* of a journal is about; None: something else, or of a cluster that cannot be got at."""
    words = [str(note.get(key, "")) for key in ("cluster", "namespace", "pod")]
    if note.get("do") != ALLOW or not all(_NAME.match(word) for word in words):
        return None
    return Denial(*words)


def delete(found: Denial) -> bool:
    """Delete it; returns whether it was there.

    Raises:
        OSError: the cluster refuses, or does not answer.
    """
    return bool(ran(found.deletion, _KUBECTL_S).strip())
