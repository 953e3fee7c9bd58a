"""The name of a record, as witnesses say it and people type it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import BadInput

_WRITTEN = re.compile(r"(\d{1,10})/(?:(.+)/)?(\d{1,10})/(\d{1,19})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordId:
    """A record as witnesses name it. The load's own topic has no name; those of workloads have."""

    producer: int
    partition: int
    sequence: int
    topic: str = ""

    @property
    def log(self) -> str:
        """The partition of its topic: "orders/3", or "3" where topics have no name."""
        return log(self.topic, self.partition)

    def __str__(self) -> str:
        return f"{self.producer}/{self.log}/{self.sequence}"


def log(topic: str, partition: int) -> str:
    """A partition as a person writes it."""
    return f"{topic}/{partition}" if topic else str(partition)


def parse(written: str) -> RecordId:
    """The record that *written* names.

    Raises:
        BadInput: it is neither PRODUCER/PARTITION/SEQUENCE nor PRODUCER/TOPIC/PARTITION/SEQUENCE.
    """
    found = _WRITTEN.match(written)
    if not found:
        raise BadInput(
            f"{written!r} is not a record",
            fix="PRODUCER/PARTITION/SEQUENCE as in a witness, 1/5/67200; of a workload 1/transfers/0/3",
        )
    producer, topic, partition, sequence = found.groups()
    return RecordId(int(producer), int(partition), int(sequence), topic or "")
