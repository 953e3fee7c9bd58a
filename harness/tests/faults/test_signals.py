"""Process faults that do not go as planned: each says what it saw instead."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from harness.faults.observed import start_ticks
from harness.faults.signals import Death, Pause
from harness.tests.faults.fakes import FakeProcess, FakeService
from harness.tests.faults.test_injection import FakeClock


def test_a_process_that_runs_on_is_not_paused() -> None:
    """Threads that are not in state T leave the pause unproven, whatever was sent."""
    pause = Pause({"broker-1": FakeService(FakeProcess(os.getpid()))}, 1, clock=FakeClock())

    pause.inject()
    seen = pause.landed()

    assert not seen.ok
    assert "broker-1 has threads in state" in seen.words


def test_a_pause_that_somebody_ended_is_not_still_in_force() -> None:
    """A process that runs before it was healed says that the pause ended early."""
    process = FakeProcess(1)
    pause = Pause({"broker-1": FakeService(process)}, 1)
    process.stopped = True
    held = pause.still()
    process.stopped = False

    assert (True, False) == (held.ok, pause.still().ok)


def test_a_process_that_withstands_is_not_dead() -> None:
    """SIGTERM that ends nothing leaves the effect unproven; healing kills it, then starts it, once."""
    service = FakeService(FakeProcess(1))
    victim = service.process
    death = Death({"broker-1": service}, signal.SIGTERM, 1, 1)

    death.inject()
    seen = death.landed()
    death.heal()
    death.heal()

    assert (False, "broker-1 did not end: it still runs") == (seen.ok, seen.words)
    assert [signal.SIGTERM, signal.SIGKILL] == victim.sent
    assert 1 == service.starts


def test_a_death_that_somebody_undid_is_not_still_in_force() -> None:
    """A service that came back by itself says that the fault ended early."""
    service = FakeService(FakeProcess(1))
    death = Death({"broker-1": service}, signal.SIGKILL, 1, 1)
    death.inject()
    held = death.still()
    service.start()

    assert (True, False) == (held.ok, death.still().ok)
    assert "broker-1 came back by itself" == death.still().words


@dataclass
class Parent(FakeProcess):
    """A process that started another, which is the test itself."""

    def pids(self) -> tuple[int, ...]:
        """Both."""
        return (self.pid, os.getpid())


def test_a_pause_is_of_every_process_of_a_node() -> None:
    """What runs on beside a stopped process leaves it unproven; the journal names them all."""
    pause = Pause({"s3-1": FakeService(Parent(1))}, 1, clock=FakeClock())
    pause.inject()

    assert pause.commands == (f"kill -STOP 1 {os.getpid()}",)
    assert [note["pid"] for note in pause.undo] == ["1", str(os.getpid())]
    assert pause.undo[1]["ticks"] == str(start_ticks(os.getpid()))
    assert not pause.landed().ok
