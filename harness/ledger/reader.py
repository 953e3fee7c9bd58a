"""Reads the load's topic back through a fence, into ``reads`` and, for a pipeline, into ``inputs``.

Reading is read_uncommitted: what is in the log is what is judged. Both tables come from one
pass, so that they speak of the same log.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Protocol

import numpy as np
from confluent_kafka import KafkaError, Message

from harness.ledger import schema
from harness.ledger.fence import Sentinel, Topic, offset_of, read_whole
from harness.ledger.scan import FLAWS, Ints, Readings, Records, Run, runs
from harness.ledger.tables import TableWriter
from harness.model import Fence, ReadState
from harness.rundir import RunDirectory


class Codec(Protocol):
    """What the reader must know of records: how to decode them, and how its own sentinel looks."""

    def decode(self, values: Sequence[bytes | None], partition: int) -> tuple[Records, Readings]:
        """The records in *values*, which came back from *partition*, and what they carry."""
        ...

    def sentinel(self, partition: int, event_ms: int = 0) -> bytes:
        """The sentinel's value."""
        ...


def read_through_fence(
    bootstrap: str,
    topic: str,
    partitions: int,
    *,
    codec: Codec,
    directory: RunDirectory,
    seconds: float,
    closing_ms: int | None = None,
) -> tuple[Fence, ...]:
    """Read *topic* whole into the ``reads`` table of *directory*; returns each partition's proof.

    Call it once per topic, after the load stopped: it writes one sentinel per partition.

    Args:
        closing_ms: given for a topic with a pipeline behind it: the sentinels' event time, later than
            that of any record and of any window, so that every window closes; ``inputs`` is written too.

    Raises:
        StackError: the fence was not passed within *seconds*; carries the last observation.
            The rows read so far are in the tables.
    """
    with ExitStack() as open_tables:
        reads = open_tables.enter_context(
            closing(TableWriter(directory.ledger, "reads", schema.READS, writer=topic))
        )
        inputs = None
        if closing_ms is not None:
            table = TableWriter(directory.ledger, "inputs", schema.INPUTS, writer=topic)
            inputs = open_tables.enter_context(closing(table))
        return read_whole(
            Topic(bootstrap, topic, partitions),
            _Source(codec, reads, inputs),
            sentinel=lambda partition: Sentinel(codec.sentinel(partition, closing_ms or 0)),
            isolation="read_uncommitted",
            seconds=seconds,
        )


class _Source:
    """Turns the log into rows of both tables."""

    def __init__(self, codec: Codec, reads: TableWriter, inputs: TableWriter | None) -> None:
        self._codec = codec
        self._reads = reads
        self._inputs = inputs

    def take(self, partition: int, messages: list[Message]) -> None:
        """Decode records of one partition and write what they are."""
        offsets = np.fromiter((offset_of(message) for message in messages), np.int64, len(messages))
        records, readings = self._codec.decode([message.value() for message in messages], partition)
        for run in runs(partition, offsets, records):
            self._add(run)
        if self._inputs is not None:
            self._inputs.add_columns(*_inputs(partition, offsets, readings))

    def take_unsound(self, partition: int, message: Message, error: KafkaError) -> None:
        """A batch whose own checksum fails is evidence; any other error passes or ends at the deadline."""
        if error.code() == KafkaError._BAD_MSG:  # noqa: SLF001 - the client's own name
            offset = offset_of(message)
            self._add(Run(partition, -1, -1, 1, offset, ReadState.CORRUPT, str(error.str())))

    def _add(self, run: Run) -> None:
        self._reads.add(
            run.partition,
            run.producer,
            run.first_seq,
            run.count,
            run.first_offset,
            int(run.state),
            run.detail,
        )


def _inputs(partition: int, offsets: Ints, readings: Readings) -> list[Ints | list[str]]:
    """The columns of ``inputs``; sentinels are left out."""
    kept = np.flatnonzero(~readings.control)
    numbers = (readings.producer, readings.sequence, readings.key, readings.event_ms, readings.value)
    where = [np.full(len(kept), partition, np.int64), offsets[kept]]
    flaws = [FLAWS[code] for code in readings.flaw[kept].tolist()]
    return [*where, *(column[kept] for column in numbers), flaws]
