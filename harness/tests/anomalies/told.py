"""Short words for the operations of hand-written histories."""

from __future__ import annotations

from typing import Any

from harness.anomalies.judge import HistoryVerdict, judge
from harness.findings import Finding
from harness.history.operations import (
    Commit,
    Consumed,
    Delivered,
    End,
    Fence,
    History,
    Move,
    Operation,
    Poll,
    Reader,
    Send,
    Transaction,
)
from harness.history.table import tabulate


class Story:
    """Operations one after the other; each takes one instant, so that none overlaps another."""

    def __init__(self, **settings: Any) -> None:
        self.operations: list[Operation] = [History(**settings)]
        self.now = 0

    def send(
        self, sequence: int, offset: int | None = None, outcome: End = "ok", producer: int = 1, **more: Any
    ) -> Story:
        """An attempt of *producer* at partition 0."""
        told = {"partition": 0, "t": self._instants(), **more}
        return self._add(Send(producer=producer, sequence=sequence, offset=offset, outcome=outcome, **told))

    def poll(
        self, start: int, end: int, *records: tuple[int, int], reader: int = 9, producer: int = 1, **more: Any
    ) -> Story:
        """A poll that was handed (offset, sequence) pairs of *producer*."""
        handed = tuple(Delivered(offset=o, producer=producer, sequence=s) for o, s in records)
        told = {"partition": 0, "t": self._instants(), "records": handed, **more}
        return self._add(Poll(reader=reader, position=(start, end), **told))

    def delivered(self, start: int, end: int, *records: Delivered, reader: int = 9, **more: Any) -> Story:
        """A poll that was handed *records*."""
        told = {"partition": 0, "t": self._instants(), **more}
        return self._add(Poll(reader=reader, position=(start, end), records=records, **told))

    def reads(self, reader: int = 9, **how: Any) -> Story:
        """How a reader reads."""
        return self._add(Reader(reader=reader, **how))

    def moves(self, why: Any, reader: int = 9) -> Story:
        """A reader's position was set."""
        return self._add(Move(reader=reader, partition=0, t=self._instants()[0], why=why))

    def ends(
        self,
        transaction: str,
        end: Any = "commit",
        outcome: End = "ok",
        consumed: tuple[tuple[int, int], ...] = (),
        **more: Any,
    ) -> Story:
        """A transaction ends; *consumed* are input offsets [first, until) of group g, partition 7."""
        inputs = tuple(Consumed(group="g", partition=7, first=a, until=b) for a, b in consumed)
        told = {"t": self._instants(), "consumed": inputs, **more}
        return self._add(Transaction(transaction=transaction, end=end, outcome=outcome, **told))

    def commits(self, offset: int, outcome: End = "ok", reader: int = 9, **more: Any) -> Story:
        """A member of group g commits."""
        told = {"partition": 0, "t": self._instants(), **more}
        return self._add(Commit(group="g", reader=reader, offset=offset, outcome=outcome, **told))

    def fence(self, end: int, *, first: int = 0, stable: int | None = None, partition: int = 0) -> Story:
        """The end of a partition."""
        return self._add(
            Fence(partition=partition, first=first, end=end, stable=end if stable is None else stable)
        )

    def judged(self) -> HistoryVerdict:
        """What all checks say."""
        return judge(tabulate(self.operations), len(self.operations))

    def finding(self, checker: str) -> Finding | None:
        """What one check says, if it has anything to say."""
        return next((each for each in self.judged().findings if each.checker == checker), None)

    def violations(self) -> dict[str, int]:
        """How many violations each check that found any has found."""
        return {each.checker: each.violations for each in self.judged().findings if each.violations}

    def _instants(self) -> tuple[int, int]:
        self.now += 10
        return self.now, self.now + 5

    def _add(self, operation: Operation) -> Story:
        self.operations.append(operation)
        return self
