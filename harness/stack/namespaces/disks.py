"""Each node's own disk: a tmpfs in the enclosure, which goes with the run and can be filled alone."""

from __future__ import annotations

from pathlib import Path

from harness.errors import MissingAbility
from harness.stack.namespaces import syscalls

_DISKS = Path("/run/edge")


def disk_place(node: str) -> Path:
    """Where the disk of *node* is mounted in the enclosure."""
    return _DISKS / node


def make_disk(node: str, megabytes: int) -> Path:
    """A disk of *megabytes* for one node.

    The source of the mount tells the size, so that whoever finds the disk full knows how to heal it.

    Raises:
        MissingAbility: the kernel refuses the mount.
    """
    disk = disk_place(node)
    disk.mkdir(parents=True, exist_ok=True)
    try:
        source = f"{syscalls.DISK_SOURCE}{megabytes}m"
        syscalls.mount(source, str(disk), "tmpfs", 0, f"size={megabytes}m,mode=0700")
    except OSError as error:
        raise MissingAbility(f"{node} could not get a disk", why=str(error), fix="harness doctor") from error
    return disk
