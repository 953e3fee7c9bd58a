"""Starvation of real processes: the share is kept, and a starvation that is none, or a pause, is seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from harness.clock import MONOTONIC
from harness.faults.observed import start_ticks
from harness.faults.starve import Starvation
from harness.stack.agents.pod_proc import processor_seconds
from harness.stack.agents.turns import Turns


class RealProcess:
    """A real process that takes signals, all of them or only those it is to obey."""

    def __init__(self, argv: list[str], *, deaf_to: tuple[signal.Signals, ...] = ()) -> None:
        self._popen = subprocess.Popen(argv)
        self._deaf_to = deaf_to
        self.pid, self.start_ticks = self._popen.pid, start_ticks(self._popen.pid)

    def pids(self) -> tuple[int, ...]:
        """It started nothing."""
        return (self.pid,)

    def is_alive(self) -> bool:
        """As it is."""
        return self._popen.poll() is None

    def is_stopped(self) -> bool:
        """Not looked at here."""
        return False

    def send(self, number: signal.Signals) -> None:
        """Send it unless deaf."""
        if number not in self._deaf_to:
            os.kill(self.pid, number)

    def wait_gone(self, seconds: float) -> None:
        """Wait."""
        self._popen.wait(seconds)

    def end(self) -> None:
        """End it."""
        self._popen.kill()
        self._popen.wait()


BUSY = [sys.executable, "-S", "-c", "while True: sum(range(1000))"]


@pytest.fixture
def busy(request: pytest.FixtureRequest) -> Iterator[RealProcess]:
    """A process that uses all it gets."""
    process = RealProcess(BUSY, deaf_to=getattr(request, "param", ()))
    yield process
    process.end()


def _starvation(process: RealProcess, share: float) -> Starvation:
    return Starvation({"broker-1": _Running(process)}, share, 1)


@dataclass
class _Running:
    process: RealProcess

    def start(self) -> None:
        """Never."""

    def wait_ready(self, seconds: float) -> str:
        """At once."""
        return f"ready within {seconds:g} s"

    def wipe(self) -> None:
        """Never."""


def test_turns_keep_their_share(busy: RealProcess) -> None:
    """A process that would use a whole processor uses a fifth of one, and all of it again afterwards."""
    turns = Turns(busy, 0.2)
    turns.start()
    MONOTONIC.sleep(0.3)
    before, started = processor_seconds(busy.pid), time.monotonic()
    MONOTONIC.sleep(1.5)
    used = (processor_seconds(busy.pid) - before) / (time.monotonic() - started)
    turns.end()
    turns.end()

    assert 0 < used <= 0.26  # a busy machine may give less, never more
    assert not turns.are_taken


def test_a_starvation_is_proven_and_undone(busy: RealProcess) -> None:
    """The looks and the processor time both agree with the share; healed, it is not stopped at any look."""
    fault = _starvation(busy, 0.3)

    fault.inject()
    landed, still = fault.landed(), fault.still()
    fault.heal()
    fault.heal()

    assert (True, True) == (landed.ok, still.ok), landed.words
    assert fault.healed().ok


@pytest.mark.parametrize("busy", [(signal.SIGSTOP,), (signal.SIGCONT,)], indirect=True)
def test_a_starvation_that_is_none_is_seen(busy: RealProcess) -> None:
    """A process that is never stopped is not starved, and one that is never let go is paused."""
    fault = _starvation(busy, 0.3)

    fault.inject()
    landed = fault.landed()
    fault.heal()

    assert not landed.ok
    looks = re.search(r"ran at (\d+)%", landed.words)
    assert looks is not None
    assert not 10 < int(looks[1]) < 90, "always or never, but for a look in between two signals"


def test_a_starved_process_that_dies_ends_the_fault(busy: RealProcess) -> None:
    """Death ends the turns: the fault is not in force any more, and healing it is harmless."""
    fault = _starvation(busy, 0.3)
    fault.inject()
    busy.end()
    MONOTONIC.sleep(0.3)

    assert (False, "broker-1 died meanwhile") == (fault.still().ok, fault.still().words)
    fault.heal()
    assert "target gone" in fault.healed().words
