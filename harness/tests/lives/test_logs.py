"""Log lines around an instant: every stamp that the stack's programs write, and never more than five."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.lives.logs import PER_INSTANT, around

ZERO = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def log(folder: Path, name: str, *lines: str) -> None:
    """A log of these lines."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


def found(folder: Path, *instants: float) -> list[list[str]]:
    """The lines around each instant, as text."""
    return [[line.text for line in lines] for lines in around(folder, ZERO.timestamp(), instants)]


@pytest.mark.parametrize(
    "stamp",
    [
        "[2026-01-01 12:00:20,250] INFO",
        "2026-01-01 12:00:20,250 INFO",
        "2026-01-01 12:00:20.250 INFO",
        "2026-01-01T12:00:20.250123Z  INFO",
        "2026-01-01T14:00:20.250123+02:00 INFO",
        f"%4|{ZERO.timestamp() + 20.25:.3f}|FAIL|",
    ],
)
def test_every_stamp_of_the_stack_is_understood(tmp_path: Path, stamp: str) -> None:
    """Kafka, Flink, the object store, Vector and librdkafka: the line is at 20.25 s of the run."""
    log(tmp_path / "logs", "one.log", f"{stamp} something happened")
    ((line,),) = around(tmp_path / "logs", ZERO.timestamp(), [20.0])

    assert (20.25, "one.log") == (line.at_s, line.file)


@pytest.mark.parametrize("hours", [-11, -5.75, 0, 2, 5.5, 14])
def test_the_zone_of_a_log_is_inferred(tmp_path: Path, hours: float) -> None:
    """A process in another zone writes other hours; its lines are still at their seconds of the run."""
    local = ZERO + timedelta(hours=hours)
    stamps = [(local + timedelta(seconds=s)).strftime("[%Y-%m-%d %H:%M:%S,000]") for s in (3, 40)]
    log(tmp_path / "logs", "one.log", f"{stamps[0]} INFO first", f"{stamps[1]} INFO second")

    assert [[f"{stamps[1]} INFO second"]] == found(tmp_path / "logs", 40.5)


def test_at_most_five_lines_and_warnings_first(tmp_path: Path) -> None:
    """Of a hundred lines the warnings and then the nearest are kept, in the order of their instants."""
    lines = [f"[2026-01-01 12:00:{20 + n // 100:02d},{n % 100:02d}0] INFO line {n}" for n in range(100)]
    lines[3] = lines[3].replace("INFO", "WARN")
    log(tmp_path / "logs", "one.log", *lines)
    (kept,) = found(tmp_path / "logs", 20.5)

    assert PER_INSTANT == len(kept)
    assert "WARN line 3" in kept[0]
    assert kept == sorted(kept)


def test_what_is_far_away_or_has_no_stamp_is_left_out(tmp_path: Path) -> None:
    """Lines more than a second away, stack traces and bytes that are no text do no harm."""
    log(tmp_path / "logs", "one.log", "[2026-01-01 12:00:20,000] INFO far", "\tat java.lang.Thread.run")
    (tmp_path / "logs" / "core").write_bytes(bytes(range(256)) * 40)

    assert [[]] == found(tmp_path / "logs", 30.0)


def test_a_run_without_logs_has_no_lines(tmp_path: Path) -> None:
    """A folder that does not exist is none to read."""
    assert [[], []] == found(tmp_path / "nowhere", 1.0, 2.0)
