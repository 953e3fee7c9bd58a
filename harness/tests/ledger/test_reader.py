"""The reader against a broker: everything that lies in the topic, and the proof of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka import Producer

from harness.errors import StackError
from harness.ledger import schema, tables
from harness.ledger.reader import read_through_fence
from harness.load.frames import Frames
from harness.model import Fence, ReadState
from harness.rundir import RunDirectory
from harness.tests.mock_cluster import PARTITIONS, mock_cluster

pytestmark = pytest.mark.contract
_numbers = count()


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    """A broker for the tests of this file."""
    with mock_cluster() as address:
        yield address


@pytest.fixture
def topic() -> str:
    """A topic of its own for each test."""
    return f"orders-{next(_numbers)}"


def fill(bootstrap: str, topic: str, partition: int, *values: bytes | None) -> None:
    """Append *values*, waiting for all of them."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(10) == 0


def read(bootstrap: str, frames: Frames, root: Path) -> tuple[tuple[Fence, ...], list[tuple[object, ...]]]:
    """The fences and the rows, detail left out, of the frames' topic."""
    directory = RunDirectory.create(root, "run-1")
    fences = read_through_fence(
        bootstrap, frames.topic, PARTITIONS, codec=frames, directory=directory, seconds=20
    )
    table, cut = tables.read(directory.ledger, "reads", schema.READS)
    assert not cut
    return fences, [tuple(row.values())[:-1] for row in table.sort_by("partition").to_pylist()]


def batch(frames: Frames, partition: int, first: int, records: int) -> list[bytes]:
    """Records of producer 7."""
    return frames.encode_batch(
        producer=7, partition=partition, first_sequence=first, count=records, t_intended=0
    )


def test_everything_is_read_through_the_fence(bootstrap: str, topic: str, tmp_path: Path) -> None:
    """Each partition's records become runs; each fence is complete; sentinels are not among the rows."""
    frames = Frames("run-1", topic, 100)
    fill(bootstrap, topic, 0, *batch(frames, 0, 0, 5))
    fill(bootstrap, topic, 2, *batch(frames, 2, 0, 3), *batch(frames, 2, 8, 2))
    fences, rows = read(bootstrap, frames, tmp_path)

    assert rows == [(0, 7, 0, 5, 0, 0), (2, 7, 0, 3, 0, 0), (2, 7, 8, 2, 3, 0)]
    assert [fence.end_offset for fence in fences] == [5, 0, 5, 0]
    assert [fence.position for fence in fences] == [6, 1, 6, 1]
    assert all(fence.complete for fence in fences)


def test_an_empty_topic_is_read_through_its_sentinels(bootstrap: str, topic: str, tmp_path: Path) -> None:
    """Nothing in the topic is not nothing to read: each sentinel must have been seen."""
    Producer({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=5)  # the mock makes it when asked
    fences, rows = read(bootstrap, Frames("run-1", topic, 100), tmp_path)

    assert rows == []
    assert [(fence.sentinel_offset, fence.position) for fence in fences] == [(0, 1)] * PARTITIONS


def test_odd_records_are_rows_of_their_own(bootstrap: str, topic: str, tmp_path: Path) -> None:
    """A corrupt, a foreign, a misrouted record and a tombstone each become a row with its offset."""
    frames = Frames("run-1", topic, 100)
    good = batch(frames, 1, 0, 2)
    corrupt = good[1][:-1] + bytes([good[1][-1] ^ 1])
    fill(bootstrap, topic, 1, good[0], corrupt, b"who?", batch(frames, 3, 9, 1)[0], None, good[1])
    _, rows = read(bootstrap, frames, tmp_path)

    assert rows == [
        (1, 7, 0, 1, 0, ReadState.GOOD),
        (1, 7, 1, 1, 1, ReadState.CORRUPT),
        (1, -1, -1, 1, 2, ReadState.FOREIGN),
        (1, 7, 9, 1, 3, ReadState.MISROUTED),
        (1, -1, -1, 1, 4, ReadState.FOREIGN),
        (1, 7, 1, 1, 5, ReadState.GOOD),
    ]


def test_duplicates_are_seen_twice(bootstrap: str, topic: str, tmp_path: Path) -> None:
    """A record that lies twice in the log is read twice."""
    frames = Frames("run-1", topic, 100)
    fill(bootstrap, topic, 0, *batch(frames, 0, 0, 2), *batch(frames, 0, 0, 2))
    _, rows = read(bootstrap, frames, tmp_path)

    assert rows == [(0, 7, 0, 2, 0, 0), (0, 7, 0, 2, 2, 0)]


def test_no_broker_is_an_error_in_time(tmp_path: Path) -> None:
    """When no broker answers, the fence is an error with what was seen last."""
    directory = RunDirectory.create(tmp_path, "run-1")
    with pytest.raises(StackError, match="the end offsets of orders took longer"):
        read_through_fence(
            "127.0.0.1:1",
            "orders",
            1,
            codec=Frames("run-1", "orders", 100),
            directory=directory,
            seconds=0.5,
        )
