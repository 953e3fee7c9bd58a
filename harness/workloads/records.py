"""Records of workloads as bytes: each tells which record it is, and whether it is whole.

The frame is that of the load (``harness.load.frames``). A tombstone has no value to carry it, and has it in a
header.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import Message

from harness.history.operations import Delivered
from harness.load.frames import MIN_RECORD_BYTES, Frames
from harness.model import ReadState

HEADER = "record"
STRANGER = 2**31 - 1
"""The producer of a record that no client of this workload can have sent."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record as the client takes it."""

    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]


class Records:
    """Encodes and decodes the records of one topic of one run."""

    def __init__(self, run_id: str, topic: str) -> None:
        self._frames, self._topic = Frames(run_id, topic, MIN_RECORD_BYTES), topic

    def encode(self, producer: int, partition: int, sequence: int, value: int | None) -> Encoded:
        """The record with that identity; *value* None: a tombstone."""
        (frame,) = self._frames.encode_batch(
            producer=producer,
            partition=partition,
            first_sequence=sequence,
            count=1,
            t_intended=0,
            value=np.asarray([value or 0]),
        )
        frame = bytes(frame)
        return Encoded(None, [(HEADER, frame)]) if value is None else Encoded(frame, [])

    def decode(self, messages: Sequence[Message], partition: int) -> tuple[Delivered, ...]:
        """What *messages* of one partition are."""
        return tuple(self._decoded(messages, partition))

    def _decoded(self, messages: Sequence[Message], partition: int) -> Iterator[Delivered]:
        read = self._frames.decode_many([_frame(message) for message in messages], partition)
        for row, message in enumerate(messages):
            state = ReadState(int(read.state[row]))
            known = state in {ReadState.GOOD, ReadState.MISROUTED}
            elsewhere = (self._where(int(read.partition[row]))) if state is ReadState.MISROUTED else None
            yield Delivered(
                offset=message.offset() or 0,
                producer=int(read.producer[row]) if known else STRANGER,
                sequence=int(read.sequence[row]) if known else message.offset() or 0,
                epoch=_epoch(message),
                sent_to=elsewhere,
                whole=state is not ReadState.CORRUPT,
            )

    def _where(self, partition: int) -> tuple[str, int]:
        return (self._topic, partition) if partition >= 0 else ("another topic", 0)


def _frame(message: Message) -> bytes | None:
    value = message.value()
    if value is not None:
        return bytes(value)
    carried = dict(message.headers() or ()).get(HEADER)
    return carried if isinstance(carried, bytes) else None


def _epoch(message: Message) -> int | None:
    epoch = message.leader_epoch()
    return epoch if epoch is not None and epoch >= 0 else None
