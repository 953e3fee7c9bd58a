"""Evidence by hand: short histories for the checkers' tests, a whole passing run, and a way to store either.

A ``Story`` is told in order; every line is one ledger row. Nothing here judges:
what a story should come to is written in the test that tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from harness.journal_entry import JournalEntry
from harness.ledger import schema
from harness.ledger.evidence import Announced, Attempts, Evidence, Reads, Samples
from harness.ledger.tables import Row, TableWriter
from harness.model import (
    Budgets,
    EnvironmentSeen,
    Event,
    Fence,
    FencePassed,
    Guarantee,
    LoadEnded,
    LoadPlanned,
    Outcome,
    Phase,
    PhaseEntered,
    ReadState,
    RunEnded,
    RunStarted,
)
from harness.rundir import EventLog, RunDirectory

SECOND = 1_000_000_000
MILLI = 1_000_000
WALL = "2026-01-01T00:00:00.000Z"
ALL = ("no_loss", "no_duplicates", "order_per_key", "no_phantoms", "integrity")


def at(seconds: float) -> int:
    """The instant *seconds* after the run's zero, which is itself not zero."""
    return 1000 * SECOND + round(seconds * SECOND)


@dataclass
class Story:
    """One run, row by row. Partitions without a ``fence`` line are unfenced unless ``fenced`` is left on."""

    asked: tuple[str, ...] = ALL
    allowed: int = 0
    budgets: Budgets = field(default_factory=Budgets)
    partitions: int = 1
    rate: float = 0.0
    fenced: bool = True
    attempts: list[Row] = field(default_factory=list)
    announced: list[Row] = field(default_factory=list)
    reads: list[Row] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)
    phases: list[tuple[Phase, float]] = field(default_factory=lambda: [(Phase.STEADY, 0.0)])
    ends_s: float = 60.0

    def attempt(
        self,
        outcome: Outcome,
        first: int = 0,
        count: int = 1,
        *,
        producer: int = 1,
        partition: int = 0,
        offset: int = -1,
        intended: float = 1.0,
        took: float = 0.004,
        late: float = 0.0,
        error: str = "",
    ) -> Story:
        """One batch: *first* … *first* + *count* - 1, intended and ended at these seconds."""
        sent = intended + late
        instants = (at(intended), at(sent), at(intended + took))
        self.attempts.append(
            (producer, partition, first, count, *instants, int(outcome), offset, 100 * count, error)
        )
        return self

    def acked(
        self, first: int, count: int = 1, *, offset: int, producer: int = 1, partition: int = 0
    ) -> Story:
        """An acknowledged batch."""
        return self.attempt(Outcome.OK, first, count, offset=offset, producer=producer, partition=partition)

    def failed(self, first: int, count: int = 1, *, producer: int = 1) -> Story:
        """A refused batch."""
        return self.attempt(Outcome.FAIL, first, count, producer=producer, error="refused")

    def undecided(self, first: int, count: int = 1, *, producer: int = 1) -> Story:
        """A batch that timed out."""
        return self.attempt(Outcome.UNKNOWN, first, count, producer=producer, error="timed out")

    def reserve(self, until: int, *, producer: int = 1, partition: int = 0) -> Story:
        """An announcement of every sequence below *until*."""
        self.announced.append((producer, partition, until))
        return self

    def read(
        self,
        first: int,
        count: int = 1,
        *,
        offset: int,
        producer: int = 1,
        partition: int = 0,
        state: ReadState = ReadState.GOOD,
    ) -> Story:
        """A run that came back."""
        self.reads.append((partition, producer, first, count, offset, int(state), ""))
        return self

    def fault(self, number: int, kind: str, injected: float, healed: float, **more: object) -> Story:
        """A fault with every step of its journal, proven 0.1 s after it was injected and healed."""
        steps = (
            ("planned", injected - 0.1),
            ("injected", injected),
            ("effect-proven", injected + 0.1),
            ("healed", healed),
            ("healing-proven", healed + 0.1),
        )
        base = JournalEntry(
            t=0,
            wall=WALL,
            fault=number,
            step="planned",
            name=f"{kind} broker-{number}",
            kind=kind,
            target=f"broker-{number}",
            nodes=(f"broker-{number}",),
            why_this_target="named by the test",
        ).model_copy(update=more)
        for step, t in steps:
            proof = f"probes saw {step}" if step.endswith("proven") else ""
            commands = (f"{kind} {step} broker-{number}",) if step in {"injected", "healed"} else ()
            entry = base.model_copy(update={"step": step, "t": at(t), "proof": proof, "commands": commands})
            self.journal.append(JournalEntry.model_validate(entry.model_dump()))
        return self

    def evidence(self) -> Evidence:
        """The story as evidence, with its events made to fit the rows."""
        return Evidence(
            events=tuple(self._events()),
            journal=tuple(sorted(self.journal, key=lambda entry: entry.t)),
            attempts=Attempts(*_columns(self.attempts, 11, words=(10,))),
            announced=Announced(*_columns(self.announced, 3)),
            reads=Reads(*_columns(self.reads, 7, words=(6,))),
            samples=no_samples(),
        )

    def _events(self) -> list[Event]:
        opening: list[Event] = [_started(self), _environment(), _planned(self)]
        entered = [PhaseEntered(t=at(s), wall=WALL, phase=phase) for phase, s in self.phases]
        ended = _load_ended(self.attempts, at(self.ends_s - 2))
        closing: list[Event] = [RunEnded(t=at(self.ends_s), wall=WALL)]
        fence: list[Event] = []
        if self.fenced:
            fence = [FencePassed(t=at(self.ends_s - 1), wall=WALL, fences=self._fences())]
        middle: list[Event] = [*entered, ended]
        return [*opening, *sorted(middle, key=lambda event: event.t), *fence, *closing]

    def _fences(self) -> tuple[Fence, ...]:
        return tuple(complete_fence(p, self._end_of(p)) for p in range(self.partitions))

    def _end_of(self, partition: int) -> int:
        return max((int(row[4]) + int(row[3]) for row in self.reads if row[0] == partition), default=0)


