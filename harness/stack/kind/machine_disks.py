"""Disks with a size of their own on the machines of a kind cluster: a file each, mounted by its machine.

A disk is a sparse file with a file system of ext4 in it, so it costs what is written to it, outlives pods and
a machine that lost its power, and can be filled without filling anybody else's. Its mount is gone when its
machine was stopped: who starts a machine mounts its disks again (``mount_all``). Pods are given the folder
``VOLUME`` *within* the mount, so a disk that is not mounted is no folder, and no pod starts beside its data.
Standard library only: the watchdog and ``heal`` restore disks by what they observe.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.stack.disks import is_readable, write_probe
from harness.stack.kind import machines

FOLDER = "/var/edge-disks"
VOLUME = "volume"
BALLAST = ".harness-ballast"
"""On a disk that was made full, what fills it."""

NAMESPACE = "edge-harness/namespace"
"""The label of the volumes on such disks, and how the disks' names begin: whose claims they serve."""

RESTORE = "restore-disk"
"""In a journal's note, under ``do``: a disk is to be made whole; under ``machine``, on which, if not here."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,200}\Z")
_IMAGE = ".img"
_MEGABYTE = 1 << 20
_LOOP_FREE = 0x4C82
"""LOOP_CTL_GET_FREE of linux/loop.h."""

_LOOP_MAJOR = 7
_RUN_S = 30.0


@dataclass(frozen=True, slots=True)
class MachineDisk:
    """One disk of a machine; like ``harness.faults.disks.Disk`` it can be full, read-only, or whole."""

    machine: str
    name: str

    @property
    def place(self) -> str:
        """Where the machine has it mounted."""
        return f"{FOLDER}/{self.name}"

    @property
    def image(self) -> str:
        """Its file on the machine."""
        return f"{self.place}{_IMAGE}"

    @property
    def seen(self) -> Path:
        """What pods have of it, as this machine reaches it."""
        return _root(self.machine) / self.place.lstrip("/") / VOLUME

    @property
    def ballast(self) -> Path:
        """What fills it when it is full by our doing; pods do not see it."""
        return self.seen.parent / BALLAST

    @property
    def megabytes(self) -> int:
        """Its size."""
        told = os.statvfs(self.seen)
        return told.f_blocks * told.f_frsize // _MEGABYTE

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written."""
        return bool(os.statvfs(self.seen).f_flag & os.ST_RDONLY)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it by our doing."""
        return not self.read_only and not self.ballast.exists()

    @property
    def node(self) -> str:
        """Whose it is: the claim that it is for."""
        return self.name

    @property
    def is_mounted(self) -> bool:
        """Whether its machine runs, and has it mounted."""
        try:
            lines = (_proc(self.machine) / "mountinfo").read_text().splitlines()
        except OSError:
            return False
        return any(line.split()[4] == self.place for line in lines)

    def fill(self) -> None:
        """Leave no room.

        Raises:
            OSError: the kernel refuses.
        """
        with open(self.ballast, "wb") as file:
            for size in (_MEGABYTE, 64 << 10, os.sysconf("SC_PAGE_SIZE")):
                _take(file.fileno(), self.seen, size)

    def freeze(self) -> None:
        """Take no writes.

        Raises:
            OSError: EBUSY while somebody has a file open for writing.
        """
        self._remount("ro")

    def restore(self) -> None:
        """Let it be written, and have its room back; idempotent.

        Raises:
            OSError: the kernel refuses.
        """
        if self.read_only:
            self._remount("rw")
        with contextlib.suppress(FileNotFoundError):
            self.ballast.unlink()

    def probe(self) -> int:
        """The error number with which it refuses a write; 0: it takes it."""
        return write_probe(self.seen)

    def is_readable(self) -> bool:
        """Whether it can be read."""
        return is_readable(self.seen)

    def fill_commands(self, *, read_only: bool) -> tuple[str, ...]:
        """What ``freeze`` or ``fill`` runs, as a person would paste it."""
        if read_only:
            return (" ".join([*_inside(self.machine), *self._remounting("ro")]),)
        return (
            " ".join([*_inside(self.machine), f"fallocate -l <all that is free> {self.place}/{BALLAST}"]),
        )

    @property
    def restore_commands(self) -> tuple[str, ...]:
        """What ``restore`` runs, as a person would paste it."""
        inside = " ".join(_inside(self.machine))
        return (f"{inside} {' '.join(self._remounting('rw'))}", f"{inside} rm -f {self.place}/{BALLAST}")

    def _remounting(self, how: str) -> list[str]:
        return ["mount", "-o", f"remount,{how}", self.place]

    def _remount(self, how: str) -> None:
        _in_machine(self.machine, self._remounting(how))


def make(machine: str, name: str, size: int) -> MachineDisk:
    """A disk of *size* bytes, mounted and empty; one of that name that is there is used as it is.

    Raises:
        OSError: it could not be made; carries the words of whoever refused.
    """
    if not _NAME.match(name):
        raise OSError(errno.EINVAL, f"{name!r} is no name of a disk")
    disk = MachineDisk(machine, name)
    image = _root(machine) / disk.image.lstrip("/")
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        part = image.with_name(f".{image.name}")
        with open(part, "wb") as file:
            file.truncate(size)
        _format(machine, part, disk)
        part.rename(image)
    _mount(disk)
    disk.seen.mkdir(mode=0o777, exist_ok=True)
    disk.seen.chmod(0o777)  # whoever a pod's container runs as
    return disk


def destroy(disk: MachineDisk) -> None:
    """Unmount it and delete its file; none there is fine.

    Raises:
        OSError: it could not be.
    """
    if disk.is_mounted:
        # A pod that was deleted may hold it a little longer: it goes with the last holder.
        _in_machine(disk.machine, ["umount", "--lazy", disk.place])
    (_root(disk.machine) / disk.image.lstrip("/")).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (_root(disk.machine) / disk.place.lstrip("/")).rmdir()


def disks_of(machine: str) -> list[MachineDisk]:
    """Every disk of a machine that runs, mounted or not, by name."""
    try:
        found = sorted((_root(machine) / FOLDER.lstrip("/")).glob(f"[!.]*{_IMAGE}"))
    except OSError:
        return []
    return [MachineDisk(machine, path.name.removesuffix(_IMAGE)) for path in found]


def mount_all(machine: str) -> list[str]:
    """Mount the disks of a machine that was started again; returns their names.

    Raises:
        OSError: one could not be.
    """
    gone = [disk for disk in disks_of(machine) if not disk.is_mounted]
    for disk in gone:
        _mount(disk)
    return [disk.name for disk in gone]


def broken(found: Sequence[str]) -> list[MachineDisk]:
    """The disks of the machines *found* that are full or read-only by our doing."""
    every = (disk for machine in found for disk in disks_of(machine) if disk.is_mounted)
    return [disk for disk in every if not disk.whole]


def restore_all(found: Sequence[str]) -> list[str]:
    """Restore every disk of the machines *found* that is not whole; returns their names.

    Raises:
        OSError: one could not be.
    """
    hurt = broken(found)
    for disk in hurt:
        disk.restore()
    return [disk.name for disk in hurt]


def destroy_all(found: Sequence[str], namespace: str) -> list[str]:
    """Destroy the disks for claims of *namespace* on the machines *found*; returns their names.

    Raises:
        OSError: one could not be.
    """
    every = (disk for machine in found for disk in disks_of(machine))
    gone = [disk for disk in every if disk.name.startswith(f"{namespace}.")]
    for disk in gone:
        destroy(disk)
    return [disk.name for disk in gone]


def _take(descriptor: int, place: Path, size: int) -> None:
    """Give all that is free to a file, in pieces of *size* at the end."""
    while True:
        told = os.statvfs(place)
        wanted = max(told.f_bavail * told.f_frsize // 2 // size * size, size)
        try:
            os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, wanted)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            if wanted == size:
                return


def _format(machine: str, part: Path, disk: MachineDisk) -> None:
    """With the program of this machine, or else with that of the cluster's."""
    argv = ["mkfs.ext4", "-q", "-F", "-m", "0"]
    if shutil.which(argv[0]) is None:
        return _in_machine(machine, [*argv, str(Path(disk.image).with_name(part.name))])
    return _ran([*argv, str(part)], "here")


