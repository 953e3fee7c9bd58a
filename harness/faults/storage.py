"""Faults on disks: full, or read-only.

A node's disk is a tmpfs of its own, a pod's claim a file system in a file of its machine
(``harness.stack.kind.machine_disks``), or in somebody's cluster one that only an agent reaches
(``harness.stack.agents.volumes``). The first becomes full by a remount to the size that is in use, the
others by a file that takes all that is free; so the first byte more is refused with ENOSPC, by the kernel, to
whoever writes it. It becomes read-only by a remount; the kernel grants that only while nobody has a file open
for writing, so a service that has is killed first and started again on the read-only disk, as after a crash
of its machine.

Many services end when their disk fails them: that is what they should do. One
that did is started again at the healing, and the proof says so.
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from harness.errors import FaultError, StackError
from harness.faults.disks import Disk, disks
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.reach import Pair
from harness.stack.disks import AnyDisk, DiskAt
from harness.stack.kind.machine_disks import RESTORE, MachineDisk
from harness.stack.seams import Service
from harness.waiting import NotYet, wait_for

_GONE_SECONDS, _FROZEN_SECONDS = 5.0, 3.0


@dataclass(frozen=True, slots=True)
class Mounted:
    """A tmpfs that is mounted here, at *place*."""

    place: str

    @property
    def undo(self) -> dict[str, str]:
        """Its place."""
        return {"place": self.place}

    def commands(self, *, read_only: bool) -> tuple[str, ...]:
        """A remount."""
        return (f"mount -o remount,{'ro' if read_only else 'size=<what is used>'} {self.place}",)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """A remount to the size that it has when nothing is wrong with it."""
        found = self.find()
        size = f"{found.megabytes}m" if found is not None else "<as before>"
        return (f"mount -o remount,rw,size={size} {self.place}",)

    def find(self) -> Disk | None:
        """The mount."""
        return next((disk for disk in disks() if disk.place == self.place), None)


@dataclass(frozen=True, slots=True)
class OnMachine:
    """The disk of a claim, on a machine of the cluster."""

    disk: MachineDisk

    @property
    def undo(self) -> dict[str, str]:
        """Its machine and its place there."""
        return {"machine": self.disk.machine, "place": self.disk.place}

    def commands(self, *, read_only: bool) -> tuple[str, ...]:
        """A remount, or a file that takes all there is."""
        return self.disk.fill_commands(read_only=read_only)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """Both undone."""
        return self.disk.restore_commands

    def find(self) -> MachineDisk | None:
        """The disk, while its machine runs and has it mounted."""
        return self.disk if self.disk.is_mounted else None


@dataclass
class DiskFault:
    """The disks of *services*, at *places*, made full or read-only."""

    services: Mapping[str, Service]
    places: Mapping[str, DiskAt]
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
        read_only = self.read_only
        return tuple(
            command for place in self.places.values() for command in place.commands(read_only=read_only)
        )

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(command for place in self.places.values() for command in place.undo_commands)

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """Which disks are to be restored."""
        return tuple({"do": RESTORE, "node": name, **place.undo} for name, place in self.places.items())

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
                self._fill(name, disk)

    def landed(self) -> Seen:
        """Whether a write is refused with the right error, and reading goes on."""
        wanted = errno.EROFS if self.read_only else errno.ENOSPC
        words = []
        for name in self.places:
            disk = self._disk(name)
            refused = disk.probe()
            if refused != wanted:
                return Seen(ok=False, words=f"{name}: a write {_outcome(refused)}")
            if not disk.is_readable():
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
            disk.restore()
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
            if (refused := disk.probe()) or not disk.whole:
                return Seen(ok=False, words=f"{name}: a write {_outcome(refused)}, its disk is not whole")
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

    def _fill(self, name: str, disk: AnyDisk) -> None:
        try:
            disk.fill()
        except OSError as error:
            raise FaultError(f"the disk of {name} could not be made full", why=str(error)) from error

    def _make_read_only(self, name: str, disk: AnyDisk) -> None:
        try:
            disk.freeze()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise FaultError(f"the disk of {name} stays writable", why=str(error)) from error
            service = self.services[name]
            self._restarted.add(name)
            _end(service)
            self._freeze(name, disk)
            with suppress(StackError):  # it may end at once, as it should
                service.start()

    def _freeze(self, name: str, disk: AnyDisk) -> None:
        """Once its last writer is gone: the kernel may take a moment to close what a dead one had open."""

        def freeze() -> None:
            try:
                disk.freeze()
            except OSError as error:
                raise NotYet(str(error)) from error

        try:
            wait_for(freeze, what=f"the disk of {name}", seconds=_FROZEN_SECONDS, every=0.01)
        except StackError as error:
            raise FaultError(f"the disk of {name} stays writable", why=error.why) from error

    def _disk(self, name: str) -> AnyDisk:
        place = self.places[name]
        found = place.find()
        if found is None:
            where = place.undo["place"]
            raise FaultError(
                f"{name} has no disk of its own", why=f"nothing that we know is mounted at {where}"
            )
        return found


def _end(service: Service) -> None:
    with suppress(ProcessLookupError):
        service.process.send(signal.SIGKILL)
    service.process.wait_gone(_GONE_SECONDS)


def _outcome(number: int) -> str:
    return f"fails with {errno.errorcode.get(number, str(number))}" if number else "succeeds"
