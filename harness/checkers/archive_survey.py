"""The archive and the source log as sets of places: what is missing, what is twice, what should not be.

A record's place in the log is its partition and offset. All places are put on one line of integers, partition
after partition with a gap between them, so that ten million of them are a few sorts.
Invariant: a missing record is an input the job had to archive; a phantom is none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from harness.checkers.spans import Spans, covered_twice, union
from harness.ledger.evidence import Archive, Evidence, Inputs, Ints, Objects
from harness.model import HopRead, PipelinePlanned

UNREADABLE = "unreadable"
"""What the flaw of an object begins with that could not be fetched: unseen, not damaged."""


@dataclass(frozen=True, eq=False)
class Shelf:
    """The line of integers: partition p's offset o is ``base[p] + o``."""

    partitions: Ints
    base: Ints

    def position(self, partition: Ints, offset: Ints) -> Ints:
        """Where places are on the line."""
        return self.base[np.searchsorted(self.partitions, partition)] + offset

    def place(self, position: int) -> tuple[int, int]:
        """Partition and offset of a position."""
        row = int(np.searchsorted(self.base, position, side="right")) - 1
        return int(self.partitions[row]), position - int(self.base[row])


@dataclass(frozen=True)
class Survey:
    """One run's archive against its source log."""

    evidence: Evidence
    shelf: Shelf
    placed: Ints
    """The position of every input."""
    low: Ints
    high: Ints
    """The positions of every run of the archive."""

    @cached_property
    def valid(self) -> Spans:
        """What had to be archived."""
        return _singles(self.placed[self.evidence.inputs.flaw == ""])

    @cached_property
    def archived(self) -> Spans:
        """What lies in the archive at least once."""
        return union(self.low, self.high)

    @cached_property
    def missing(self) -> Spans:
        """What had to be archived and was not seen."""
        return self.valid - self.archived

    @cached_property
    def repeated(self) -> Spans:
        """What lies in the archive more than once."""
        return covered_twice(self.low, self.high)

    @cached_property
    def phantoms(self) -> Spans:
        """What lies in the archive and must not; beyond the end of an incomplete reading nothing is known."""
        strangers = self.archived - self.valid
        return strangers if is_complete(self.evidence, "source") else strangers & self._read

    @property
    def _read(self) -> Spans:
        """From each partition's first offset to the last input that was read."""
        inputs, shelf = self.evidence.inputs, self.shelf
        last = _last(shelf.partitions, inputs.partition, inputs.offset)
        return union(shelf.base, shelf.base + last + 1)

    @property
    def unreadable(self) -> int:
        """How many objects could not be fetched."""
        return sum(str(flaw).startswith(UNREADABLE) for flaw in self.objects.flaw)

    @cached_property
    def objects(self) -> Objects:
        """The objects of the archive; other hops number theirs on their own."""
        planned, found = self.evidence.last(PipelinePlanned), self.evidence.objects
        if planned is None:
            return found
        bucket, _, prefix = planned.archive.removeprefix("s3://").partition("/")
        names = zip(found.bucket, found.name, strict=True)
        own = [b == bucket and str(name).startswith(prefix) for b, name in names]
        rows = np.flatnonzero(np.asarray(own, np.bool_))
        return Objects(**{each.name: getattr(found, each.name)[rows] for each in fields(Objects)})


def survey(evidence: Evidence) -> Survey:
    """Lay the inputs and the archive of *evidence* side by side."""
    inputs, archive = evidence.inputs, evidence.archive
    shelf = _shelf(inputs, archive)
    kept = archive.count > 0
    low = shelf.position(archive.partition[kept], archive.first_offset[kept])
    return Survey(
        evidence, shelf, shelf.position(inputs.partition, inputs.offset), low, low + archive.count[kept]
    )


def hop(evidence: Evidence, name: str) -> HopRead | None:
    """The last word on a hop; None when nobody read it."""
    told = [event for event in evidence.events if isinstance(event, HopRead) and event.hop == name]
    return told[-1] if told else None


def is_complete(evidence: Evidence, name: str) -> bool:
    """Whether all of a hop was read."""
    told = hop(evidence, name)
    return told is not None and told.complete


def _shelf(inputs: Inputs, archive: Archive) -> Shelf:
    partition = np.concatenate((inputs.partition, archive.partition))
    end = np.concatenate((inputs.offset, archive.first_offset + archive.count))
    partitions = _distinct(partition)
    room = _last(partitions, partition, end) + 2
    return Shelf(partitions, np.concatenate(([0], np.cumsum(room)[:-1])).astype(np.int64)[: len(partitions)])


def _last(partitions: Ints, partition: Ints, offset: Ints) -> Ints:
    """The greatest offset in each of *partitions*; -1 where there is none."""
    last = np.full(len(partitions), -1, np.int64)
    np.maximum.at(last, np.searchsorted(partitions, partition), offset)
    return last


def _distinct(values: Ints) -> Ints:
    """The values that occur, ascending; ``np.unique`` hashes, which takes ten times as long."""
    ordered = np.sort(values)
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) > 0]


def _singles(positions: Ints) -> Spans:
    """Integers, repeated or not, as spans."""
    if not len(positions):
        return Spans()
    ascend = bool((positions[1:] >= positions[:-1]).all())
    ordered = positions if ascend else np.sort(positions)
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 2) > 1)
    return Spans(ordered[starts], ordered[np.append(starts[1:], len(ordered)) - 1] + 1)
