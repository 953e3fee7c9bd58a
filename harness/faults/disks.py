"""Nodes' disks as the kernel shows them, and how one is made whole again.

The platform mounts each disk with its size in the name of the mount's source, so
that a disk which was made full or read-only can be healed by whoever looks at
it: the mechanism, the watchdog, or ``heal`` from another shell, which runs this
module inside the run's namespaces. Standard library only.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.faults.observed import PROC
from harness.stack import syscalls

_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk. ``place`` is where its own mount namespace has it, ``seen`` where we do."""

    place: str
    seen: Path
    device: str
    megabytes: int
    """Its size when nothing is wrong with it."""

    @property
    def node(self) -> str:
        """The node whose disk it is: disks are mounted under its name."""
        return Path(self.place).name

    @property
    def size(self) -> int:
        """Its present size in bytes."""
        told = os.statvfs(self.seen)
        return told.f_blocks * told.f_frsize

    @property
    def used(self) -> int:
        """How many bytes of it are used, in whole pages."""
        told = os.statvfs(self.seen)
        return (told.f_blocks - told.f_bfree) * told.f_frsize

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written, however much room there is."""
        return bool(os.statvfs(self.seen).f_flag & os.ST_RDONLY)

    @property
    def whole(self) -> bool:
        """Whether it is as it was mounted."""
        return self.size == self.megabytes * _MEGABYTE and not self.read_only


def disks(pid: int = 0) -> list[Disk]:
    """Every node's disk that process *pid* has mounted; 0: this one. None when it is gone or not ours."""
    try:
        lines = (PROC / (str(pid) if pid else "self") / "mountinfo").read_text().splitlines()
    except OSError:
        return []
    found = (_disk(line.split(), PROC / str(pid) / "root" if pid else Path("/")) for line in lines)
    return [disk for disk in found if disk is not None]


def restore(place: str, megabytes: int) -> None:
    """Give the disk at *place* its size back and let it be written.

    Raises:
        OSError: the kernel refused.
    """
    syscalls.mount("none", place, "tmpfs", syscalls.MS_REMOUNT, f"size={megabytes}m")


def restore_all() -> list[str]:
    """Restore every disk here that is not whole; returns their nodes."""
    broken = [disk for disk in disks() if not disk.whole]
    for disk in broken:
        restore(disk.place, disk.megabytes)
    return [disk.node for disk in broken]


def _disk(fields: list[str], root: Path) -> Disk | None:
    # 36 35 98:0 /root /place options [tag…] - type source options: proc_pid_mountinfo(5)
    place, source = fields[4], fields[fields.index("-") + 2]
    megabytes = source.removeprefix(syscalls.DISK_SOURCE).removesuffix("m")
    if not source.startswith(syscalls.DISK_SOURCE) or not megabytes.isdecimal():
        return None
    return Disk(place, root / place.lstrip("/"), fields[2], int(megabytes))


def main(place: str, megabytes: str) -> int:
    """Restore one disk of the mount namespace that this runs in: /proc may be another's there."""
    restore(place, int(megabytes))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
