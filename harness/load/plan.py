"""What a load is asked to do, and the open-loop schedule that follows from it.

The plan crosses a process border as JSON; the schedule is a pure function of it.
Invariant: an intended instant depends on the plan and the start only, never on how
earlier batches fared, so a stalled cluster or client cannot hide a stall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import model_validator

from harness.clock import MONOTONIC, NANOS_PER_SECOND, wall_label
from harness.errors import BadInput
from harness.load.frames import MIN_RECORD_BYTES, Frames
from harness.load.shapes import Constant, Shape
from harness.model import Frozen, Irregularities, LoadPlanned

_BATCH_SECONDS = 0.010
_SATURATION_BATCH = 1_000
_SLOTS_AT_ONCE = 256

CLIENT_DEFAULTS = {
    "enable.idempotence": "true",
    "acks": "all",
    "linger.ms": "2",
    "socket.nagle.disable": "true",
    # As in Kafka's own producer. librdkafka would wait a minute for an answer, and up to 10 s before it
    # calls a broker that came back: the run would take the client's patience for the cluster's recovery.
    "message.timeout.ms": "120000",
    "socket.timeout.ms": "30000",
    "reconnect.backoff.ms": "50",
    "reconnect.backoff.max.ms": "1000",
}


class LoadPlan(Frozen):
    """One load on one topic.

    Args:
        name: tells the files of this load from those of another load in the same run.
        rate: records per second of the whole load at multiplier 1; 0 means saturation: as fast
            as ``in_flight`` records per producer without an outcome allow (a closed loop).
        keys: distinct record keys; each belongs to one partition, so order per producer and
            partition is order per key.
        batch: records handed over together; 0 chooses one that makes a producer act every 10 ms.
        first_producer: the smallest producer incarnation of this load; a second load in the same
            run starts above the first one's.
        reserve_seconds: how far ahead a producer announces what it will send.
        start_delay: seconds between the order to start and the first intended instant.
        seed: of what is irregular.
        wall_at_zero_ms: the wall clock, milliseconds since 1970, at instant 0 of the monotonic one;
            0: as it is when the load starts.
    """

    run_id: str
    topic: str
    partitions: int
    bootstrap: str
    ledger: Path
    samples: Path
    name: str = "load"
    rate: float = 1_000.0
    shape: Shape = Constant()
    keys: int = 1_000
    record_bytes: int = 100
    batch: int = 0
    producers: int = 2
    processes: int = 1
    first_producer: int = 0
    in_flight: int = 60_000
    reserve_seconds: float = 2.0
    start_delay: float = 0.2
    client: dict[str, str] = {}
    seed: int = 0
    wall_at_zero_ms: int = 0
    irregular: Irregularities = Irregularities()

    @model_validator(mode="after")
    def _makes_sense(self) -> LoadPlan:
        for wrong, what, fix in self._objections():
            if wrong:
                raise BadInput(what, fix=fix)
        return self

    def _objections(self) -> Iterator[tuple[bool, str, str]]:
        small = self.record_bytes < MIN_RECORD_BYTES
        yield small, f"a record of {self.record_bytes} bytes has no room for its id", f"≥ {MIN_RECORD_BYTES}"
        yield self.rate < 0, f"a rate of {self.rate:g} records/s is negative", "0 means as fast as possible"
        yield self.partitions < 1, f"a topic of {self.partitions} partitions holds nothing", "at least 1"
        few = self.keys < self.partitions
        yield few, f"{self.keys} keys leave some of {self.partitions} partitions empty", "a key per partition"
        yield self.producers < 1, f"{self.producers} producers send nothing", "at least 1"
        idle = not 1 <= self.processes <= self.producers
        fix = "1 up to the number of producers"
        yield idle, f"{self.processes} processes cannot share {self.producers} producers", fix
        skewed = len(self.irregular.clock_skew_ms)
        yield skewed > self.producers, f"{skewed} clocks are skewed", f"{self.producers} producers have one"
        yield self.batch < 0, f"a batch of {self.batch} records is negative", "0 chooses one"

    def planned(self, replication: int) -> LoadPlanned:
        """This plan as an event, for a topic with so many replicas."""
        return LoadPlanned(
            t=MONOTONIC.now(),
            wall=wall_label(),
            topic=self.topic,
            partitions=self.partitions,
            replication=replication,
            rate=self.rate,
            keys=self.keys,
            record_bytes=self.record_bytes,
            producers=self.producers,
            processes=self.processes,
            client=self.client_config,
            irregular=self.irregular,
        )

    @property
    def saturating(self) -> bool:
        """Whether the load is a closed loop that goes as fast as it can."""
        return self.rate == 0

    @property
    def batch_records(self) -> int:
        """Records per batch, the same for every batch of the load."""
        if self.batch or self.saturating:
            return self.batch or _SATURATION_BATCH
        return max(1, round(self.rate / self.producers * _BATCH_SECONDS))

    @property
    def reserve_records(self) -> int:
        """How many sequences of a partition a producer announces at a time, in whole batches."""
        per_second = self.rate / self.producers / self.partitions
        batches = self.reserve_seconds * (8 if self.saturating else per_second / self.batch_records)
        return (int(batches) + 2) * self.batch_records

    @property
    def frames(self) -> Frames:
        """The frames of this load's records."""
        return Frames(self.run_id, self.topic, self.record_bytes)

    @property
    def client_config(self) -> dict[str, str]:
        """The effective configuration of every producer, the plan's overrides applied."""
        # Half a minute of a dead cluster fits into the client's queue; beyond it attempts fail.
        room = max(100_000, min(1_000_000, int(self.rate / self.producers * 30)))
        fixed = {"bootstrap.servers": self.bootstrap, "client.id": f"harness-{self.name}"}
        return {**CLIENT_DEFAULTS, "queue.buffering.max.messages": str(room), **self.client, **fixed}

    def keys_of(self, partition: int) -> list[bytes]:
        """The keys that belong to *partition*; the record with sequence s has key s modulo their number."""
        return [b"key-%08d" % number for number in range(partition, self.keys, self.partitions)]

    def users_of(self, process: int) -> range:
        """The producers (counted from 0) that run in *process*."""
        return range(process, self.producers, self.processes)

    def producer_number(self, user: int, incarnation: int) -> int:
        """The producer incarnation in the ledger; unique over the run's loads and lives."""
        return self.first_producer + user + incarnation * self.producers


@dataclass(frozen=True, slots=True)
class Slot:
    """When one batch is due, monotonic nanoseconds, and where it goes."""

    t_intended: int
    partition: int


def slots(plan: LoadPlan, user: int, start: int) -> Iterator[Slot]:
    """The batches of producer *user* in order, the first not before *start*.

    Producers take turns, so the whole load is even; each goes round all partitions, so that
    every producer tries every partition regularly. Ends when the shape stays at zero.
    """
    assert not plan.saturating, "a closed loop has no schedule"
    curve = plan.shape.curve()
    partitions = plan.partitions
    number = 0
    while True:
        turns = np.arange(number, number + _SLOTS_AT_ONCE, dtype=np.float64) * plan.producers + user
        seconds = curve.when(turns * (plan.batch_records / plan.rate))
        due = seconds[np.isfinite(seconds)]
        for offset in np.rint(due * NANOS_PER_SECOND).astype(np.int64).tolist():
            yield Slot(start + offset, (number + user) % partitions)
            number += 1
        if len(due) < len(seconds):
            return
