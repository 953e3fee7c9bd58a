"""The write-ahead journal of faults: ``journal.jsonl``.

Invariant: when ``write`` returns, the line is on the disk. ``planned`` is
written before anything is touched, so no fault is ever in force without a line
that names it; every other step states a fact that is already so. The steps of
one fault come in this order, and a fault that ended early lacks the later ones:

    planned → injected → effect-proven | effect-unproven → healed → healing-proven | healing-unproven

A fault whose effect was proven and then ended before it was healed gets a second
effect line, ``effect-unproven``. Lines have the shape of
``harness.model.JournalEntry``. Standard library only: ``heal`` and the watchdog
read journals on machines and at moments where nothing else may be importable.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from harness.clock import MONOTONIC, Clock, wall_label
from harness.errors import MissingAbility

Step: TypeAlias = Literal[
    "planned",
    "injected",
    "effect-proven",
    "effect-unproven",
    "healed",
    "healing-proven",
    "healing-unproven",
]

_ENDED = frozenset({"healed", "healing-proven"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What all lines of one fault have in common."""

    fault: int
    name: str
    kind: str
    target: str
    nodes: tuple[str, ...]
    why_this_target: str
    partitions: tuple[int, ...] = ()
    undo: tuple[dict[str, str], ...] = ()
    traits: dict[str, str] = field(default_factory=dict)


class Journal:
    """Appends to one journal; safe to call from any thread."""

    def __init__(self, path: Path, clock: Clock = MONOTONIC) -> None:
        self._path, self._clock, self._lock = path, clock, threading.Lock()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o600)
            _sync_folder(path.parent)
        except OSError as error:
            raise _unwritable(path, error) from error

    def write(
        self,
        step: Step,
        fault: Fault,
        *,
        t: int | None = None,
        proof: str = "",
        commands: tuple[str, ...] = (),
    ) -> int:
        """Append one line and sync it; returns its instant, *t* or now, in monotonic nanoseconds.

        Raises:
            MissingAbility: the disk is full or gone; the journal is as it was before.
        """
        instant = self._clock.now() if t is None else t
        line = asdict(fault) | {"t": instant, "wall": wall_label(), "step": step}
        line |= {"proof": proof, "commands": commands}
        self._append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        return instant

    def close(self) -> None:
        """Close the file; writing afterwards is a defect."""
        os.close(self._fd)

    def _append(self, line: bytes) -> None:
        with self._lock:
            whole = os.fstat(self._fd).st_size
            try:
                written = os.write(self._fd, line)
                if written != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._fd)
            except OSError as error:
                # Half a line would swallow the next one.
                os.ftruncate(self._fd, whole)
                raise _unwritable(self._path, error) from error


def read_lines(path: Path) -> Iterator[dict[str, object]]:
    """Every line of the journal at *path* that parses, as it stands; none when there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def open_faults(path: Path) -> list[dict[str, object]]:
    """The last line of every fault in the journal that was not healed, in the order of the faults."""
    last: dict[object, dict[str, object]] = {}
    for line in read_lines(path):
        last[str(line.get("fault"))] = line
    return [line for line in last.values() if line.get("step") not in _ENDED]


def _sync_folder(folder: Path) -> None:
    # A file is only on the disk when its name is.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> MissingAbility:
    return MissingAbility(
        f"cannot write {path}",
        why=error.strerror or str(error),
        fix="free space there, or choose another folder with --out",
    )