def complete_fence(partition: int, end: int) -> Fence:
    """A fence that was passed at *end*."""
    return Fence(
        partition=partition,
        first_offset=0,
        end_offset=end,
        committed_end_offset=end,
        sentinel_offset=end,
        position=end + 1,
    )


def no_samples() -> Samples:
    """No probe measured anything."""
    words = np.empty(0, np.object_)
    return Samples(np.empty(0, np.int64), words, words, np.empty(0, np.float64))


def passing_story() -> Story:
    """A run of forty seconds in which killing a broker stalled everything for 8.6 s, and nothing broke.

    Two producers send a batch of ten every 50 ms each, in turn to both partitions.
    """
    story = Story(partitions=2, rate=400.0, ends_s=45.0)
    story.phases = [
        (Phase.PREPARE, 0.0),
        (Phase.STEADY, 2.0),
        (Phase.DISTURB, 15.0),
        (Phase.RECOVER, 25.0),
        (Phase.DRAIN, 40.0),
        (Phase.VERIFY, 43.0),
    ]
    story.fault(1, "kill", 15.0, 25.0, partitions=(0,), name="kill the leader of orders/0")
    ends = {0: 0, 1: 0}
    sequence = {(producer, partition): 0 for producer in (1, 2) for partition in (0, 1)}
    for tick in range(38 * 20):
        for producer in (1, 2):
            _send(story, tick, producer, ends, sequence)
    for (producer, partition), until in sequence.items():
        story.reserve(until + 50, producer=producer, partition=partition)
    return story


def passing_evidence() -> Evidence:
    """``passing_story`` as evidence: PASS, exit code 0."""
    return passing_story().evidence()


