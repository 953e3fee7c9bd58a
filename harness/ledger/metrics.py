"""The metrics bucket read back: what the agent stored, as scrapes.

A scrape is one page of one process: all its events carry one timestamp, the agent's clock when the
page came. So the bucket by itself tells when each process was scraped. Both framings of Vector are
read: one JSON event a line, and (the default) one JSON array an object; gzip or plain.

An event is *shaped* when a program made something of the raw metric, *refused* when Vector rerouted it
with the reason (``metadata.dropped``), else it went on as it came. An event that lies in the bucket
twice (a retried upload) is counted once, and its repetition by itself.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from harness.ledger import schema
from harness.ledger.tables import TableWriter

LIFE_STARTED = "life_started_ms"
LIFE_SCRAPED = "life_scraped_events"
LIFE_DISCARDED = "life_discarded_events"
"""Samples of a running agent: when its process was started (wall clock), and its counters since. A
process that is killed takes its counters along: what it had scraped is at least the last one sampled."""

_GZIP = b"\x1f\x8b"
_VALUES = ("gauge", "counter", "set", "distribution", "sketch", "aggregated_summary", "aggregated_histogram")


@dataclass(slots=True)
class MetricsRead:
    """What a metrics bucket held, for ``HopRead.counts``: events once each, by what became of them."""

    objects: int = 0
    damaged: int = 0
    events: int = 0
    shaped: int = 0
    refused: int = 0
    repeated: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """By name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(slots=True)
class _Scrape:
    events: int = 0
    shaped: int = 0
    refused: int = 0
    repeated: int = 0


@dataclass(slots=True)
class _Object:
    """One object's scrapes, by instance and timestamp, and the first thing that is wrong with it."""

    lines: int = 0
    flaw: str = ""
    scrapes: dict[tuple[str, int], _Scrape] = field(default_factory=dict)


def read_metrics(found: Iterable[tuple[str, bytes]], folder: Path, bucket: str) -> MetricsRead:
    """Enter every object of *found* into the ledger's tables ``objects`` and ``scrapes`` in *folder*."""
    objects = TableWriter(folder, "objects", schema.OBJECTS, writer="metrics")
    scrapes = TableWriter(folder, "scrapes", schema.SCRAPES)
    total, seen = MetricsRead(), set[int]()
    for number, (name, body) in enumerate(found):
        read = _read_object(body, seen)
        objects.add(number, bucket, name, len(body), read.lines, read.flaw)
        for (instance, t_ms), one in read.scrapes.items():
            scrapes.add(t_ms, instance, one.events, one.shaped, one.refused, one.repeated, number)
            total.events += one.events
            total.shaped += one.shaped
            total.refused += one.refused
            total.repeated += one.repeated
        total.objects += 1
        total.damaged += bool(read.flaw)
    objects.close()
    scrapes.close()
    return total


def _read_object(body: bytes, seen: set[int]) -> _Object:
    read = _Object()
    try:
        text = (gzip.decompress(body) if body[:2] == _GZIP else body).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        read.flaw = f"cannot be unpacked: {error}"
        return read
    for line in _lines(text, read):
        read.lines += 1
        event = _event(line)
        if event is None:
            read.flaw = read.flaw or f"line {read.lines} is no event"
            continue
        _count(read, event, is_new=(mark := hash(line)) not in seen)
        seen.add(mark)
    if not read.lines:
        read.flaw = read.flaw or "holds nothing"
    return read


def _lines(text: str, read: _Object) -> Iterator[str]:
    """The events of an object as lines, whichever the framing."""
    if not text.lstrip().startswith("["):
        yield from text.splitlines()
        return
    try:
        events = json.loads(text)
    except ValueError as error:
        read.flaw = f"is no JSON array: {error}"
        return
    yield from (json.dumps(event, sort_keys=True) for event in events)


def _event(line: str) -> dict[str, object] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _count(read: _Object, event: Mapping[str, object], *, is_new: bool) -> None:
    place = (_instance(event), _milliseconds(event.get("timestamp")))
    scrape = read.scrapes.setdefault(place, _Scrape())
    if not is_new:
        scrape.repeated += 1
        return
    scrape.events += 1
    if _is_refused(event):
        scrape.refused += 1
    elif not _is_raw(event):
        scrape.shaped += 1


def _instance(event: Mapping[str, object]) -> str:
    """Which process an event is from: its own field once it is shaped, a tag before; empty: not told."""
    tags = event.get("tags")
    tagged = tags.get("instance") if isinstance(tags, dict) else None
    return str(event.get("instance") or tagged or "")


def _is_refused(event: Mapping[str, object]) -> bool:
    told = event.get("metadata")
    return isinstance(told, dict) and "dropped" in told


def _is_raw(event: Mapping[str, object]) -> bool:
    """Whether this is a metric as Vector scraped it; an event without an instant was not shaped either."""
    raw = "name" in event and "kind" in event and any(value in event for value in _VALUES)
    return raw or _milliseconds(event.get("timestamp")) < 0


def _milliseconds(stamp: object) -> int:
    """An RFC 3339 instant as milliseconds since 1970; -1 when it is none."""
    try:
        return round(datetime.fromisoformat(str(stamp)).timestamp() * 1000)
    except ValueError:
        return -1
