"""Small histories grown by chance: sound ones, with everything that is legal, and ones with defects.

A history is told batch by batch: what was attempted and how it ended, what the log then holds, how it is
read back and how far. Hypothesis draws the words; ``evidence_of`` makes evidence of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from harness.ledger.evidence import Evidence
from harness.model import Event, Fence, FencePassed, LoadEnded, Outcome, ReadState
from harness.tests.checkers.build import Story, at, complete_fence

PARTITIONS = 3
Record = tuple[int, int]
"""Producer and sequence."""

LEGAL = ("fine", "unnamed", "refused", "announced", "undecided there", "undecided gone")
BROKEN = (
    *("lost", "holed", "doubled", "again", "reversed", "misplaced", "refused there", "phantom"),
    *("retried", "retried refused", "conflict"),
)
ENDED = {
    "refused": Outcome.FAIL,
    "refused there": Outcome.FAIL,
    "undecided there": Outcome.UNKNOWN,
    "undecided gone": Outcome.UNKNOWN,
    "retried": Outcome.UNKNOWN,
}
ABSENT = {"lost", "refused", "undecided gone"}


@dataclass(frozen=True)
class Batch:
    """One batch and its fate."""

    partition: int
    producer: int
    count: int
    fate: str


@dataclass(frozen=True)
class Reading:
    """How the logs are read: ``again`` records twice, ``damaged`` offsets in a state, in runs or one by one.

    ``start`` is the log's first offset, ``fences`` what each partition's fence proves.
    """

    again: int = 0
    damaged: tuple[tuple[int, int, ReadState], ...] = ()
    in_runs: bool = True
    start: tuple[int, ...] = (0,) * PARTITIONS
    fences: tuple[str, ...] = ("whole",) * PARTITIONS
    late_load: bool = False
    tail_cut: bool = False
    forgotten: int = -1


@dataclass
class Grown:
    """What the batches did so far."""

    story: Story = field(default_factory=lambda: Story(partitions=PARTITIONS))
    next_seq: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    logs: list[list[Record]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    conflicts: list[tuple[int, int, Record]] = field(default_factory=list)

    def take(self, batch: Batch) -> None:
        """One batch meets its fate."""
        lane = (batch.partition, batch.producer)
        first = self.next_seq[lane]
        self.next_seq[lane] += batch.count
        records = [(batch.producer, first + k) for k in range(batch.count)]
        log = self.logs[batch.partition]
        offset = len(log)
        log += self._appended(batch.fate, records, log)
        if batch.fate == "conflict":
            self.conflicts.append((batch.partition, offset, (batch.producer, first + batch.count - 1)))
        if batch.fate == "announced":
            self.story.reserve(first + batch.count, producer=batch.producer, partition=batch.partition)
        elif batch.fate != "phantom":
            self._attempt(batch, first, offset)

    def _appended(self, fate: str, records: list[Record], log: list[Record]) -> list[Record]:
        if fate in ABSENT:
            return []
        if fate == "reversed":
            return records[::-1]
        if fate == "holed":
            return records[:1] + records[2:]
        if fate == "again":
            return records + log[: len(records)]
        return records * (2 if fate == "doubled" else 1)

    def _attempt(self, batch: Batch, first: int, offset: int) -> None:
        ended = ENDED.get(batch.fate, Outcome.OK)
        named = ended is Outcome.OK and batch.fate not in {"unnamed", "lost"}
        self._tell(batch, first, ended, offset + (batch.fate == "misplaced") if named else -1)
        if batch.fate == "retried":
            self._tell(batch, first, Outcome.OK, offset)
        if batch.fate == "retried refused":
            self._tell(batch, first, Outcome.FAIL, -1)

    def _tell(self, batch: Batch, first: int, ended: Outcome, offset: int) -> None:
        self.story.attempt(
            ended, first, batch.count, offset=offset, producer=batch.producer, partition=batch.partition
        )


def evidence_of(batches: list[Batch], reading: Reading) -> Evidence:
    """The evidence of a run that told these batches and was read like this."""
    grown = Grown()
    for batch in batches:
        grown.take(batch)
    for partition, log in enumerate(grown.logs):
        _read(grown.story, partition, log, reading)
    for partition, offset, (producer, seq) in grown.conflicts:
        grown.story.read(seq, offset=offset, producer=producer, partition=partition)
    if 0 <= reading.forgotten < len(grown.story.reads):
        del grown.story.reads[reading.forgotten]
    told = grown.story.evidence()
    fences = tuple(_fence(p, len(log), reading) for p, log in enumerate(grown.logs))
    return replace(told, events=tuple(_retold(told, fences, reading)), tail_cut=reading.tail_cut)


def _read(story: Story, partition: int, log: list[Record], reading: Reading) -> None:
    states = {offset: state for where, offset, state in reading.damaged if where == partition}
    rows: list[list[int]] = []
    for offset in [*range(reading.start[partition], len(log)), *range(min(reading.again, len(log)))]:
        producer, seq = log[offset]
        if offset in states:
            story.read(seq, offset=offset, producer=producer, partition=partition, state=states[offset])
        elif reading.in_runs and rows and _continues(rows[-1], producer, seq, offset):
            rows[-1][3] += 1
        else:
            rows.append([producer, seq, offset, 1])
    for producer, seq, offset, count in rows:
        story.read(seq, count, offset=offset, producer=producer, partition=partition)


def _continues(run: list[int], producer: int, seq: int, offset: int) -> bool:
    return run[0] == producer and run[1] + run[3] == seq and run[2] + run[3] == offset


def _fence(partition: int, end: int, reading: Reading) -> Fence | None:
    kind = reading.fences[partition]
    if kind == "none":
        return None
    if kind == "other":
        return complete_fence(partition, max(0, end - 1))
    return Fence(
        partition=partition,
        first_offset=min(reading.start[partition], end),
        end_offset=end,
        committed_end_offset=end - (kind == "open"),
        sentinel_offset=end,
        position=end + (kind != "short"),
    )


def _retold(told: Evidence, fences: tuple[Fence | None, ...], reading: Reading) -> list[Event]:
    kept = tuple(fence for fence in fences if fence is not None)
    events: list[Event] = []
    for event in told.events:
        if isinstance(event, FencePassed):
            events.append(event.model_copy(update={"fences": kept}))
        elif isinstance(event, LoadEnded) and reading.late_load:
            events.append(event.model_copy(update={"t": at(told_end(told) + 1)}))
        else:
            events.append(event)
    return events


def told_end(told: Evidence) -> float:
    """The run's last instant in seconds."""
    return told.seconds(max(event.t for event in told.events))


