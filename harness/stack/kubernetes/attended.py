"""The custom resource for which an operator keeps a pod, and what its operator is asked by annotations.

A pod of Strimzi's says by a label which Kafka it belongs to; its owner is a StrimziPodSet. Annotations are
read in a reconciliation, and a change of the Kafka's metadata has the operator begin one at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import NotExpressible
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.orchestrated import Attention
from harness.stack.kubernetes.owned import Manifest
from harness.stack.kubernetes.reconciliation import MARK, PAUSE

CLUSTER, POD_SETS = "strimzi.io/cluster", "StrimziPodSet"
_ROLL = "strimzi.io/manual-rolling-update"
_GROUP, _SETS = "kafka.strimzi.io", "core.strimzi.io"
_VERSIONS = ("v1", "v1beta2")
_PAUSED = "ReconciliationPaused"


@dataclass(frozen=True, slots=True)
class Attended:
    """The Kafka to which a pod of Strimzi's belongs."""

    api: Api
    name: str

    def attention(self, cluster: str) -> Attention:
        """What its operator says of it; *cluster* is the kind cluster, if it is one."""
        found = self._found()
        conditions = (found.get("status") or {}).get("conditions") or []
        told = [each for each in conditions if each.get("type") == _PAUSED and each.get("status") == "True"]
        words = ", ".join(f"{each.get('type')} {each.get('status')}" for each in conditions)
        given = found["metadata"].get("annotations") or {}
        return Attention(self.name, cluster, self.api.namespace, PAUSE in given, bool(told), words)

    def pause(self, *, paused: bool) -> None:
        """Have its operator leave it alone, or look after it again; idempotent."""
        wanted = "true" if paused else None
        self._annotate({PAUSE: wanted, MARK: wanted})

    def roll(self, pod_set: str) -> None:
        """Have its operator replace every pod of *pod_set*, one after the other, beginning now."""
        version = served(self.api, _SETS, POD_SETS)
        self.api.change(version, POD_SETS, pod_set, {"metadata": {"annotations": {_ROLL: "true"}}})
        self.api.touch(served(self.api, _GROUP, "Kafka"), "Kafka", self.name)

    def _annotate(self, annotations: dict[str, str | None]) -> None:
        version = served(self.api, _GROUP, "Kafka")
        self.api.change(version, "Kafka", self.name, {"metadata": {"annotations": annotations}})

    def _found(self) -> Manifest:
        found = self.api.find(served(self.api, _GROUP, "Kafka"), "Kafka", self.name)
        if found is None:
            raise NotExpressible(f"not expressible here, because there is no Kafka {self.name}")
        return found


def attended(api: Api, node: str, pod: Manifest | None) -> Attended:
    """What *pod*, which is *node*, belongs to.

    Raises:
        NotExpressible: nobody's operator keeps it, or there is none that can be asked.
    """
    name = ((pod or {}).get("metadata", {}).get("labels") or {}).get(CLUSTER, "")
    if not name:
        what = f"not expressible here, because no operator keeps {node}"
        raise NotExpressible(what, fix="--stack edge-kafka-strimzi-kraft")
    return Attended(api, str(name))


def served(api: Api, group: str, kind: str) -> str:
    """The newest version of *group* in which the cluster knows *kind*.

    Raises:
        NotExpressible: it knows none.
    """
    for version in _VERSIONS:
        if api.knows((f"{group}/{version}", kind)):
            return f"{group}/{version}"
    raise NotExpressible(f"not expressible here, because the cluster knows no {kind} of {group}")
