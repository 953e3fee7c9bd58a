"""What is ours in a cluster, by labels, and what we may do there, as rights.

In a namespace that is somebody else's the harness is a guest: everything that it applies carries its label
and that of the run, down to the pods and claims made from templates, and nothing else is ever deleted.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Manifest: TypeAlias = dict[str, Any]
"""One resource as its file has it; the API server knows its shape."""

OURS = {"app.kubernetes.io/managed-by": "edge-harness"}
"""On everything that the harness makes."""

RUN = "edge-harness/run"
"""The label with the id of the run that made it."""

MAY_BE_BROKEN = {"edge-harness/may-be-broken": "true"}
"""By this a user gives us what is his: on the namespace, or on pods."""

_LABEL_CHARACTERS = 63


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource of a namespace; the core group is empty."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


def is_given(labels: Mapping[str, str]) -> bool:
    """Whether *labels* say that the harness made it, or may break it.

    An operator that makes pods for a resource of ours puts its own name on them, and the run's label, too.
    """
    return RUN in labels or any(each.items() <= labels.items() for each in (OURS, MAY_BE_BROKEN))


def run_label(run: str) -> str:
    """The id of a run as a label can hold it."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", run)[:_LABEL_CHARACTERS].strip("-_.")


def stamped(manifest: Manifest, run: str) -> Manifest:
    """*manifest* with the labels of the harness and of *run* on it and on what is made from its templates."""
    made = copy.deepcopy(manifest)
    for metadata in _metadata(made):
        metadata["labels"] = {**(metadata.get("labels") or {}), **OURS, RUN: run_label(run)}
    return made


def _metadata(manifest: Manifest) -> Iterator[Manifest]:
    yield manifest["metadata"]
    spec = manifest.get("spec")
    if isinstance(spec, dict):
        for template in (spec.get("template"), *(spec.get("volumeClaimTemplates") or [])):
            if isinstance(template, dict):
                yield template.setdefault("metadata", {})
