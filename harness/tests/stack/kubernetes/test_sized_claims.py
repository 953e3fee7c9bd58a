"""Claims with a size of their own: which are served, by what, and that what is made is taken away."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import StackError
from harness.stack.kind import machine_disks
from harness.stack.kind.machine_disks import MachineDisk
from harness.stack.kubernetes.owned import Manifest
from harness.stack.kubernetes.sized_claims import CLASS, SizedClaims, bytes_of, waiting
from harness.tests.stack.clusters import FakeApi

CHOSEN = {"volume.kubernetes.io/selected-node": "edge-worker2"}


def a_claim(name: str = "data-edge-kafka-0", **other: Any) -> Manifest:
    """One that waits for us, with other keys in its spec."""
    spec = {"storageClassName": CLASS, "resources": {"requests": {"storage": "2Gi"}}, **other}
    metadata = {"name": name, "uid": f"0123456789-{name}", "annotations": dict(CHOSEN)}
    return {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


class Served(FakeApi):
    """A cluster that keeps what is applied."""

    def apply(self, manifests: list[Manifest]) -> None:  # type: ignore[override] # as SizedClaims asks
        """Keep each."""
        for each in manifests:
            self.held[each["kind"], each["metadata"]["name"]] = each


class Disks:
    """What makes and destroys, on paper."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[str, int]] = {}

    def make(self, machine: str, name: str, size: int) -> MachineDisk:
        """Noted."""
        self.made[name] = (machine, size)
        return MachineDisk(machine, name)

    def destroy(self, disk: MachineDisk) -> None:
        """Gone; one that is not there is a mistake."""
        assert self.made.pop(disk.name)[0] == disk.machine


NAME = "edge.data-edge-kafka-0.01234567"


def test_a_claim_gets_a_disk_of_its_size_on_its_machine() -> None:
    """The volume is for that claim alone, on that machine alone, and a folder within the mount."""
    api, disks = Served(a_claim()), Disks()
    claims = SizedClaims(api, disks)

    claims.look()

    assert {NAME: ("edge-worker2", 2 << 30)} == disks.made
    spec = api.held["PersistentVolume", NAME]["spec"]
    assert "data-edge-kafka-0" == spec["claimRef"]["name"]
    assert f"/var/edge-disks/{NAME}/volume" == spec["local"]["path"]
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert ["edge-worker2"] == term["matchExpressions"][0]["values"]
    assert MachineDisk("edge-worker2", NAME) == claims.of("edge-kafka-0")
    assert None is claims.of("edge-kafka-1")


def test_a_claim_that_went_takes_its_disk_along() -> None:
    """A released volume is deleted; one that is in use stays."""
    api, disks = Served(a_claim()), Disks()
    claims = SizedClaims(api, disks)
    claims.look()
    api.held["PersistentVolumeClaim", "data-edge-kafka-0"]["spec"]["volumeName"] = NAME
    claims.look()
    assert [NAME] == list(disks.made)

    api.held["PersistentVolume", NAME]["status"] = {"phase": "Released"}
    claims.look()

    assert {} == disks.made
    assert ("PersistentVolume", NAME) not in api.held


def test_nothing_is_left() -> None:
    """When the block ends every volume of the namespace goes, whatever became of its claim."""
    api, disks = Served(a_claim()), Disks()
    with SizedClaims(api, disks) as claims:
        claims.look()
        assert CLASS in {name for kind, name in api.held if kind == "StorageClass"}
        api.held["PersistentVolumeClaim", "data-edge-kafka-0"]["spec"]["volumeName"] = NAME

    assert {} == disks.made
    assert [] == [name for kind, name in api.held if kind == "PersistentVolume"]


@pytest.mark.parametrize(
    "claim",
    [
        a_claim(storageClassName="standard"),
        a_claim(volumeName="bound"),
        {**a_claim(), "metadata": {"name": "data", "uid": "u"}},
        {**a_claim(), "metadata": {**a_claim()["metadata"], "deletionTimestamp": "now"}},
    ],
)
def test_other_claims_are_left_alone(claim: Manifest) -> None:
    """Those of another class, with a volume, without a machine yet, or on their way out."""
    assert [] == waiting([claim])


@pytest.mark.parametrize(
    ("quantity", "count"), [("1Gi", 1 << 30), ("16Mi", 16 << 20), ("5M", 5_000_000), ("7", 7)]
)
def test_a_quantity_is_a_number_of_bytes(quantity: str, count: int) -> None:
    """As Kubernetes writes them."""
    assert count == bytes_of(quantity)


def test_what_is_no_quantity_is_said() -> None:
    """With what was written."""
    with pytest.raises(StackError, match=r"a claim asks for '1\.5Zi'"):
        bytes_of("1.5Zi")


def test_a_name_of_a_disk_is_checked_before_anything_is_run() -> None:
    """It becomes a path on a machine."""
    with pytest.raises(OSError, match="is no name of a disk"):
        machine_disks.make("edge-worker", "../etc", 1)


def test_the_disks_of_a_machine_that_is_not_there_are_none() -> None:
    """Neither to restore, nor to look for."""
    disk = MachineDisk("no-such-machine", NAME)

    assert ([], [], False) == (
        machine_disks.disks_of("no-such-machine"),
        machine_disks.restore_all(["no-such-machine"]),
        disk.is_mounted,
    )
