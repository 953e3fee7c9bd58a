"""Faults on disks: full, or read-only.

A node's disk is a tmpfs of its own. It becomes full by a remount to the size that
is in use, so the first byte more is refused with ENOSPC, by the kernel, to
whoever writes it. It becomes read-only by a remount too; the kernel grants that
only while nobody has a file open for writing, so a service that has is killed
first and started again on the read-only disk, as after a crash of its machine.

Many services end when their disk fails them: that is what they should do. One
that did is started again at the healing, and the proof says so.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import FaultError, StackError
from harness.faults.disks import Disk, disks, restore
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.reach import Pair
from harness.stack import syscalls
from harness.stack.seams import Service

_PROBE = ".harness-probe"
_PROBE_BYTES = 1 << 20
_GONE_SECONDS = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MARGINS = (_PAGE, _PAGE, 16 * _PAGE, 64 * _PAGE, 256 * _PAGE)
"""Room that is left: a service may have written between the look at what is used and the remount."""


@dataclass
class DiskFault:
    """The disks of *services*, at *places*, made full or read-only."""

    services: Mapping[str, Service]
    places: Mapping[str, Path]
    read_only: bool
    ready_seconds: float
    listeners: frozenset[Pair] = frozenset()
    _down: set[str] = field(default_factory=set)
    """Whose service another fault had ended before: it is that one's to start."""

    _restarted: set[str] = field(default_factory=set)
    """Whose service runs, or ended, on a read-only disk that we started it on."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs."""
        how = "ro" if self.read_only else "size=<what is used>"
        return tuple(f"mount -o remount,{how} {place}" for place in self.places.values())

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(
            f"mount -o remount,rw,size={self._size(name)} {self.places[name]}" for name in self.places
        )

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """Which disks are to be restored."""
        return tuple(
            {"do": "restore-disk", "node": name, "place": str(place)} for name, place in self.places.items()
        )

    @property
    def footprint(self) -> Footprint:
        """A service may end of it, or live on: connections to it are not judged."""
        return Footprint(severed=frozenset(), unsure=self.listeners)

    def inject(self) -> None:
        """Remount every disk.

        Raises:
            FaultError: there is no such disk, it is not whole, or the kernel refused.
        """
        for name in self.places:
            disk = self._disk(name)
            if not disk.whole:
                raise FaultError(f"the disk of {name} is not whole", fix="heal the other fault first")
            if not self.services[name].process.is_alive():
                self._down.add(name)
            if self.read_only:
                self._make_read_only(name, disk)
            else:
                _fill(disk)

    def landed(self) -> Seen:
        """Whether a write is refused with the right error, and reading goes on."""
        wanted = errno.EROFS if self.read_only else errno.ENOSPC
        words = []
        for name in self.places:
            disk = self._disk(name)
            refused = write_probe(disk.seen)
            if refused != wanted:
                return Seen(ok=False, words=f"{name}: a write {_outcome(refused)}")
            if not _readable(disk.seen):
                return Seen(ok=False, words=f"{name}: reading fails as well")
            again = f", {name} was killed and started on it" if name in self._restarted else ""
            words.append(f"{name}: a write {_outcome(refused)}, reading goes on{again}")
        return Seen(ok=True, words="; ".join(words))

    def traces(self) -> Seen:
        """Nothing beside what the write said."""
        return Seen(ok=True, words="")

    def still(self) -> Seen:
        """Whether nobody restored a disk meanwhile; what a service deletes it may write anew."""
        whole = [name for name in self.places if self._disk(name).whole]
        return Seen(ok=not whole, words=f"the disk of {', '.join(whole)} is whole" if whole else NOTHING_LOST)

    def heal(self) -> None:
        """Restore every disk, then start the services that ended; idempotent."""
        for name, service in self.services.items():
            disk = self._disk(name)
            restore(disk.place, disk.megabytes)
            if name in self._restarted and service.process.is_alive():
                _end(service)  # whatever it made of its read-only disk
            self._restarted.discard(name)
            if name not in self._down and not service.process.is_alive():
                service.start()

    def healed(self) -> Seen:
        """Whether every disk takes a write and has its size, and every service serves; waits for it."""
        words = []
        for name in self.services:
            disk = self._disk(name)
            if (refused := write_probe(disk.seen)) or not disk.whole:
                return Seen(ok=False, words=f"{name}: a write {_outcome(refused)}, {disk.size} bytes in all")
            try:
                words.append(f"{name}: a write {_outcome(0)}, {disk.megabytes} MiB, {self._serves(name)}")
            except StackError as error:
                return Seen(ok=False, words=f"{name} does not serve: {error.sentence()}")
        return Seen(ok=True, words="; ".join(words))

    def _serves(self, name: str) -> str:
        """Wait until it serves; one that was still dying of its disk is started once more."""
        service = self.services[name]
        before = service.process
        if name in self._down and not before.is_alive():
            return "down by another fault"
        try:
            return service.wait_ready(self.ready_seconds)
        except StackError:
            if before.is_alive():
                raise
        service.start()
        return f"died of it and was started again, {service.wait_ready(self.ready_seconds)}"

    def _make_read_only(self, name: str, disk: Disk) -> None:
        try:
            _remount_read_only(disk)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise FaultError(f"the disk of {name} stays writable", why=str(error)) from error
            service = self.services[name]
            self._restarted.add(name)
            _end(service)
            _remount_read_only(disk)
            with suppress(StackError):  # it may end at once, as it should
                service.start()

    def _disk(self, name: str) -> Disk:
        place = str(self.places[name])
        found = next((disk for disk in disks() if disk.place == place), None)
        if found is None:
            raise FaultError(
                f"{name} has no disk of its own", why=f"nothing that we know is mounted at {place}"
            )
        return found

    def _size(self, name: str) -> str:
        place = str(self.places[name])
        return next((f"{disk.megabytes}m" for disk in disks() if disk.place == place), "<as before>")


def write_probe(place: Path) -> int:
    """The error number with which the disk at *place* refuses 1 MiB; 0: it takes it. Leaves nothing."""
    path = place / _PROBE
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        return error.errno or errno.EIO
    try:
        left = _PROBE_BYTES
        while left:
            left -= os.write(descriptor, bytes(left))
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()
    return 0


def _fill(disk: Disk) -> None:
    """Shrink the disk to what is used."""
    for margin in _MARGINS:
        with suppress(OSError):
            # A size of 0 would mean "without a limit".
            syscalls.mount("none", disk.place, "tmpfs", syscalls.MS_REMOUNT, f"size={disk.used + margin}")
            return
    raise FaultError(f"the disk of {disk.node} could not be made full", why="more is written all the time")


def _remount_read_only(disk: Disk) -> None:
    syscalls.mount("none", disk.place, "tmpfs", syscalls.MS_REMOUNT | syscalls.MS_RDONLY)


def _end(service: Service) -> None:
    with suppress(ProcessLookupError):
        service.process.send(signal.SIGKILL)
    service.process.wait_gone(_GONE_SECONDS)


def _readable(place: Path) -> bool:
    """Whether the folder, and a file if there is one, can be read."""
    try:
        files = (Path(folder) / name for folder, _, names in os.walk(place) for name in names)
        with suppress(StopIteration), next(files).open("rb") as file:
            file.read(1)
        list(place.iterdir())
    except OSError:
        return False
    return True


def _outcome(number: int) -> str:
    return f"fails with {errno.errorcode.get(number, str(number))}" if number else "succeeds"
