"""Full disks on the platform context:NAME: where volumes are file systems of their own, and where not.

``tox -e kind`` runs these, after ``test_context``. The disks are those that kind's own claims are given
(``harness.stack.kind.machine_disks``), made for a namespace that the harness is only a guest in.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.faults.leases import LEASE_SECONDS
from harness.stack.kind import machine_disks
from harness.stack.kind.machine_disks import MachineDisk
from harness.tests.contract.context_place import Drill, drill
from harness.tests.contract.test_context import (
    _KILL_HARNESS,
    SLACK_S,
    admin,
    heard,
    require_proven,
    runner,
    story,
    verdict,
)
from harness.waiting import NotYet, wait_for

__all__ = ["admin"]
pytestmark = [pytest.mark.contract, pytest.mark.nightly]

SIZE = 512 << 20
FULL = '''
"""A story of one full disk."""

from harness.scenario import Run, broker, disk_full, scenario


@scenario()
def test_full(run: Run) -> None:
    """A broker's volume has no room left, and then it has."""
    with run.load(rate=200):
        run.hold_steady(seconds=2)
        with run.inject(disk_full(broker(2)), seconds=5) as full:
            run.require(full.observed)
        run.hold_steady(seconds=3)
    run.verify()
'''


@contextlib.contextmanager
def disks(namespace: str, admin: Path) -> Iterator[list[MachineDisk]]:
    """One on each worker, each a volume for the claim of one broker in *namespace*; gone after."""
    asked = Drill("default", admin.parent, admin)
    workers = asked.kubectl("get", "nodes", "-l", "!node-role.kubernetes.io/control-plane", "-o", "name")
    machines = [name.removeprefix("node/") for name in workers.split()][:3]
    made: list[MachineDisk] = []
    try:
        for number, machine in enumerate(machines):
            claim = f"data-edge-kafka-{number}"
            made.append(machine_disks.make(machine, f"{namespace}.{claim}", SIZE))
            made[-1].seen.parent.chmod(0o777)  # the whole of it is the volume: whoever a container runs as
            asked.kubectl("apply", "-f", "-", told=json.dumps(volume(made[-1], namespace, claim)))
        yield made
    finally:
        asked.kubectl("delete", "persistentvolumes", "-l", f"edge-drill={namespace}")
        for disk in made:
            machine_disks.destroy(disk)


def volume(disk: MachineDisk, namespace: str, claim: str) -> dict[str, object]:
    """A PersistentVolume that is *disk*, for one claim of the class that claims without one are given."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [disk.machine]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": disk.name, "labels": {"edge-drill": namespace}},
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "standard",
            "claimRef": {"namespace": namespace, "name": claim},
            "local": {"path": disk.place},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def free(place: Path) -> int:
    """How many bytes are free there."""
    told = os.statvfs(place)
    return told.f_bfree * told.f_frsize


def test_a_volume_that_is_a_file_system_of_its_own_is_filled(
    admin: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One broker's, proven and healed by its agent; nothing is left in it, and no machine lost its room."""
    words = story(tmp_path / "own", "full", FULL)
    with (
        disks("edge-full", admin) as made,
        drill("edge-full", admin, tmp_path_factory.mktemp("user"), plan=words) as granted,
    ):
        before = free(made[0].seen.parents[2])
        done = granted.run(*words)
        told, left = verdict(granted), [free(disk.seen) for disk in made]
        lost = before - free(made[0].seen.parents[2])

    said = done.stdout[-3000:] + done.stderr[-1000:]
    require_proven(told, ["fill"], said)
    assert "a write fails with ENOSPC, reading goes on" in said + json.dumps(told)
    assert min(left) > SIZE // 4, left
    assert lost < SIZE, "what fills a volume takes no room of its machine"


def test_a_harness_that_is_killed_leaves_no_volume_full(
    admin: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The room is back within a lease and two seconds."""
    words = story(tmp_path / "own", "full", FULL.replace("seconds=5", "seconds=120"))
    with (
        disks("edge-full", admin) as made,
        drill("edge-full", admin, tmp_path_factory.mktemp("user"), plan=words) as granted,
        granted.running(*words) as user,
    ):
        assert user.stdout is not None
        heard(user.stdout, "proven:")
        assert min(free(disk.seen) for disk in made) < SIZE // 16
        user.kill()
        granted.kubectl("exec", runner(granted), "--", "sh", "-c", _KILL_HARNESS)
        killed = time.monotonic()
        wait_for(lambda: _has_room(made), what="the room", seconds=60, every=0.1)
        took = time.monotonic() - killed
        granted.kubectl("delete", "jobs", "-l", "edge-harness/errand")
    assert took <= LEASE_SECONDS + SLACK_S, f"there is room again after {took:.1f} s"


def _has_room(made: list[MachineDisk]) -> None:
    if (least := min(free(disk.seen) for disk in made)) < SIZE // 4:
        raise NotYet(f"{least} bytes are free")


def test_a_claim_that_is_a_folder_of_its_node_is_not_filled(
    admin: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever provisioner the cluster comes with: nothing is done, and the run is not executed."""
    words = story(tmp_path / "own", "full", FULL)
    with drill("edge-folder", admin, tmp_path_factory.mktemp("user"), plan=words) as granted:
        done = granted.run(*words)

    said = done.stdout + done.stderr
    assert done.returncode == 2, said[-3000:]
    assert re.search(r"is not a file system of its own: it is a folder of (its node|a larger)", said), said[
        -3000:
    ]
    journals = [path.read_text() for path in granted.reports.glob("*/journal.jsonl")]
    assert not [text for text in journals if '"injected"' in text]
