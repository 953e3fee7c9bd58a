"""Nodes' disks as the kernel shows them, and how one is made whole again.

The platform mounts each disk with its size in the name of the mount's source, so
that a disk which was made full or read-only can be healed by whoever looks at
it: the mechanism, the watchdog, or ``heal`` from another shell, which runs this
module inside the run's namespaces. Standard library only.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.faults.observed import PROC
from harness.stack.disks import is_readable, write_probe
from harness.stack.namespaces import syscalls

_MEGABYTE = 1 << 20
_VOLUME = "_data"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MARGINS = (_PAGE, _PAGE, 16 * _PAGE, 64 * _PAGE, 256 * _PAGE)
"""Room that is left: a service may have written between the look at what is used and the remount."""


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
        """The node whose disk it is: disks are mounted under its name, in Docker as a volume of that name."""
        place = Path(self.place)
        return place.parent.name if place.name == _VOLUME else place.name

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

    def fill(self) -> None:
        """Leave no room: shrink it to what is used.

        Raises:
            OSError: the kernel refused, as while more is written all the time.
        """
        for margin in _MARGINS:
            with suppress(OSError):
                # A size of 0 would mean "without a limit".
                return _remount(self.place, 0, f"size={self.used + margin}")
        raise OSError(errno.EBUSY, "more is written all the time")

    def freeze(self) -> None:
        """Take no writes.

        Raises:
            OSError: EBUSY while somebody has a file open for writing.
        """
        _remount(self.place, syscalls.MS_RDONLY)

    def restore(self) -> None:
        """Have its size back and take writes.

        Raises:
            OSError: the kernel refused.
        """
        restore(self.place, self.megabytes)

    def probe(self) -> int:
        """The error number with which it refuses a write; 0: it takes it."""
        return write_probe(self.seen)

    def is_readable(self) -> bool:
        """Whether it can be read."""
        return is_readable(self.seen)


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
    _remount(place, 0, f"size={megabytes}m")


def restore_all() -> list[str]:
    """Restore every disk here that is not whole; returns their nodes."""
    broken = [disk for disk in disks() if not disk.whole]
    for disk in broken:
        restore(disk.place, disk.megabytes)
    return [disk.node for disk in broken]


def _remount(place: str, flags: int, options: str = "") -> None:
    syscalls.mount("none", place, "tmpfs", syscalls.MS_REMOUNT | flags, options)


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
