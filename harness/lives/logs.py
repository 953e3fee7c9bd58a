"""The lines of a run's logs around given instants.

Kafka, Flink, Vector, the object store and the load write their own stamps; librdkafka writes seconds since
1970. A stamp without a zone is in the zone of the process, which the log does not name: it is taken to be
the whole quarter of an hour that puts the log's first line at or after the run's start. Lines without a stamp
(stack traces) are left out. Logs may be large: they are read once, line by line, whatever is asked for.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

NEAR_S = 1.0
PER_INSTANT = 5
_QUARTER_S = 900.0
_BEFORE_S = 60.0
_LONGEST = 300

_STAMP = re.compile(
    rb"^.{0,12}?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)[.,](\d{1,9})(Z|[+-]\d\d:?\d\d)?(?=\D)"
    rb"|^%\d\|(\d{9,11}\.\d+)\|"
)
_GRAVE = re.compile(rb"\b(WARN|ERROR|FATAL|WARNING)\b|^%[0-4]\|")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log of the run. ``at_s`` is seconds of the run; ``text`` is as written, cut when long."""

    at_s: float
    file: str
    text: str


@dataclass(frozen=True, slots=True, order=True)
class _Near:
    """A line's worth for an instant: warnings first, then the nearest; the largest is the best."""

    grave: bool
    nearness: float
    file: str
    number: int
    at_s: float
    text: bytes


def around(folder: Path, zero: float, instants: Sequence[float]) -> list[tuple[LogLine, ...]]:
    """For each of *instants*, in seconds of the run, at most five lines within a second of it, in order.

    Args:
        folder: the run's logs; one that does not exist has no lines.
        zero: the wall clock at the run's start, seconds since 1970.
        instants: in any order.
    """
    best: list[list[_Near]] = [[] for _ in instants]
    for path in _files(folder):
        for line in _stamped(path, path.relative_to(folder).as_posix(), zero):
            _offer(best, instants, line)
    return [tuple(_line(each) for each in sorted(found, key=_by_time)) for found in best]


def matching(
    folder: Path, zero: float, pattern: re.Pattern[bytes]
) -> Iterator[tuple[LogLine, re.Match[bytes]]]:
    """Every stamped line of the logs that *pattern* is found in, file by file; arguments as ``around``."""
    for path in _files(folder):
        for line in _stamped(path, path.relative_to(folder).as_posix(), zero, pattern):
            if found := pattern.search(line.text):
                yield _line(line), found


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())


def _offer(best: list[list[_Near]], instants: Sequence[float], line: _Near) -> None:
    for index, instant in enumerate(instants):
        away = abs(line.at_s - instant)
        if away <= NEAR_S:
            near = _Near(line.grave, -away, line.file, line.number, line.at_s, line.text)
            (heapq.heappush if len(best[index]) < PER_INSTANT else heapq.heappushpop)(best[index], near)


def _by_time(near: _Near) -> tuple[float, str, int]:
    return near.at_s, near.file, near.number


def _line(near: _Near) -> LogLine:
    text = near.text.decode(errors="replace").rstrip()
    return LogLine(round(near.at_s, 3), near.file, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _stamped(path: Path, name: str, zero: float, only: re.Pattern[bytes] | None = None) -> Iterator[_Near]:
    """The lines of one log that carry an instant, with it in seconds of the run.

    With *only*, the lines that it is not found in may be left out.
    """
    shift: float | None = None
    with path.open("rb") as log:
        for number, text in enumerate(log):
            if only is not None and shift is not None and not only.search(text):
                continue
            found = _STAMP.match(text)
            if found is None:
                continue
            at, zoned = _instant(found)
            if shift is None and not zoned:
                shift = _zone(at - zero)
            away = at - zero - (0.0 if zoned else shift or 0.0)
            yield _Near(bool(_GRAVE.search(text)), 0.0, name, number, away, text)


def _instant(found: re.Match[bytes]) -> tuple[float, bool]:
    """Seconds since 1970 as the stamp says them, and whether it names its zone."""
    day, time, fraction, zone, epoch = (each.decode() if each else "" for each in found.groups())
    if epoch:
        return float(epoch), True
    try:
        written = datetime.fromisoformat(f"{day}T{time}{zone or '+00:00'}")
    except ValueError:  # digits that are no date
        return 0.0, True
    return (written.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1) + float(
        f"0.{fraction}"
    ), bool(zone)


def _zone(late: float) -> float:
    """The zone of a log whose first line is *late* seconds after the run's start by its own stamp."""
    return (late + _BEFORE_S) // _QUARTER_S * _QUARTER_S