def batches(fates: tuple[str, ...], most: int = 10) -> st.SearchStrategy[list[Batch]]:
    """Up to *most* batches with fates among these."""
    one = st.builds(
        Batch,
        partition=st.integers(0, PARTITIONS - 1),
        producer=st.integers(1, 3),
        count=st.integers(1, 5),
        fate=st.sampled_from(fates),
    )
    return st.lists(one, min_size=1, max_size=most)


_BAD = st.sampled_from([state for state in ReadState if state is not ReadState.GOOD])
_EACH = st.integers(0, PARTITIONS - 1)
WHOLE = st.builds(Reading, again=st.integers(0, 6), in_runs=st.booleans())
"""A log read to its end, some of it twice."""

ANYHOW = st.builds(
    Reading,
    again=st.integers(0, 6),
    damaged=st.lists(st.tuples(_EACH, st.integers(0, 12), _BAD), max_size=3).map(tuple),
    in_runs=st.booleans(),
    start=st.tuples(*[st.sampled_from((0, 0, 0, 2, 5))] * PARTITIONS),
    fences=st.tuples(
        *[st.sampled_from(("whole", "whole", "whole", "short", "open", "none", "other"))] * PARTITIONS
    ),
    late_load=st.sampled_from((False,) * 7 + (True,)),
    tail_cut=st.sampled_from((False, False, True)),
    forgotten=st.integers(-10, 10),
)
"""A log read in any way, to its end or not."""
