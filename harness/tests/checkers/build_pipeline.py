"""Pipelines by hand: a source log told record by record, and a small model of the job that reads it.

The model is the job of the pipeline in forty lines, one record at a time, with dictionaries: validation,
deduplication, watermark, windows, running totals. Defects are planted in it by name; it keeps
who really went where, so that a test knows what should be found.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from harness.ledger import schema
from harness.ledger.evidence import Evidence, Inputs, Placed, Results, empty
from harness.ledger.fingerprint import MODULUS, id_hashes, values_of
from harness.model import Event, Guarantee, HopRead, PipelinePlanned, RunEnded, RunStarted
from harness.names import GuaranteeName
from harness.tests.checkers.build import WALL, Story, at

HOPS: tuple[GuaranteeName, ...] = ("results_exact", "results_single", "every_record_placed", "state_kept")
ASKED: tuple[GuaranteeName, ...] = ("no_loss", "order_per_key", "no_phantoms", "integrity", *HOPS)
ZERO_MS = 1_700_000_000_000
WINDOW_MS = 1_000
OUT_OF_ORDER_MS = 500
TTL_MS = 120_000
TOPIC_PARTITIONS = 2

T = TypeVar("T")
Hop = Literal["source", "results", "dead-letters", "late"]
ALL_HOPS: tuple[Hop, ...] = ("source", "results", "dead-letters", "late")


@dataclass(frozen=True, slots=True)
class Arrived:
    """One record of the source log, in the order in which the job reads it."""

    partition: int
    producer: int
    sequence: int
    key: int
    event_ms: int
    flaw: str = ""

    @property
    def hash(self) -> int:
        """The hash of its id."""
        return int(id_hashes(self.producer, self.partition, np.asarray([self.sequence]))[0])

    @property
    def value(self) -> int:
        """Its reading."""
        return -1 if self.flaw == "value" else int(values_of(np.asarray([self.hash]))[0])

    @property
    def window(self) -> int:
        """The start of its window."""
        return self.event_ms - self.event_ms % WINDOW_MS


@dataclass
class Job:
    """A model of the job. ``windows`` are open ones; what it wrote is in the other fields.

    ``lost`` and ``doubled`` are numbers of records, in the order of arrival, that it forgets in, or puts
    twice into, their window.
    """

    lost: frozenset[int] = frozenset()
    doubled: frozenset[int] = frozenset()
    windows: dict[tuple[int, int], list[Arrived]] = field(default_factory=lambda: defaultdict(list))
    emitted: list[tuple[int, int, list[Arrived], int, int]] = field(default_factory=list)
    late: list[tuple[int, int]] = field(default_factory=list)
    dead: list[tuple[int, int, str]] = field(default_factory=list)
    seen: set[tuple[int, int, int]] = field(default_factory=set)
    totals: dict[int, tuple[int, int]] = field(default_factory=lambda: defaultdict(lambda: (0, 0)))
    newest: dict[int, int] = field(default_factory=dict)
    watermark: int = 0
    """No record before this is expected any more. It never falls, not even when another partition begins."""

    def take(self, number: int, offset: int, record: Arrived) -> None:
        """One record, the one of this *number* over all partitions."""
        if record.flaw:
            self.dead.append((record.partition, offset, record.flaw))
            return
        self._place(number, offset, record)
        newest = max(self.newest.get(record.partition, 0), record.event_ms)
        self.newest[record.partition] = newest
        self.watermark = max(self.watermark, min(self.newest.values()) - OUT_OF_ORDER_MS - 1)
        self.close(self.watermark)

    def close(self, watermark: int) -> None:
        """Emit every window that ends at *watermark* or before, oldest first."""
        ready = sorted((start, key) for key, start in self.windows if start + WINDOW_MS - 1 <= watermark)
        for start, key in ready:
            members = self.windows.pop((key, start))
            count, total = self.totals[key]
            self.totals[key] = (count + len(members), total + sum(one.value for one in members))
            self.emitted.append((key, start, members, *self.totals[key]))

    def _place(self, number: int, offset: int, record: Arrived) -> None:
        name = (record.producer, record.partition, record.sequence)
        if name in self.seen:
            return
        self.seen.add(name)
        if record.window + WINDOW_MS - 1 <= self.watermark:
            self.late.append((record.partition, offset))
        elif number not in self.lost:
            self.windows[record.key, record.window] += [record] * (2 if number in self.doubled else 1)


def worked(records: list[Arrived], job: Job, *, closed: bool = True) -> Job:
    """*job* after it took all of *records* and, if *closed*, the sentinels that end every window."""
    ends: dict[int, int] = defaultdict(int)
    for number, record in enumerate(records):
        job.take(number, ends[record.partition], record)
        ends[record.partition] += 1
    if closed:
        job.close(2**62)
    return job


def evidence_of(
    records: list[Arrived],
    job: Job,
    *,
    asked: tuple[GuaranteeName, ...] = ASKED,
    whole: tuple[Hop, ...] = ALL_HOPS,
) -> Evidence:
    """What a run would have stored of *records* and of what *job* made of them.

    *whole* are the hops that were read to their end.
    """
    base = _source(records).evidence()
    return replace(
        base,
        events=tuple(_events(base.events, asked, whole)),
        inputs=_inputs(records),
        results=_results(job),
        placed=_placed(job),
    )


def passing_log(seconds: int = 8) -> list[Arrived]:
    """Three partitions, two producers and six keys; a little disorder, a few late, poisoned and twice."""
    found: list[Arrived] = []
    next_: dict[tuple[int, int], int] = defaultdict(int)
    for tick in range(seconds * 20):
        for partition in range(3):
            producer = tick % 2
            sequence = next_[producer, partition]
            next_[producer, partition] += 1
            behind = (tick * 37 + partition * 11) % 400 + (3_000 if tick % 41 == 40 else 0)
            flaw = {17: "value", 33: "time"}.get(tick % 50, "")
            event_ms = 0 if flaw == "time" else ZERO_MS + tick * 50 - behind
            key = partition + 3 * (sequence % 2)
            found.append(Arrived(partition, producer, sequence, key, event_ms, flaw))
    return found


def passing_pipeline() -> Evidence:
    """A run of eight seconds in which the job did everything right."""
    records = passing_log()
    return evidence_of(records, worked(records, Job()))


def _source(records: list[Arrived]) -> Story:
    story = Story(partitions=1 + max((record.partition for record in records), default=0))
    ends: dict[int, int] = defaultdict(int)
    attempted: set[tuple[int, int, int]] = set()
    for record in records:
        producer, partition, offset = record.producer, record.partition, ends[record.partition]
        name = (producer, partition, record.sequence)
        if name not in attempted:
            story.acked(record.sequence, producer=producer, partition=partition, offset=offset)
        attempted.add(name)
        story.read(record.sequence, producer=producer, partition=partition, offset=offset)
        ends[record.partition] += 1
    return story


def _events(
    events: tuple[Event, ...], asked: tuple[GuaranteeName, ...], whole: tuple[Hop, ...]
) -> list[Event]:
    guarantees = tuple(Guarantee(name=name) for name in asked)
    told: list[Event] = [
        event.model_copy(update={"guarantees": guarantees}) if isinstance(event, RunStarted) else event
        for event in events
    ]
    end = told.pop()
    assert isinstance(end, RunEnded)
    read = [HopRead(t=at(59.5), wall=WALL, hop=hop, complete=hop in whole) for hop in ALL_HOPS]
    return [*told[:1], planned(), *told[1:], *read, end]


def planned() -> PipelinePlanned:
    """The pipeline of these stories."""
    return PipelinePlanned(
        t=at(0),
        wall=WALL,
        source="orders",
        results="edge-out",
        dead_letters="edge-dlq",
        late="edge-late",
        archive="",
        metrics_bucket="",
        window_ms=WINDOW_MS,
        out_of_order_ms=OUT_OF_ORDER_MS,
        dedup_ttl_ms=TTL_MS,
        guarantee="exactly-once",
        parts=("source", "results"),
    )


def _inputs(records: list[Arrived]) -> Inputs:
    ends: dict[int, int] = defaultdict(int)
    rows: list[tuple[object, ...]] = []
    for one in records:
        offset = ends[one.partition]
        ends[one.partition] += 1
        rows.append(
            (one.partition, offset, one.producer, one.sequence, one.key, one.event_ms, one.value, one.flaw)
        )
    return _table(Inputs, rows, empty(Inputs, schema.INPUTS), words=(7,))


def _results(job: Job) -> Results:
    ends: dict[int, int] = defaultdict(int)
    rows: list[tuple[object, ...]] = []
    for key, start, members, *totals in job.emitted:
        if not members:
            continue
        partition = key % TOPIC_PARTITIONS
        offset = ends[partition]
        ends[partition] += 1
        values = [one.value for one in members]
        mark = sum(one.hash for one in members) % MODULUS
        said = (len(values), sum(values), min(values), max(values), mark)
        rows.append((partition, offset, key, start, *said, *totals, start + 2_000, start + 2_100))
    return _table(Results, rows, empty(Results, schema.RESULTS))


def _placed(job: Job) -> Placed:
    late: list[tuple[object, ...]] = [("late", "late", *place) for place in job.late]
    dead: list[tuple[object, ...]] = [("dead", why, *place) for *place, why in job.dead]
    return _table(Placed, late + dead, empty(Placed, schema.PLACED), words=(0, 1))


def _table(shape: type[T], rows: list[tuple[object, ...]], none: T, words: tuple[int, ...] = ()) -> T:
    if not rows:
        return none
    columns = zip(*rows, strict=True)
    return shape(*(np.asarray(c, np.object_ if at_ in words else np.int64) for at_, c in enumerate(columns)))
