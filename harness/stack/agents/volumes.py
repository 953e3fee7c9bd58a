"""Volumes of pods on an agent's node: which one is a file system of its own, and how it is filled alone.

A volume is looked for where the kubelet mounted it for its pod. That place outlives the pod's containers, and
no container can put a link into the way there. A volume that is a folder of its node, as of a local-path or
hostPath claim, is no mount of the kubelet's or not the whole of its file system: it is never filled.

What fills a volume is a file without a name, which only a process of ours holds open. So no container sees
it, nothing that anybody made in there is taken for it, and the kernel gives the room back as soon as that
process is gone, however it ended: the agent undoes what stands, the harness's stream to the agent ends, or
somebody kills. Standard library only: agents run it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.stack.agents.pod_proc import PROC, start_ticks

KINDS: tuple[str, ...] = ("ext4", "xfs")
"""File systems with a size of their own that know files without a name; tmpfs is the node's memory."""

MOST_BYTES = 64 << 30
"""A larger one is not filled: it takes too long, and is hardly one pod's alone."""

PROBE_BYTES = 1 << 20
_PIECE = 1 << 30
_DEPTH = 3
_NAMELESS = os.O_TMPFILE | os.O_EXCL | os.O_WRONLY
"""With O_EXCL nobody can give it a name later."""

_HOLD = ("cat",)
"""It ends with its standard input: the agent's process has the other end."""

_SYSTEM = re.compile(r"/(boot|etc|home|opt|root|run|tmp|usr|var/(cache|lib|log|run|spool|tmp))(/|\Z)")
_STAGED = "/plugins/kubernetes.io/"
"""In the path where the kubelet mounts a volume once for all pods of the node."""


class NotItsOwn(ValueError):
    """A volume that cannot be filled alone; says why."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo: the device as ``major:minor``, which folder of it is where, and what it is."""

    device: str
    root: str
    place: str
    kind: str
    line: str


@dataclass
class Ballast:
    """What fills a volume: the room is taken while ``holder`` lives. ``filling`` is held while it grows."""

    holder: subprocess.Popen[bytes]
    filling: threading.Lock = field(default_factory=threading.Lock)

    def holds(self) -> bool:
        """Whether it still does."""
        return self.holder.poll() is None

    def end(self) -> None:
        """Give the room back; returns when the kernel has it."""
        self.holder.kill()
        self.holder.wait()
        with self.filling:
            assert self.holder.stdin is not None
            self.holder.stdin.close()


