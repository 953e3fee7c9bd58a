"""How a ConfigMap gets into a pod: which workload of the audit mounts it, with which image and words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.audit.documents import Kind
from harness.audit.nodes import Node
from harness.audit.rules import Case, version

_IMAGE_VERSION = re.compile(r"vector:v?(\d+\.\d+(?:\.\d+)?)")
_CONFIG = re.compile(r"(?:^|\s)(?:-c|--config(?:-toml|-yaml|-dir)?|-C)(?:[= ]|$)")


@dataclass(frozen=True, slots=True)
class Workload:
    """An object whose pods mount the ConfigMap."""

    root: Node

    @property
    def words(self) -> str:
        """The commands and arguments of its containers."""
        return " ".join(
            word.text()
            for node in self.root.walk()
            for key in ("command", "args")
            for word in node.list_of(key)
        )

    @property
    def names_its_config(self) -> bool:
        """Whether Vector is told where its configuration lies."""
        return _CONFIG.search(self.words) is not None or self.has_variable("VECTOR_CONFIG")

    def has_variable(self, *names: str) -> bool:
        """Whether a container has one of the environment variables *names*."""
        return any(node.text("name") in names for node in self.root.walk() if "name" in node.entries)

    @property
    def vector_version(self) -> tuple[int, ...]:
        """Vector's version from the image's tag; empty when it has none."""
        images = (node.text("image") for node in self.root.walk() if "image" in node.entries)
        return next((version(match[1]) for image in images if (match := _IMAGE_VERSION.search(image))), ())

    def keeps(self, folder: str) -> str:
        """The kind of volume that is mounted at *folder* or above it; empty when none is."""
        kinds = {
            volume.text("name"): next((key for key in volume.entries if key != "name"), "")
            for node in self.root.walk()
            for volume in node.list_of("volumes")
        }
        kinds |= {
            claim.text("metadata", "name"): "persistentVolumeClaim"
            for claim in self.root.list_of("spec", "volumeClaimTemplates")
        }
        return next(
            (
                kinds.get(mount.text("name"), "")
                for node in self.root.walk()
                for mount in node.list_of("volumeMounts")
                if folder.startswith(mount.text("mountPath")) and mount.text("mountPath")
            ),
            "",
        )


def workloads(case: Case) -> list[Workload]:
    """The objects of the audit that mount the ConfigMap in which the document of *case* lies."""
    name = case.document.inside
    others = (one.root for one in case.site if one.kind in {Kind.OBJECT, Kind.FLINK})
    return [Workload(root) for root in others if name and name in _mounted(root)]


def _mounted(root: Node) -> Iterator[str]:
    for node in root.walk():
        if "configMap" in node.entries:
            yield node.text("configMap", "name")
