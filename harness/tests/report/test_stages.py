"""A recovery in parts, from logs as brokers write them and a ledger as the load does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from harness.checkers.compose import judge
from harness.ledger.evidence import Evidence
from harness.report.stages import StageRow, stages_of
from harness.rundir import RunDirectory
from harness.tests.checkers.build import WALL, passing_story

FAULT = "1. kill the leader of orders/0"
FENCED = "INFO [QuorumController id=2] Fencing broker 1 because its session has timed out."
LED = "INFO [Broker id=2] Leader orders-{} with topic id Some(x) starts at leader epoch 1 from offset 7 with"


def stamped(seconds: float, text: str) -> str:
    """A line of a broker's log at so many seconds of the run."""
    at = datetime.fromisoformat(WALL) + timedelta(seconds=seconds)
    return f"[{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d}] {text}\n"


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run's directory with nothing in it."""
    return RunDirectory.create(tmp_path, "run")


def told(directory: RunDirectory, evidence: Evidence) -> dict[str, StageRow]:
    """The parts of the only recovery by name; the broker is killed at 15 s and partition 0 is its own."""
    document = judge(evidence, harness_version="test")
    return {row.name: row for row in stages_of(document, evidence, directory)[FAULT]}


def log(directory: RunDirectory, *lines: tuple[float, str]) -> None:
    """The log of a broker that lives."""
    text = "".join(stamped(seconds, text) for seconds, text in [(0.5, "INFO starting"), *lines])
    (directory.logs / "broker-2.log").write_text(text)


def test_the_parts_are_those_of_the_logs_and_the_ledger(directory: RunDirectory) -> None:
    """Killed at 15 s, fenced at 22.5, led anew at 23.1, answered at 23.6: 7.5, 0.6 and 0.5 seconds."""
    log(directory, (22.5, FENCED), (23.1, LED.format(0)), (24.0, LED.format(7)))
    found = told(directory, passing_story().evidence())

    assert ["7.5 s", "0.6 s", "0.5 s"] == [found[n].took for n in ("noticed", "led anew", "acknowledged")]
    assert "≤ 11.0 s (broker.session.timeout.ms + broker.heartbeat.interval.ms)" == found["noticed"].expected
    assert "≤ 1.0 s (client.retry.backoff.max.ms)" == found["acknowledged"].expected
    assert "broker-2.log at 22.500 s" in found["noticed"].evidence


def test_without_logs_nothing_is_guessed(directory: RunDirectory) -> None:
    """A run that keeps no logs has its drain, and says what is missing for the rest."""
    found = told(directory, passing_story().evidence())

    assert ["noticed, led anew, acknowledged", "drained"] == list(found)
    assert "keeps no logs" in found["noticed, led anew, acknowledged"].evidence


def others() -> Iterator[tuple[float, str]]:
    """Lines that say nothing of this fault."""
    yield 3.0, FENCED  # before it
    yield 3.1, LED.format(0)
    yield 20.0, FENCED.replace("broker 1", "broker 3")
    yield 20.1, FENCED.replace("broker 1", "broker 11")
    yield 20.2, LED.format(0).replace("orders", "reorders")


def test_lines_of_other_brokers_topics_and_times_are_none_of_it(directory: RunDirectory) -> None:
    """Only the target's fencing and its own partitions, from the injection on, count."""
    log(directory, *others())
    found = told(directory, passing_story().evidence())

    assert ["–", "–", "–"] == [found[n].took for n in ("noticed", "led anew", "acknowledged")]
    assert "may have kept its session" in found["noticed"].evidence
    assert "no log names a new leader" in found["led anew"].evidence


def test_partitions_that_no_log_names_are_said(directory: RunDirectory) -> None:
    """Of two partitions one is led anew in the logs: the figure says that it is of one."""
    story = passing_story()
    story.journal = [entry.model_copy(update={"partitions": (0, 1)}) for entry in story.journal]
    log(directory, (23.0, LED.format(1)))

    assert "only 1 of 2 partitions are named" in told(directory, story.evidence())["led anew"].evidence
    assert "from the injection" in told(directory, story.evidence())["led anew"].evidence


def test_a_fault_that_leads_nothing_has_no_parts(directory: RunDirectory) -> None:
    """A fault at a broker that led no partition, or at no broker, is not taken apart."""
    story = passing_story()
    story.journal = [entry.model_copy(update={"partitions": ()}) for entry in story.journal]
    evidence = story.evidence()

    assert {} == stages_of(judge(evidence, harness_version="test"), evidence, directory)
