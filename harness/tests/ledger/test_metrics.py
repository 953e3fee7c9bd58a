"""The metrics bucket read back: both framings, every state of an event, and objects that are not whole."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ledger import schema, tables
from harness.ledger.metrics import MetricsRead, read_metrics

NOON = "2026-01-01T12:00:00.123456789Z"
NOON_MS = 1_767_268_800_123
BUCKET = "edge-metrics"


def shaped(number: int = 0, stamp: str = NOON, instance: str = "a:9249") -> dict[str, object]:
    """An event as the corrected program makes it."""
    return {"instance": instance, "labels": {}, "metric": f"m{number}", "timestamp": stamp, "value": 1.0}


def raw(number: int = 0) -> dict[str, object]:
    """An event as it came."""
    tags = {"instance": "a:9249"}
    gauge = {"value": 1.0}
    return {"name": f"m{number}", "tags": tags, "timestamp": NOON, "kind": "absolute", "gauge": gauge}


def refused(number: int = 0) -> dict[str, object]:
    """An event that was rerouted with the reason."""
    return {**raw(number), "metadata": {"dropped": {"component_id": "edge_processing", "reason": "error"}}}


def zipped(text: bytes) -> bytes:
    """*text* as an object; the same bytes every time, for tests are named by them."""
    return gzip.compress(text, mtime=0)


def lines(*events: Mapping[str, object]) -> bytes:
    """An object of one event a line."""
    return zipped("".join(f"{json.dumps(event)}\n" for event in events).encode())


def rows(folder: Path, table: str) -> list[dict[str, object]]:
    """A table that was written."""
    found, _ = tables.read(folder, table, {"objects": schema.OBJECTS, "scrapes": schema.SCRAPES}[table])
    listed: list[dict[str, object]] = found.to_pylist()
    return listed


def test_a_page_is_one_scrape(tmp_path: Path) -> None:
    """Events with one instant and one process are one scrape, whatever they became."""
    body = lines(shaped(0), shaped(1), raw(2), refused(3))
    read = read_metrics([("metrics/1.log.gz", body)], tmp_path, BUCKET)

    assert read == MetricsRead(objects=1, events=4, shaped=2, refused=1)
    assert rows(tmp_path, "scrapes") == [
        {
            "t_ms": NOON_MS,
            "instance": "a:9249",
            "events": 4,
            "shaped": 2,
            "refused": 1,
            "repeated": 0,
            "object": 0,
        }
    ]
    assert rows(tmp_path, "objects") == [
        {
            "object": 0,
            "bucket": BUCKET,
            "name": "metrics/1.log.gz",
            "bytes": len(body),
            "lines": 4,
            "flaw": "",
        }
    ]


def test_an_array_holds_the_same_as_lines(tmp_path: Path) -> None:
    """Vector's default is one array an object, unpacked or not; it is read alike."""
    body = json.dumps([raw(0), raw(1)]).encode()
    read = read_metrics([("date=2026-01-01a.log", body)], tmp_path, BUCKET)

    assert read == MetricsRead(objects=1, events=2)
    assert [row["instance"] for row in rows(tmp_path, "scrapes")] == ["a:9249"]


def test_an_upload_that_was_retried_counts_once(tmp_path: Path) -> None:
    """The same events in a second object are repetitions, not more events."""
    body = lines(shaped(0), shaped(1))
    read = read_metrics([("1", body), ("2", body)], tmp_path, BUCKET)

    assert (read.events, read.shaped, read.repeated) == (2, 2, 2)


def test_processes_and_instants_are_kept_apart(tmp_path: Path) -> None:
    """Another process or another instant is another scrape."""
    later = "2026-01-01T12:00:02Z"
    body = lines(shaped(0), shaped(0, later), shaped(0, later, "b:9249"))
    read_metrics([("1", body)], tmp_path, BUCKET)

    assert [(row["t_ms"], row["instance"]) for row in rows(tmp_path, "scrapes")] == [
        (NOON_MS, "a:9249"),
        (NOON_MS + 1877, "a:9249"),
        (NOON_MS + 1877, "b:9249"),
    ]


@pytest.mark.parametrize(
    ("body", "flaw", "events"),
    [
        (lines(shaped(0), shaped(1))[:-9], "cannot be unpacked: ", 0),
        (lines(shaped(0))[:20] + b"\xff" * 30, "cannot be unpacked: ", 0),
        (zipped(json.dumps(shaped()).encode() + b'\n{"cut'), "line 2 is no event", 1),
        (json.dumps([shaped()]).encode()[:-3], "is no JSON array: ", 0),
        (b"17\n", "line 1 is no event", 0),
        (b"", "holds nothing", 0),
        (b"\xff\xfe", "cannot be unpacked: ", 0),
    ],
)
def test_an_object_that_is_not_whole_is_told(tmp_path: Path, body: bytes, flaw: str, events: int) -> None:
    """The flaw is named; what can be read of the object still counts."""
    read = read_metrics([("1", body)], tmp_path, BUCKET)

    assert (read.damaged, read.events) == (1, events)
    assert str(rows(tmp_path, "objects")[0]["flaw"]).startswith(flaw)


@pytest.mark.parametrize("stamp", ["yesterday", "", None])
def test_an_event_without_an_instant_was_not_shaped(tmp_path: Path, stamp: str | None) -> None:
    """It cannot be placed in time, so no program made anything of it that could be used."""
    read = read_metrics([("1", lines({**shaped(), "timestamp": stamp}))], tmp_path, BUCKET)

    assert (read.events, read.shaped) == (1, 0)
    assert rows(tmp_path, "scrapes")[0]["t_ms"] == -1


def test_an_empty_bucket_reads_as_nothing(tmp_path: Path) -> None:
    """No object, no event, and tables that say so."""
    assert read_metrics([], tmp_path, BUCKET) == MetricsRead()
    assert rows(tmp_path, "objects") == rows(tmp_path, "scrapes") == []


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 120))
def test_any_bytes_are_read_to_a_verdict(damage: bytes, at: int) -> None:
    """Whatever was written over a body, it is either told to be damaged or reads as it did before."""
    body = lines(*(shaped(number) for number in range(5)))
    bent = body[:at] + damage + body[at + len(damage) :]
    read = read_body(bent)

    assert read.damaged or read == MetricsRead(objects=1, events=5, shaped=5)


def read_body(body: bytes) -> MetricsRead:
    """One body read into nowhere."""
    with tempfile.TemporaryDirectory() as folder:
        return read_metrics([("1", body)], Path(folder), BUCKET)
