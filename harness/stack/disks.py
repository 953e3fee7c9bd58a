"""What a fault asks of a node's disk, wherever the disk is, and how one that is seen here is tried.

Standard library only: whoever heals looks at disks, too.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

_PROBE = ".harness-probe"
_PROBE_BYTES = 1 << 20


class AnyDisk(Protocol):
    """A disk that can be full or read-only, and whole again. All raise OSError or FaultError."""

    @property
    def megabytes(self) -> int:
        """Its size when nothing is wrong with it."""
        ...

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it by our doing."""
        ...

    def fill(self) -> None:
        """Leave no room."""
        ...

    def freeze(self) -> None:
        """Take no writes; EBUSY while somebody has a file open for writing."""
        ...

    def restore(self) -> None:
        """Undo both; idempotent."""
        ...

    def probe(self) -> int:
        """The error number with which it refuses 1 MiB; 0: it takes it. Leaves nothing."""
        ...

    def is_readable(self) -> bool:
        """Whether its folder, and a file if there is one, can be read."""
        ...


@runtime_checkable
class DiskAt(Protocol):
    """Where a node's disk is, whatever is in its place now."""

    @property
    def undo(self) -> dict[str, str]:
        """What the journal notes of it: under ``place`` where it is."""
        ...

    def commands(self, *, read_only: bool) -> tuple[str, ...]:
        """What makes it full or read-only, as a person would paste it."""
        ...

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What restores it, as a person would paste it."""
        ...

    def find(self) -> AnyDisk | None:
        """The disk now; None: there is none that we know."""
        ...


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


def is_readable(place: Path) -> bool:
    """Whether the folder, and a file if there is one, can be read."""
    try:
        files = (Path(folder) / name for folder, _, names in os.walk(place) for name in names)
        with suppress(StopIteration), next(files).open("rb") as file:
            file.read(1)
        list(place.iterdir())
    except OSError:
        return False
    return True