def _mount(disk: MachineDisk) -> None:
    if disk.is_mounted:
        return
    (_root(disk.machine) / disk.place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    _provide_loop(disk.machine)
    _in_machine(disk.machine, ["mount", "-o", "loop", disk.image, disk.place])


def _provide_loop(machine: str) -> None:
    """Have a free loop device in the machine's /dev, which does not follow the kernel's."""
    with open("/dev/loop-control", "rb") as control:
        number = fcntl.ioctl(control.fileno(), _LOOP_FREE)
    node = _root(machine) / f"dev/loop{number}"
    if not node.exists():
        os.mknod(node, stat.S_IFBLK | 0o660, os.makedev(_LOOP_MAJOR, number))


def _proc(machine: str) -> Path:
    pid = machines.pid_of(machine)
    if not pid:
        raise OSError(errno.ESRCH, f"{machine} does not run")
    return Path("/proc") / str(pid)


def _root(machine: str) -> Path:
    return _proc(machine) / "root"


def _inside(machine: str) -> list[str]:
    return ["nsenter", f"--target={machines.pid_of(machine)}", "--mount", "--pid", "--"]


def _in_machine(machine: str, argv: Sequence[str]) -> None:
    _ran([*_inside(machine), *argv], f"at {machine}")


def _ran(argv: Sequence[str], where: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_RUN_S, check=False)
    if done.returncode:
        busy = errno.EBUSY if "busy" in done.stderr else errno.EIO
        raise OSError(busy, f"{' '.join(argv[-2:])} {where}: {done.stderr.strip()}")