class Volumes:
    """The volumes of this node that one agent fills; safe to call from any thread.

    Args:
        note: told which process is about to hold a ballast: its pid and its start.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self._lock = note, threading.Lock()
        self._ballasts: dict[str, Ballast] = {}

    def look(self, pod: str, volume: str) -> tuple[str, int, bool]:
        """Where the node has it, its size in MiB, and whether it is neither read-only nor full by our doing.

        Raises:
            NotItsOwn: filling it would fill what is not this volume.
            OSError: it cannot be looked at.
        """
        mount = mounted(pod, volume)
        with opened(mount) as folder:
            told = os.fstatvfs(folder)
        size = told.f_blocks * told.f_frsize
        if size > MOST_BYTES:
            why = f"it has {size >> 30} GiB, and more than {MOST_BYTES >> 30} are not filled"
            raise NotItsOwn(why)
        whole = not told.f_flag & os.ST_RDONLY and not self._is_full(volume)
        return mount.place, size >> 20, whole

    def fill(self, pod: str, volume: str) -> None:
        """Take all the room that it has.

        Raises:
            NotItsOwn: filling it would fill what is not this volume.
            OSError: it is filled already, or the kernel refuses.
        """
        self.look(pod, volume)
        with opened(mounted(pod, volume)) as folder, _open(".", _NAMELESS, folder) as file:
            self._grow(volume, self._begun(volume, file), file)

    def free(self, volume: str) -> None:
        """Give it its room back; idempotent."""
        with self._lock:
            ballast = self._ballasts.pop(volume, None)
        if ballast is not None:
            ballast.end()

    def _grow(self, volume: str, ballast: Ballast, file: int) -> None:
        try:
            with ballast.filling:
                take(file, ballast.holds)
        except OSError:
            self.free(volume)
            raise

    def _begun(self, volume: str, file: int) -> Ballast:
        """A process of ours that holds *file*, noted before the file has any size."""
        with self._lock:
            if self._is_full(volume):
                raise OSError(errno.EBUSY, f"volume {volume} is filled already")
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            holder = subprocess.Popen(_HOLD, stdin=pipe, stdout=nowhere, stderr=nowhere, pass_fds=(file,))
            self._note(f"{holder.pid} {start_ticks(holder.pid)}")
            made = self._ballasts[volume] = Ballast(holder)
            return made

    def _is_full(self, volume: str) -> bool:
        return volume in self._ballasts and self._ballasts[volume].holds()


def mounted(pod: str, volume: str) -> Mount:
    """The mount of *volume*, by the name of its PersistentVolume, for the pod of that uid.

    Raises:
        NotItsOwn: see ``chosen``.
        OSError: the node's mounts cannot be read.
    """
    return chosen(mounts((PROC / "1/mountinfo").read_text()), pod, volume)


def mounts(told: str) -> list[Mount]:
    """Every mount that *told*, a file mountinfo, has; the later ones lie on top."""
    rows = ((line, line.split()) for line in told.splitlines())
    # 36 35 98:0 /root /place options [tag…] - type source options: proc_pid_mountinfo(5)
    return [Mount(row[2], row[3], row[4], row[row.index("-") + 1], line) for line, row in rows]


def chosen(found: Sequence[Mount], pod: str, volume: str) -> Mount:
    """The one of *found* that is the pod's volume, if it is a file system for the volume alone.

    Raises:
        NotItsOwn: there is none, it is of no kind that is filled, a part of a larger one, or its node has
            it elsewhere, too.
    """
    named = re.compile(rf".*/pods/{re.escape(pod)}/volumes/[^/]+/{re.escape(volume)}(/mount)?")
    own = [mount for mount in found if named.fullmatch(mount.place)]
    if not own:
        raise NotItsOwn("it is a folder of its node, whose file system it would fill")
    mount = own[-1]
    if mount.root != "/":
        raise NotItsOwn("it is a folder of a larger file system, which it would fill")
    if mount.kind not in KINDS:
        raise NotItsOwn(f"its file system is {mount.kind}, and only {' and '.join(KINDS)} are filled")
    same = (each.place for each in found if each.device == mount.device)
    shared = [place for place in same if not _serves(place, pod) and not _is_kept(place, found)]
    if shared:
        raise NotItsOwn(f"its node has the same file system at {shared[0]}")
    return mount


def _serves(place: str, pod: str) -> bool:
    """Whether a mount at *place* is the pod's own, or the kubelet's for whoever uses the volume."""
    return f"/pods/{pod}/" in place or _STAGED in place


def _is_kept(place: str, found: Sequence[Mount]) -> bool:
    """Whether a disk is only kept at *place*: a local volume's is mounted somewhere first, /mnt/disks/a.

    What is /, /data or /var/lib is not that, nor where other things are mounted or a container has layers.
    """
    apart = place.count("/") > 1 and not _SYSTEM.match(place) and "/pods/" not in place
    return apart and not any(f"{place}/" in each.line for each in found)


@contextlib.contextmanager
def opened(mount: Mount) -> Iterator[int]:
    """Its uppermost folder, open while the block runs.

    Raises:
        OSError: it is not mounted any more.
    """
    place = PROC / "1/root" / mount.place.lstrip("/")
    with _open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) as folder:
        device = os.fstat(folder).st_dev
        if mount.device != f"{os.major(device)}:{os.minor(device)}":
            raise OSError(errno.ESTALE, f"{mount.place} is another file system now")
        yield folder


def take(file: int, goes_on: Callable[[], bool]) -> None:
    """Give all that is free to *file*, what is kept for root as well, in ever smaller pieces at the end.

    Raises:
        OSError: the kernel refuses for another reason than want of room, or nobody holds the file any more.
    """
    end, piece, least = 0, _PIECE, os.fstatvfs(file).f_frsize
    while piece >= least:
        if not goes_on():
            raise OSError(errno.ESRCH, "what was to hold the room is gone")
        try:
            os.posix_fallocate(file, end, piece)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            piece //= 2
        else:
            end += piece


def refused(pod: str, volume: str) -> int:
    """The error number with which a volume refuses 1 MiB; 0: it takes it. Nothing of it is ever seen.

    Raises:
        NotItsOwn: it is not one that we fill.
        OSError: it is not mounted.
    """
    with opened(mounted(pod, volume)) as folder:
        try:
            with _open(".", _NAMELESS, folder) as file:
                left = PROBE_BYTES
                while left:
                    left -= os.write(file, bytes(left))
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def is_readable(pod: str, volume: str) -> bool:
    """Whether its folder, and a file if there is one, can be read; links, pipes and devices are not opened.

    Raises:
        NotItsOwn: it is not one that we fill.
        OSError: it is not mounted.
    """
    with opened(mounted(pod, volume)) as folder:
        try:
            _read_one(folder, _DEPTH)
        except OSError:
            return False
    return True


def _read_one(folder: int, depth: int) -> bool:
    """Read of the first file in *folder*, or so deep below it; whether there is one."""
    for name in sorted(os.listdir(folder)):
        with contextlib.suppress(FileNotFoundError), _open(name, os.O_PATH | os.O_NOFOLLOW, folder) as entry:
            # Opened again is what was looked at, whatever has its name by now.
            mode, again = os.fstat(entry).st_mode, f"/proc/self/fd/{entry}"
            if stat.S_ISREG(mode):
                with _open(again, os.O_RDONLY) as file:
                    os.read(file, 1)
                return True
            if stat.S_ISDIR(mode) and depth:
                with _open(again, os.O_RDONLY | os.O_DIRECTORY) as below:
                    if _read_one(below, depth - 1):
                        return True
    return False


@contextlib.contextmanager
def _open(name: str | Path, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
