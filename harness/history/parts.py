"""A history while it is made: a file for each client, with every operation as it was asked and as it ended.

In a run directory ``history/NAME/*.jsonl`` are the parts of the workload NAME. Their lines are those of the
public format. What a client asks for it writes down *before* it does so, with the outcome ``unknown`` and
no instant at which that was known; when the answer comes it writes the same operation again. So a client
that is killed leaves operations that may have taken effect, never records that nobody sent.

Joined, the parts are one history: each operation stands where it was asked, as it was last told. A last
line that was cut is dropped: nothing was done before its line was whole. ``seal`` replaces the parts by
``history/NAME.jsonl``, which ``harness verify --history`` takes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Hashable, Iterable
from pathlib import Path

from harness.errors import EvidenceError
from harness.history.lines import Unclear, line, parsed, read_numbered
from harness.history.operations import Commit, Fence, Operation, Send, Transaction
from harness.rundir import private, unwritable

SETTINGS = "0-settings"
"""The part that opens the history: it comes first by its name."""


class Part:
    """One client's part; a line is in the kernel's hands when ``write`` returns.

    Raises:
        MissingAbility: the folder cannot be written.
    """

    def __init__(self, folder: Path, client: str) -> None:
        self._path = folder / f"{client}.jsonl"
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def write(self, *operations: Operation) -> None:
        """Add *operations*.

        Raises:
            MissingAbility: the disk is full.
        """
        left = memoryview("".join(f"{line(each)}\n" for each in operations).encode())
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        """Close the file; writing afterwards is a defect."""
        os.close(self._fd)


def joined(folder: Path) -> list[Operation]:
    """The history whose parts lie in *folder*.

    Raises:
        EvidenceError: a line before the last of its part is damaged.
    """
    found: dict[Hashable, Operation] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, operation in enumerate(_operations(path)):
            found[_identity(operation) or (path.name, number)] = operation
    return list(found.values())


def stored(folder: Path) -> dict[str, dict[int, Operation]]:
    """Every history in *folder* by its workload's name, sealed or still in parts: operations by line.

    Those in parts are numbered as they will be once they are sealed.

    Raises:
        BadInput, EvidenceError: one is damaged.
    """
    whole = {path.stem: read_numbered(path) for path in sorted(folder.glob("*.jsonl"))}
    parts = {path.name: dict(enumerate(joined(path), 1)) for path in sorted(folder.glob("*/"))}
    return dict(sorted((parts | whole).items()))


def seal(folder: Path) -> None:
    """Replace the parts of every history in *folder* by one file."""
    for parts in sorted(folder.glob("*/")):
        whole = folder / f"{parts.name}.jsonl"
        _write(whole, joined(parts))
        shutil.rmtree(parts)


def _write(path: Path, operations: Iterable[Operation]) -> None:
    """Whole or not at all: a seal that was cut short is made again from the parts."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "w", encoding="utf-8", opener=private) as file:
            file.writelines(f"{line(each)}\n" for each in operations)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def _operations(path: Path) -> Iterable[Operation]:
    *lines, _cut = path.read_bytes().split(b"\n")  # a whole file ends in a line's end: its tail is empty
    for number, text in enumerate(lines, 1):
        try:
            yield parsed(text)
        except Unclear as error:
            raise EvidenceError(f"{path}, line {number} is damaged", why=str(error)) from error


def _identity(operation: Operation) -> Hashable:
    """What is the same for an operation that is told twice; None for one that is told once."""
    match operation:
        case Send():
            return "send", operation.producer, operation.topic, operation.partition, operation.sequence
        case Transaction():
            return "transaction", operation.transaction
        case Commit():
            began = operation.t[0]
            return "commit", operation.reader, operation.topic, operation.partition, operation.offset, began
        case Fence():
            return "fence", operation.topic, operation.partition
        case _:
            return None
