"""A small cluster that is correct, and clients of it that overlap, crash and are left without answers.

It stands for no broker: it only says what happened, in an order that a correct cluster permits, so that no
check may find anything in it. Every operation begins, takes effect and is answered at instants of its own,
and between them others go on. Everything follows from one source of chance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from harness.history.operations import (
    Commit,
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

GROUP, COMMITTED, UNCOMMITTED, MEMBER = "g", 1001, 1002, 1003
"""Three readers that read while records are written, the last one as a member of the group."""

LAST_COMMITTED, LAST_UNCOMMITTED = 1004, 1005
"""Two that read everything at the end."""

Life: TypeAlias = Iterator[None]
"""What one client does; it is suspended where others may go on."""

_Outcome: TypeAlias = Generator[None, None, End]
_Answered: TypeAlias = Generator[None, None, bool]
_Offset: TypeAlias = Generator[None, None, int]


@dataclass
class Written:
    """A record in a log."""

    producer: int
    sequence: int
    transaction: str = ""


@dataclass
class Log:
    """A partition: records, markers (None), and which of its transactions are open or aborted."""

    entries: list[Written | None] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    """By transaction: where it begins."""
    aborted: set[str] = field(default_factory=set)

    @property
    def stable(self) -> int:
        """The last stable offset."""
        return min(self.open.values(), default=len(self.entries))

    def append(self, written: Written) -> int:
        """Its offset."""
        if written.transaction:
            self.open.setdefault(written.transaction, len(self.entries))
        self.entries.append(written)
        return len(self.entries) - 1

    def end(self, transaction: str, *, commits: bool) -> None:
        """Write the marker, where it is open."""
        if self.open.pop(transaction, None) is None:
            return
        self.entries.append(None)
        if not commits:
            self.aborted.add(transaction)

    def read(self, first: int, until: int, *, committed: bool) -> tuple[Delivered, ...]:
        """What a reader is handed of [first, until)."""
        found = enumerate(self.entries[first:until], first)
        return tuple(
            Delivered(offset=offset, producer=one.producer, sequence=one.sequence)
            for offset, one in found
            if one is not None and not (committed and one.transaction in self.aborted)
        )


class World:
    """Clients that go on by turns until each has done its steps; ``operations`` is what they tell.

    Args:
        chance: decides everything.
        steps: how many operations each client makes.
        partitions: how many logs there are.
        eager: whether every poll is handed all that is there, or a part of it.
    """

    def __init__(self, chance: Random, *, steps: int = 12, partitions: int = 2, eager: bool = False) -> None:
        self.chance, self.steps, self.eager = chance, steps, eager
        self.operations: list[Operation] = [History()]
        self.logs = [Log() for _ in range(partitions)]
        self.held = 0
        """For how long the transaction lay open that did so longest."""
        self._opened: dict[str, int] = {}
        self._now = 0
        self._producers = 0
        self._run()

    def tick(self) -> int:
        """An instant that nobody else has."""
        self._now += 1
        return self._now

    def _run(self) -> None:
        self._say(Reader(reader=COMMITTED), Reader(reader=UNCOMMITTED, isolation="uncommitted"))
        self._say(Reader(reader=MEMBER, mode="subscribe", group=GROUP))
        lives = [self._plain(), self._plain(), self._transactional("w1"), self._transactional("w2")]
        lives += [self._reading(COMMITTED), self._reading(UNCOMMITTED), self._member()]
        while lives:
            life = self.chance.choice(lives)
            if next(life, lives) is lives:
                lives.remove(life)
        self._last_look()

    def _say(self, *operations: Operation) -> None:
        self.operations += operations

    def _new_producer(self) -> int:
        self._producers += 1
        return self._producers

    def _plain(self) -> Life:
        """Sends with every outcome; what got no answer is tried again by some."""
        producer, sequences = self._new_producer(), dict.fromkeys(range(len(self.logs)), 0)
        for _ in range(self.steps):
            partition = self.chance.randrange(len(self.logs))
            sequence = sequences[partition]
            sequences[partition] += 1
            tries = self.chance.choice([1, 1, 2])
            for _ in range(tries):
                outcome = yield from self._send(producer, partition, sequence)
                if outcome != "unknown":
                    break

    def _send(self, producer: int, partition: int, sequence: int, transaction: str = "") -> _Outcome:
        """One attempt; it took effect or not, and its client learns that or not."""
        begun, offset = self.tick(), None
        yield
        if self.chance.random() < 0.85:
            self._opened.setdefault(transaction, self._now)
            offset = self.logs[partition].append(Written(producer, sequence, transaction))
        yield
        known = self.chance.random() < 0.8
        outcome: End = "unknown" if not known else "fail" if offset is None else "ok"
        answered = self.tick() if known or self.chance.random() < 0.5 else None
        self._say(
            Send(
                producer=producer,
                partition=partition,
                sequence=sequence,
                t=(begun, answered),
                outcome=outcome,
                offset=offset if outcome == "ok" else None,
                transaction=transaction,
            )
        )
        return outcome

    def _transactional(self, writer: str) -> Life:
        """Transactions that end either way; who does not know how one ended comes back as another."""
        incarnation, producer = 1, self._new_producer()
        sequences = dict.fromkeys(range(len(self.logs)), 0)
        for number in range(self.steps // 3):
            name = f"{writer}-{number}"
            whole = True
            for _ in range(self.chance.randint(1, 4)):
                partition = self.chance.randrange(len(self.logs))
                sequence = sequences[partition]
                sequences[partition] += 1
                whole &= (yield from self._send(producer, partition, sequence, name)) == "ok"
            # As a client must: it commits only what was acknowledged.
            commits = whole and self.chance.random() < 0.7
            known = yield from self._end(name, writer, incarnation, commits=commits)
            if not known:
                incarnation, producer = incarnation + 1, self._new_producer()
                sequences = dict.fromkeys(sequences, 0)

    def _end(self, name: str, writer: str, incarnation: int, *, commits: bool) -> _Answered:
        begun, known = self.tick(), self.chance.random() < 0.8
        yield
        # Of an end without an answer nobody knows which it was; it is one for all partitions.
        really = commits and (known or self.chance.random() < 0.5)
        for log in self.logs:
            log.end(name, commits=really)
            yield
        self.held = max(self.held, self._now - self._opened.get(name, self._now))
        self._say(
            Transaction(
                transaction=name,
                writer=writer,
                incarnation=incarnation,
                t=(begun, self.tick() if known else None),
                end="commit" if commits else "abort",
                outcome="ok" if known else "unknown",
            )
        )
        return known

    def _reading(self, reader: int) -> Life:
        """Polls that join on to each other, but for a seek now and then."""
        at = dict.fromkeys(range(len(self.logs)), 0)
        for _ in range(self.steps):
            partition = self.chance.randrange(len(self.logs))
            if self.chance.random() < 0.1:
                at[partition] = self.chance.randint(0, at[partition])
                self._say(Move(reader=reader, partition=partition, t=self.tick(), why="seek"))
            at[partition] = yield from self._poll(reader, partition, at[partition])

    def _poll(self, reader: int, partition: int, first: int, *, whole: bool = False) -> _Offset:
        log, begun = self.logs[partition], self.tick()
        yield
        committed = reader not in (UNCOMMITTED, LAST_UNCOMMITTED)
        end = log.stable if committed else len(log.entries)
        until = end if whole or self.eager else max(first, min(end, first + self.chance.randint(0, 5)))
        records = log.read(first, until, committed=committed)
        yield
        self._say(
            Poll(
                reader=reader,
                partition=partition,
                t=(begun, self.tick()),
                position=(first, until),
                records=records,
            )
        )
        return until

    def _member(self) -> Life:
        """A member of a group: a commit without an answer may count; after a crash it goes on from there."""
        at = [0] * len(self.logs)
        kept = [0] * len(self.logs)
        for _ in range(self.steps):
            partition = self.chance.randrange(len(self.logs))
            at[partition] = yield from self._poll(MEMBER, partition, at[partition])
            if self.chance.random() < 0.5:
                kept[partition] = yield from self._commit(partition, at[partition], kept[partition])
            if self.chance.random() < 0.2:
                at = list(kept)
                for lost, _ in enumerate(at):
                    self._say(Move(reader=MEMBER, partition=lost, t=self.tick(), why="rebalance"))

    def _commit(self, partition: int, offset: int, kept: int) -> _Offset:
        begun, known = self.tick(), self.chance.random() < 0.8
        yield
        told = {"group": GROUP, "reader": MEMBER, "partition": partition, "offset": offset}
        answered = self.tick() if known else None
        self._say(Commit(**told, t=(begun, answered), outcome="ok" if known else "unknown"))  # type: ignore[arg-type]
        return offset if known or self.chance.random() < 0.5 else kept

    def _last_look(self) -> None:
        """Fresh readers of both kinds read every log from its start to its end."""
        for reader, isolation in ((LAST_COMMITTED, "committed"), (LAST_UNCOMMITTED, "uncommitted")):
            self._say(Reader(reader=reader, isolation=isolation))  # type: ignore[arg-type]
            for partition in range(len(self.logs)):
                deque(self._poll(reader, partition, 0, whole=True), maxlen=0)
        for partition, log in enumerate(self.logs):
            end = len(log.entries)
            self._say(Fence(partition=partition, end=end, stable=log.stable))
