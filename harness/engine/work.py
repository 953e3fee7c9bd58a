"""The two steps of the work as plain functions of their arguments: whoever distributes them, finds the same.

``runs_of_file`` maps one file, ``count_runs`` reduces and judges one partition. ``count_part`` is both of
them for one partition in one process, with what an interleaved history makes of it kept on disk.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.engine import judge
from harness.engine.blocks import blocks, require_in_range
from harness.engine.folder import Context, Part, Side
from harness.engine.runs import COLUMNS, Runs, Whole, mapped, reduced
from harness.errors import MissingAbility

SPILL_FROM = 1 << 20
"""So many runs are held in memory before it is asked whether they are too many."""

_FEW = 8
"""Runs are few while there are eight records in each."""


def runs_of_file(path: Path, side: Side, partition: int) -> Runs:
    """Map: the runs of one file.

    Raises:
        EvidenceError: the file is damaged.
        BadInput: it is of another schema, or a value out of range.
    """
    return reduced([runs for runs, _ in _mapped(path, side, partition)], lone=side == "consume")


def _mapped(path: Path, side: Side, partition: int) -> Iterator[tuple[Runs, int]]:
    """The runs of each block of a file, and how many rows they were."""
    for block in blocks(path, side, partition):
        runs = mapped(block)
        require_in_range(runs, path, side)
        yield runs, block.rows


def count_runs(context: Context, partition: int, produced: list[Runs], consumed: list[Runs]) -> judge.Counted:
    """Reduce: what the checkers count in one partition, of the runs of its files in their order."""
    produce, consume = reduced(produced, lone=False), reduced(consumed, lone=True)
    return judge.count(context, partition, produce, consume)


def count_part(context: Context, part: Part, spool: Path) -> judge.Counted:
    """Both steps for one partition; what is held in memory is a block of rows, and the partition's runs.

    Raises:
        EvidenceError: a file is damaged.
        BadInput: it is of another schema, or a value out of range.
        MissingAbility: *spool* is full.
    """
    with TemporaryDirectory(dir=spool) as mine:
        produce, consume = Pile(Path(mine), "produce"), Pile(Path(mine), "consume")
        produce.add_files(part.produce, part.partition)
        consume.add_files(part.consume, part.partition)
        if not (produce.spilled or consume.spilled):
            return judge.count(context, part.partition, produce.whole(), consume.whole())
        with _in_turn(spool):
            counted = judge.count(context, part.partition, produce.whole(), consume.whole())
        return replace(counted, spilled=True)


class Pile:
    """The runs of one side of a partition: in memory while they are few, else on disk until needed."""

    def __init__(self, folder: Path, side: Side, *, spill_from: int = SPILL_FROM) -> None:
        self._folder, self._side, self._most = folder, side, spill_from
        self._stored: list[Stored] = []
        self._held: list[Runs] = []
        self._rows = self._runs = 0

    @property
    def spilled(self) -> bool:
        """Whether any runs went to disk."""
        return bool(self._stored)

    def add_files(self, paths: Iterable[Path], partition: int) -> None:
        """Map every block of the files, in order."""
        for path in paths:
            for runs, rows in _mapped(path, self._side, partition):
                self.add(runs, rows)

    def add(self, runs: Runs, rows: int) -> None:
        """Put the runs of the next *rows* rows on the pile."""
        self._held.append(runs)
        self._rows += rows
        self._runs += runs.rows
        if sum(each.rows for each in self._held) > self._most and self._runs * _FEW > self._rows:
            self._spill()

    def whole(self) -> Runs:
        """All runs, reduced."""
        parts = [*(stored.load() for stored in self._stored), *self._held]
        self._held = []
        return reduced(parts, lone=self._side == "consume")

    def _spill(self) -> None:
        for runs in self._held:
            self._stored.append(Stored(self._folder / f"{self._side}-{len(self._stored)}", runs))
        self._held = []


class Stored:
    """Runs on disk, one file for each column that is not the same in all of them."""

    def __init__(self, place: Path, runs: Runs) -> None:
        self._lone = runs.lone
        self._columns = {name: _stored(place, name, getattr(runs, name)) for name in COLUMNS}

    def load(self) -> Runs:
        """The runs, mapped into memory."""
        return Runs(**{name: _loaded(kept) for name, kept in self._columns.items()}, lone=self._lone)


def _stored(place: Path, name: str, column: Whole) -> Whole | Path:
    if column.strides == (0,):
        return column
    path = place.with_name(f"{place.name}-{name}.npy")
    try:
        np.save(path, column)
    except OSError as error:
        why = error.strerror or str(error)
        raise MissingAbility(
            f"cannot write {path}", why=why, fix="free space there, or set TMPDIR"
        ) from error
    return path


def _loaded(kept: Whole | Path) -> Whole:
    return np.load(kept, mmap_mode="r") if isinstance(kept, Path) else kept


@contextmanager
def _in_turn(spool: Path) -> Iterator[None]:
    """One at a time: two interleaved partitions at once would take twice the memory."""
    with open(spool / "turn", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