def without_events(evidence: Evidence, *kinds: type) -> Evidence:
    """*evidence* without the events of these types."""
    return replace(evidence, events=tuple(e for e in evidence.events if not isinstance(e, kinds)))


def write(evidence: Evidence, directory: RunDirectory) -> None:
    """Store *evidence* in *directory*, which exists and is empty, the way a run does."""
    log = EventLog(directory)
    for event in evidence.events:
        log.append(event)
    log.close()
    directory.journal.write_text("".join(f"{entry.model_dump_json()}\n" for entry in evidence.journal))
    _write_table(directory.ledger, "attempts", schema.ATTEMPTS, evidence.attempts)
    _write_table(directory.ledger, "announced", schema.ANNOUNCED, evidence.announced)
    _write_table(directory.ledger, "reads", schema.READS, evidence.reads)
    _write_table(directory.samples, "samples", schema.SAMPLES, evidence.samples)


def _send(
    story: Story, tick: int, producer: int, ends: dict[int, int], sequence: dict[tuple[int, int], int]
) -> None:
    intended = 2.0 + tick * 0.05 + (producer - 1) * 0.025
    partition = (tick + producer) % 2
    first, offset = sequence[producer, partition], ends[partition]
    stalled = max(0.0, 23.6 - intended) if intended >= 15.0 else 0.0
    story.attempt(
        Outcome.OK,
        first,
        10,
        producer=producer,
        partition=partition,
        offset=offset,
        intended=intended,
        took=stalled + 0.004 + (tick % 7) * 0.0005,
        late=0.0003,
    )
    story.read(first, 10, offset=offset, producer=producer, partition=partition)
    sequence[producer, partition] += 10
    ends[partition] += 10


def _started(story: Story) -> RunStarted:
    return RunStarted(
        t=at(0),
        wall=WALL,
        run_id="by-hand",
        scenario="scenarios/test_by_hand.py::test_story",
        title="A story told by hand.",
        platform="local",
        stack="edge-kafka",
        seed=7,
        guarantees=tuple(
            Guarantee.model_validate({"name": name, "allowed": story.allowed}) for name in story.asked
        ),
        budgets=story.budgets,
        command=("harness", "run", "by-hand"),
    )


def _environment() -> EnvironmentSeen:
    return EnvironmentSeen(
        t=at(0),
        wall=WALL,
        parts={"kafka": "3.5.1"},
        host={"cpus": "2"},
        effective={
            "broker.session.timeout.ms": "9000",
            "broker.heartbeat.interval.ms": "2000",
            "topic.min.insync.replicas": "2",
        },
    )


def _planned(story: Story) -> LoadPlanned:
    return LoadPlanned(
        t=at(0),
        wall=WALL,
        topic="orders",
        partitions=story.partitions,
        replication=3,
        rate=story.rate,
        keys=100,
        record_bytes=100,
        producers=2,
        processes=1,
        client={"acks": "all", "enable.idempotence": "true"},
    )


def _load_ended(attempts: list[Row], t: int) -> LoadEnded:
    """What Locust would have counted: every row of a story is one batch."""
    intended = [int(row[4]) for row in attempts]
    return LoadEnded(
        t=t,
        wall=WALL,
        first_t=min(intended, default=at(0)),
        last_t=max(intended, default=at(0)),
        locust_requests=len(attempts),
        locust_failures=sum(row[7] != Outcome.OK for row in attempts),
        clean=True,
    )


def _columns(rows: list[Row], width: int, words: tuple[int, ...] = ()) -> list[np.ndarray]:
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return [
        np.asarray(column, np.object_ if index in words else np.int64) for index, column in enumerate(columns)
    ]


def _write_table(folder: Path, name: str, table: pa.Schema, columns: object) -> None:
    writer = TableWriter(folder, name, table)
    names = table.names
    for row in zip(*(getattr(columns, each).tolist() for each in names), strict=True):
        writer.add(*row)
    writer.close()
