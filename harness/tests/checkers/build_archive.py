"""Archives by hand: inputs and objects told in a few lines, for the tests of the archive checkers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from harness.ledger import schema
from harness.ledger.evidence import Archive, Evidence, Inputs, Objects, empty
from harness.model import Budgets, Event, Guarantee, HopRead, RunStarted
from harness.names import GuaranteeName
from harness.tests.checkers.build import WALL, Story, at

ALL: tuple[GuaranteeName, ...] = ("archive_complete", "archive_single", "archive_intact")


@dataclass
class Shelves:
    """One run's inputs and archive, row by row. The sequence of a record is its offset plus 100."""

    asked: tuple[GuaranteeName, ...] = ALL
    allowed: int = 0
    complete: tuple[Literal["source", "archive"], ...] = ("source", "archive")
    detail: str = ""
    inputs: list[tuple[int, int, str]] = field(default_factory=list)
    objects: list[tuple[str, str]] = field(default_factory=list)
    runs: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def log(self, partition: int, *offsets: int, flaw: str = "") -> Shelves:
        """Records of the source log."""
        self.inputs += [(partition, offset, flaw) for offset in offsets]
        return self

    def object(self, name: str, *runs: tuple[int, int, int], flaw: str = "") -> Shelves:
        """An object with runs of (partition, first offset, count)."""
        line = 1
        for partition, first, count in runs:
            self.runs.append((len(self.objects), line, partition, first, count))
            line += count
        self.objects.append((name, flaw))
        return self

    def evidence(self) -> Evidence:
        """The run, as if it had been loaded."""
        return replace(
            Story().evidence(),
            events=self._events(),
            inputs=self._inputs(),
            archive=self._archive(),
            objects=self._objects(),
        )

    def _events(self) -> tuple[Event, ...]:
        guarantees = tuple(Guarantee(name=name, allowed=self.allowed) for name in self.asked)
        started = RunStarted(
            t=at(0),
            wall=WALL,
            run_id="archive",
            scenario="archive",
            title="",
            platform="local",
            stack="edge",
            seed=1,
            guarantees=guarantees,
            budgets=Budgets(),
            command=(),
        )
        hops = [
            HopRead(t=at(9), wall=WALL, hop=name, complete=name in self.complete, detail=self.detail)
            for name in ("source", "archive")
        ]
        return (started, *hops)

    def _inputs(self) -> Inputs:
        if not self.inputs:
            return empty(Inputs, schema.INPUTS)
        partition, offset, flaw = zip(*self.inputs, strict=True)
        zeros = np.zeros(len(partition), np.int64)
        return Inputs(
            partition=np.asarray(partition),
            offset=np.asarray(offset),
            producer=zeros + 1,
            sequence=np.asarray(offset) + 100,
            key=zeros,
            event_ms=zeros,
            value=zeros,
            flaw=np.asarray(flaw, np.object_),
        )

    def _archive(self) -> Archive:
        if not self.runs:
            return empty(Archive, schema.ARCHIVE)
        return Archive(*(np.asarray(column) for column in zip(*self.runs, strict=True)))

    def _objects(self) -> Objects:
        numbers = np.arange(len(self.objects))
        lines = [sum(run[4] for run in self.runs if run[0] == number) for number in numbers.tolist()]
        return Objects(
            object=numbers,
            bucket=np.asarray(["edge-archive"] * len(numbers), np.object_),
            name=np.asarray([name for name, _ in self.objects], np.object_),
            bytes=numbers + 100,
            lines=np.asarray(lines, np.int64),
            flaw=np.asarray([flaw for _, flaw in self.objects], np.object_),
        )
