"""What faults may have left in the networks and on the disks of a run, seen from outside of it.

Each thing found carries the command that removes it, as a person would paste it.
Standard library only.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.faults.disks import Disk, disks
from harness.faults.observed import PROC, Marked, namespace
from harness.stack.kind import machine_disks
from harness.stack.kind.machine_disks import MachineDisk
from harness.stack.kind.machines import kubectl_of, states
from harness.stack.kubernetes import resizing
from harness.stack.namespaces.shaping import removal, shaped

_TABLE = ("inet", "harness")
_NFT_SECONDS, _KUBECTL_SECONDS = 5.0, 30.0
_ROOT = Path(__file__).resolve().parents[2]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Network:
    """One network of a run that holds something of ours, and the argv prefix that enters it."""

    inode: int
    where: str
    enter: tuple[str, ...]
    elements: int
    table: bool = True
    shaped: tuple[str, ...] = ()
    """Interfaces that are slowed down."""

    @property
    def delete(self) -> list[str]:
        """The command that removes every cut there."""
        return [*self.enter, "nft", "delete", "table", *_TABLE]

    @property
    def unshape(self) -> list[list[str]]:
        """The commands that make every cable there quick again."""
        return [removal(self.enter, device) for device in self.shaped]


@dataclass(frozen=True, slots=True)
class BrokenDisk:
    """One disk that is not whole, and the command that restores it."""

    disk: Disk
    restore: tuple[str, ...]


def broken_disks(processes: Sequence[Marked]) -> list[BrokenDisk]:
    """The disks that *processes* have mounted and that are full or read-only by our doing, each once."""
    found: dict[str, BrokenDisk] = {}
    # A volume of Docker's is mounted here as well, where there is what restores it.
    here = {disk.device: disk for disk in disks()}
    for process in processes:
        for disk in disks(process.pid):
            if disk.device not in found and not _is_whole(disk):
                own = here.get(disk.device)
                restore = _restoring(process.pid, disk) if own is None else _python(own)
                found[disk.device] = BrokenDisk(own or disk, restore)
    return list(found.values())


def broken_claims(processes: Sequence[Marked]) -> list[MachineDisk]:
    """The disks of claims, in the clusters of *processes*, that are full or read-only by our doing."""
    clusters = _clusters(processes)
    try:
        return [disk for cluster in clusters for disk in machine_disks.broken(list(states(cluster)))]
    except OSError as error:
        _log.warning("the disks of %s were not looked at: %s", ", ".join(clusters), error)
        return []


@dataclass(frozen=True, slots=True)
class LimitedPod:
    """One pod whose processor limits we changed, and the commands that give it back what it had."""

    pod: str
    undo: tuple[tuple[str, ...], ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """As a person would paste them."""
        return tuple(shlex.join(argv) for argv in self.undo)

    def give_back(self) -> None:
        """Run them.

        Raises:
            OSError: the cluster refuses.
        """
        for argv in self.undo:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_KUBECTL_SECONDS, check=False)
            if done.returncode:
                raise OSError(done.stderr.strip())


def limited_pods(processes: Sequence[Marked]) -> list[LimitedPod]:
    """The pods with other limits than they had, in the clusters of *processes*."""
    found: list[LimitedPod] = []
    for cluster in _clusters(processes):
        try:
            kubectl = kubectl_of(cluster)
            for pod in resizing.limited(kubectl):
                undo = tuple(tuple(argv) for argv in resizing.undoing(kubectl, pod))
                found.append(LimitedPod(pod["metadata"]["name"], undo))
        except OSError as error:
            _log.warning("the pods of %s were not looked at: %s", cluster, error)
    return found


def _clusters(processes: Sequence[Marked]) -> list[str]:
    return sorted({process.cluster.partition("/")[0] for process in processes} - {""})


def _is_whole(disk: Disk) -> bool:
    try:
        return disk.whole
    except OSError:  # its process ended meanwhile, and the disk with it
        return True


def _restoring(pid: int, disk: Disk) -> tuple[str, ...]:
    return (*_prefix(pid), f"--mount=/proc/{pid}/ns/mnt", "--", *_python(disk))


def _python(disk: Disk) -> tuple[str, ...]:
    python = (sys.executable, "-P", "-S", "-m", "harness.faults.disks", disk.place, str(disk.megabytes))
    return ("env", f"PYTHONPATH={_ROOT}", *python)


def disturbed_networks(processes: Sequence[Marked]) -> list[Network]:
    """The networks, other than our own, that *processes* use or hold and where something of ours stands."""
    places: dict[int, tuple[int, Path]] = {}
    for process in processes:
        for path in _places(process.pid):
            places.setdefault(_inode(path), (process.pid, path))
    for known in (0, namespace(os.getpid(), "net")):
        places.pop(known, None)
    found = (_network(inode, pid, path) for inode, (pid, path) in sorted(places.items()))
    return [network for network in found if network]


def _places(pid: int) -> list[Path]:
    # A node whose process is dead is only held by its name in the run's mount namespace.
    try:
        named = sorted((PROC / str(pid) / "root/run/netns").iterdir())
    except OSError:
        named = []
    return [*named, PROC / str(pid) / "ns/net"]


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _network(inode: int, pid: int, path: Path) -> Network | None:
    enter = (*_prefix(pid), f"--net={path}", "--")
    try:
        asked = [*enter, "nft", "-j", "list", "ruleset", "inet"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=_NFT_SECONDS, check=False)
        items = json.loads(answer.stdout)["nftables"] if answer.returncode == 0 else []
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        _log.warning("%s could not be asked: %s", path, error)
        return None
    table = any(item.get("table", {}).get("name") == _TABLE[1] for item in items)
    sets = (item["set"] for item in items if item.get("set", {}).get("table") == _TABLE[1])
    elements = sum(len(one.get("elem", ())) for one in sets)
    found = Network(inode, path.name, enter, elements, table=table, shaped=_shaped(enter))
    return found if found.table or found.shaped else None


def _shaped(enter: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(one.device for one in shaped(enter))
    except OSError as error:
        _log.warning("%s", error)
        return ()


def _prefix(pid: int) -> tuple[str, ...]:
    if namespace(pid, "user") in (0, namespace(os.getpid(), "user")):
        return ("nsenter",)
    return ("nsenter", f"--target={pid}", "--user", "--preserve-credentials")
