"""One real drill, interrupted in every way that people and CI systems know: nothing may be left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.faults.observed import marked_processes
from harness.model import Aborted
from harness.rundir import RunDirectory
from harness.waiting import NotYet, wait_for

pytestmark = pytest.mark.contract

STORY = '''
from harness.scenario import Run, leader_of, pause, scenario


@scenario()
def test_story(run: Run) -> None:
    """A paused leader, for as long as it takes to be interrupted."""
    with run.load(rate=500, partitions=3, keys=30, producers=2):
        run.hold_steady(seconds=1)
        with run.inject(pause(leader_of("orders", 0)), seconds=60):
            run.hold_steady(seconds=60)
    run.verify()
'''


class Drill:
    """One ``harness run`` in the background."""

    def __init__(self, folder: Path) -> None:
        (folder / "scenarios").mkdir()
        (folder / "scenarios" / "story.py").write_text(STORY)
        self.out = folder / "reports"
        argv = [sys.executable, "-m", "harness", "run", "story", "--scenarios", str(folder / "scenarios")]
        self.process = subprocess.Popen(
            [*argv, "--out", str(self.out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def directory(self) -> RunDirectory:
        """Its run directory, once there is one."""
        return RunDirectory.open(next(iter(self.out.iterdir())))

    def wait_for_step(self, step: str, seconds: float = 120) -> None:
        """Return when the journal holds *step* of the fault."""

        def observe() -> None:
            if self.process.poll() is not None:
                raise AssertionError(self.process.communicate())
            if not self.out.exists() or not any(self.out.iterdir()):
                raise NotYet("no run directory")
            steps = [entry.step for entry in RunDirectory(next(iter(self.out.iterdir()))).read_journal()]
            if step not in steps:
                raise NotYet(f"steps so far: {steps}")

        wait_for(observe, what=f"step {step}", seconds=seconds)

    def ends_within(self, seconds: float) -> int:
        """Its exit code."""
        self.told, self.errors = self.process.communicate(timeout=seconds)
        return self.process.returncode

    def leaves_nothing(self, seconds: float = 6) -> None:
        """Return when no process carries the run's mark any more; namespaces go with their processes."""
        run = next(iter(self.out.iterdir())).name

        def observe() -> None:
            if left := list(marked_processes(run)):
                raise NotYet(f"left: {left}")

        wait_for(observe, what="everything gone", seconds=seconds)


@pytest.fixture(name="drill")
def _drill(tmp_path: Path) -> Iterator[Drill]:
    drill = Drill(tmp_path)
    try:
        drill.wait_for_step("effect-proven")
        yield drill
    finally:
        drill.process.kill()
        drill.process.wait()


def test_one_interrupt_heals_and_reports(drill: Drill) -> None:
    """One Ctrl-C: the fault is healed and proven so, a partial report exists, the exit code is 130."""
    drill.process.send_signal(signal.SIGINT)

    assert drill.ends_within(60) == 130, drill.errors
    steps = [entry.step for entry in drill.directory.read_journal()]
    assert steps[-1] == "healing-proven"
    assert drill.directory.report.exists()
    aborted = [event for event in drill.directory.read_events() if isinstance(event, Aborted)]
    assert [one.by_user for one in aborted] == [True]
    assert json.loads(drill.directory.document.read_text())["exit_code"] == 130
    drill.leaves_nothing()


def test_two_interrupts_heal_and_leave(drill: Drill) -> None:
    """Asked twice: undone all the same, no waiting for proofs or a report, exit code 130."""
    drill.process.send_signal(signal.SIGTERM)
    drill.wait_for_step("healed", seconds=20)
    drill.process.send_signal(signal.SIGTERM)

    assert drill.ends_within(30) == 130, drill.errors
    assert not drill.directory.report.exists()
    drill.leaves_nothing()


@pytest.mark.parametrize("victim", ["keeper", "harness"])
def test_a_killed_drill_leaves_nothing(drill: Drill, victim: str) -> None:
    """SIGKILL of the command, or of the harness inside it, ends every broker, worker and namespace."""
    run = drill.directory.run_id
    brokers = [process for process in marked_processes(run) if process.node]
    assert len(brokers) >= 3

    os.kill(drill.process.pid if victim == "keeper" else _inner(drill.process.pid), signal.SIGKILL)

    drill.leaves_nothing()
    assert drill.ends_within(10) == (-signal.SIGKILL if victim == "keeper" else 255)


def _inner(keeper: int) -> int:
    """The harness itself: the keeper's only child."""
    children = psutil.Process(keeper).children()
    assert len(children) == 1, children
    return int(children[0].pid)
