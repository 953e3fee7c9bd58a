"""Claims with a size of their own in a kind cluster: provisioned by the harness, on disks of the machines.

The storage class that kind comes with gives every claim a folder of the same disk, the machine's own,
whatever size it asks for. ``edge-sized`` gives it a disk (``harness.stack.kind.machine_disks``) of just that
size on the machine that the scheduler chose, and takes the disk away with the claim. Claims are looked for
twice a second; while nobody looks they wait. What is there bears the namespace's label, by which ``heal``
finds it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from harness.errors import StackError
from harness.stack.kind import machine_disks
from harness.stack.kind.machine_disks import FOLDER, VOLUME, MachineDisk
from harness.stack.kubernetes.owned import OURS, Manifest

CLASS = "edge-sized"
_PROVISIONER = "edge-harness/sized"
_CLAIM, _VOLUME = ("v1", "PersistentVolumeClaim"), ("v1", "PersistentVolume")
_CHOSEN = "volume.kubernetes.io/selected-node"
_LOOK_S = 0.5
_SUFFIXES: Mapping[str, int] = {
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
}

_log = logging.getLogger(__name__)


class Cluster(Protocol):
    """What is asked of an API server; see ``harness.stack.kubernetes.api.Api``."""

    @property
    def namespace(self) -> str:
        """The namespace whose claims are looked for."""
        ...

    def apply(self, manifests: list[Manifest]) -> None:
        """Apply each; raises StackError."""
        ...

    def every(self, version: str, kind: str, label: str = "") -> list[Manifest]:
        """Every resource of *kind*, or those with *label*; raises StackError."""
        ...

    def delete(self, version: str, kind: str, name: str) -> None:
        """Delete one; none there is fine; raises StackError."""
        ...


class Disks(Protocol):
    """What makes disks; see ``harness.stack.kind.machine_disks``."""

    def make(self, machine: str, name: str, size: int) -> MachineDisk:
        """A disk of *size* bytes; raises OSError."""
        ...

    def destroy(self, disk: MachineDisk) -> None:
        """Take it away; raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """One that waits for a volume."""

    name: str
    uid: str
    machine: str
    size: int


class SizedClaims:
    """The claims of one namespace while it is entered; see ``stack.kubernetes.orchestrated.Volumes``."""

    storage_class = CLASS

    def __init__(self, cluster: Cluster, disks: Disks = machine_disks) -> None:
        self._cluster, self._disks = cluster, disks
        self._made: dict[str, MachineDisk] = {}
        """The disk of each claim, by the claim's name: that of the last one of that name."""
        self._ending = threading.Event()
        self._looking = threading.Thread(target=self._keep_looking, name="sized-claims", daemon=True)

    def __enter__(self) -> Self:
        self._cluster.apply([_storage_class()])
        self._take_away(every=True)
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._looking.join()
        self._take_away(every=True)

    def of(self, node: str) -> MachineDisk | None:
        """The disk of the claim of the pod *node* of a StatefulSet; None: it has none of ours."""
        found = (disk for claim, disk in self._made.items() if claim.endswith(f"-{node}"))
        return next(found, None)

    def look(self) -> None:
        """Give each claim that waits its disk, and take away those whose claims are gone.

        Raises:
            OSError: a disk could not be made or destroyed.
            StackError: the API server refuses.
        """
        for claim in waiting(self._cluster.every(*_CLAIM)):
            name = f"{self._cluster.namespace}.{claim.name}.{claim.uid[:8]}"
            self._made[claim.name] = self._disks.make(claim.machine, name, claim.size)
            self._cluster.apply([_volume(name, claim, self._cluster.namespace)])
        self._take_away(every=False)

    def _take_away(self, *, every: bool) -> None:
        label = f"{machine_disks.NAMESPACE}={self._cluster.namespace}"
        for volume in self._cluster.every(*_VOLUME, label):
            if every or volume.get("status", {}).get("phase") == "Released":
                name, machine = volume["metadata"]["name"], volume["metadata"]["labels"][_MACHINE]
                self._cluster.delete(*_VOLUME, name)
                self._disks.destroy(MachineDisk(machine, name))

    def _keep_looking(self) -> None:
        while not self._ending.wait(_LOOK_S):
            try:
                self.look()
            except (OSError, StackError) as error:
                # The next look tries again; a pod that waits for its claim in vain is told as not ready.
                _log.warning("claims: %s", error)


_MACHINE = "edge-harness/machine"


def waiting(claims: list[Manifest]) -> list[Claim]:
    """Those of *claims* that are for us to serve, and whose machine was chosen."""
    ours = (each for each in claims if each["spec"].get("storageClassName") == CLASS)
    unbound = (each for each in ours if not each["spec"].get("volumeName"))
    chosen = (each for each in unbound if (each["metadata"].get("annotations") or {}).get(_CHOSEN))
    return [
        Claim(
            name=each["metadata"]["name"],
            uid=each["metadata"]["uid"],
            machine=each["metadata"]["annotations"][_CHOSEN],
            size=bytes_of(each["spec"]["resources"]["requests"]["storage"]),
        )
        for each in chosen
        if "deletionTimestamp" not in each["metadata"]
    ]


def bytes_of(quantity: str) -> int:
    """What ``1Gi`` is in bytes.

    Raises:
        StackError: it is no quantity that we know.
    """
    suffix = next((each for each in _SUFFIXES if quantity.endswith(each)), "")
    number = quantity.removesuffix(suffix)
    if not number.isdecimal():
        raise StackError(f"a claim asks for {quantity!r}", why="that is no number of bytes")
    return int(number) * _SUFFIXES.get(suffix, 1)


def _storage_class() -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "labels": dict(OURS)},
        "provisioner": _PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(name: str, claim: Claim, namespace: str) -> Manifest:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [claim.machine]}
    labels = {**OURS, machine_disks.NAMESPACE: namespace, _MACHINE: claim.machine}
    claimed = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"pv.kubernetes.io/provisioned-by": _PROVISIONER},
        },
        "spec": {
            "capacity": {"storage": str(claim.size)},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "claimRef": {**claimed, "name": claim.name, "uid": claim.uid},
            "local": {"path": f"{FOLDER}/{name}/{VOLUME}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
