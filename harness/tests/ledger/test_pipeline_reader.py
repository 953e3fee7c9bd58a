"""What the job wrote, read back from a broker: results and places, whole, and nothing guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka import Producer

from harness.errors import StackError
from harness.ledger import schema, tables
from harness.ledger.fence import Topic
from harness.ledger.pipeline_reader import FENCE_KEY, read_placed, read_results
from harness.ledger.reader import read_through_fence
from harness.load.frames import Frames
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
def topic(bootstrap: str) -> Topic:
    """A topic of its own for each test."""
    name = f"edge-{next(_numbers)}"
    Producer({"bootstrap.servers": bootstrap}).list_topics(name, timeout=5)  # the mock makes it when asked
    return Topic(bootstrap, name, PARTITIONS)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run directory."""
    return RunDirectory.create(tmp_path, "run-1")


def fill(topic: Topic, partition: int, *values: bytes | None) -> None:
    """Append *values*, waiting for all of them."""
    producer = Producer({"bootstrap.servers": topic.bootstrap, "acks": "all"})
    for value in values:
        producer.produce(topic.name, value, "key-00000001", partition=partition, timestamp=1_700)
    assert producer.flush(10) == 0


def rows(directory: RunDirectory, name: str) -> list[dict[str, object]]:
    """The rows of a table."""
    table, cut = tables.read(directory.ledger, name, getattr(schema, name.upper()))
    assert not cut
    found: list[dict[str, object]] = table.to_pylist()
    return found


def result(**changes: object) -> bytes:
    """A result as the job writes one."""
    plain: dict[str, object] = {"key": 12, "window": 1_000, "count": 3, "sum": 60, "min": 10, "max": 30}
    totals = {"fingerprint": 2**61 - 1, "total_count": 7, "total_sum": 99, "made_ms": 1_600}
    return json.dumps(plain | totals | changes).encode()


def test_results_are_read_through_the_fence(topic: Topic, directory: RunDirectory) -> None:
    """Every field of a result becomes a column; a sentinel is none, also that of an earlier fence."""
    fill(topic, 2, result())
    read_results(topic, directory=directory, seconds=20)
    (directory.ledger / f"results-{topic.name}.arrow").unlink()
    found = read_results(topic, directory=directory, seconds=20)

    assert all(fence.complete for fence in found.fences)
    assert found.counts == {"results": 1, "unreadable": 0}
    assert rows(directory, "results") == [
        {
            "partition": 2,
            "offset": 0,
            "key": 12,
            "window_ms": 1_000,
            "count": 3,
            "sum": 60,
            "min": 10,
            "max": 30,
            "fingerprint": 2**61 - 1,
            "total_count": 7,
            "total_sum": 99,
            "made_ms": 1_600,
            "appended_ms": 1_700,
        }
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"7",
        result(count="3"),
        result(count=True),
        result(count=1.0),
        result(sum=2**63),
        result(window=None),
        b'{"key":1}',
    ],
)
def test_what_is_no_result_is_counted(topic: Topic, directory: RunDirectory, value: bytes | None) -> None:
    """A line that is not what the job promises is unreadable, and those around it are read."""
    fill(topic, 0, result(), value, result(key=13))
    found = read_results(topic, directory=directory, seconds=20)

    assert found.counts == {"results": 2, "unreadable": 1}
    assert [row["key"] for row in rows(directory, "results")] == [12, 13]


def test_places_are_read_from_both_topics(topic: Topic, bootstrap: str, directory: RunDirectory) -> None:
    """Refused and late records land in one table, each with its place and the job's word."""
    late = Topic(bootstrap, f"{topic.name}-late", PARTITIONS)
    fill(topic, 1, b'{"partition":3,"offset":9,"reason":"checksum","value":"AA=="}')
    fill(late, 0, b'{"partition":4,"offset":8,"key":1,"event_ms":2,"reason":"late"}')
    dead = read_placed(topic, "dead", directory=directory, seconds=20)
    read_placed(late, "late", directory=directory, seconds=20)

    assert dead.counts == {"records": 1, "unreadable": 0}
    assert sorted(tuple(row.values()) for row in rows(directory, "placed")) == [
        ("dead", "checksum", 3, 9),
        ("late", "late", 4, 8),
    ]


def test_an_empty_topic_is_read_through_its_sentinels(topic: Topic, directory: RunDirectory) -> None:
    """No late record at all is a reading as well, with a fence per partition and no row."""
    found = read_placed(topic, "late", directory=directory, seconds=20)

    assert [fence.complete for fence in found.fences] == [True] * PARTITIONS
    assert rows(directory, "placed") == []


def test_no_broker_is_an_error_in_time(directory: RunDirectory) -> None:
    """When no broker answers, the reading is an error with what was seen last."""
    with pytest.raises(StackError, match="the end offsets of edge-out took longer"):
        read_results(Topic("127.0.0.1:1", "edge-out", 1), directory=directory, seconds=0.5)


def test_inputs_come_with_the_reads(topic: Topic, directory: RunDirectory) -> None:
    """One pass over the source log fills both tables; a damaged record has its flaw, sentinels no row."""
    frames = Frames("run-1", topic.name, 100)
    good = frames.encode_batch(
        producer=7, partition=1, first_sequence=5, count=2, t_intended=1, key=3, event_ms=1_234
    )
    fill(topic, 1, frames.sentinel(1), *good, b"who?", good[0][:-1] + b"!")
    fences = read_through_fence(
        topic.bootstrap,
        topic.name,
        PARTITIONS,
        codec=frames,
        directory=directory,
        seconds=20,
        closing_ms=9_999_999,
    )
    inputs = rows(directory, "inputs")

    assert all(fence.complete for fence in fences)
    assert [(row["offset"], row["sequence"], row["key"], row["event_ms"]) for row in inputs] == [
        (1, 5, 3, 1_234),
        (2, 6, 3, 1_234),
        (3, -1, -1, -1),
        (4, 5, 3, 1_234),
    ]
    assert [row["flaw"] for row in inputs] == ["", "", "length", "checksum"]
    assert [row["first_seq"] for row in rows(directory, "reads")] == [5, -1, 5]
    assert FENCE_KEY not in good[0]
