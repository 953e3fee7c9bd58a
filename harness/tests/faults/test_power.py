"""Faults on machines: proven by what Docker says and by the processes of the pods, undone by a start."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from harness.errors import FaultError, StackError
from harness.faults.mechanism import Seen
from harness.faults.power import MachinePause, PowerCut
from harness.faults.reach import Pair
from harness.stack.kind.machines import START
from harness.tests.faults.fakes import FakeProcess
from harness.tests.faults.orchestrated import Later, PodStack

NAME, MACHINE = "broker-1", "worker-1"
THROUGH = frozenset({Pair("load-1", NAME)})


def cut(stack: PodStack, *, reboots: bool = False) -> PowerCut:
    """The first broker's machine without power."""
    services = {NAME: stack.pods[NAME]}
    return PowerCut((MACHINE,), stack.machines, services, 60.0, THROUGH, reboots=reboots, clock=Later())


def paused(stack: PodStack, process: FakeProcess, clock: Later) -> MachinePause:
    """The first broker's machine paused, with that process on it."""
    stack.pods[NAME].process = process
    return MachinePause((MACHINE,), stack.machines, {NAME: stack.pods[NAME]}, 60.0, THROUGH, clock=clock)


@pytest.fixture
def sleeper() -> Iterator[FakeProcess]:
    """A process that makes no progress."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    assert child.stdin
    assert child.stdout
    child.stdout.readline()
    yield FakeProcess(child.pid)
    child.communicate(b"\n")


def test_a_machine_without_power_takes_its_pods_along() -> None:
    """Proven by the processes gone and the machine off; a start heals it, a second one changes nothing."""
    stack = PodStack()
    fault = cut(stack)
    fault.inject()

    assert fault.landed() == Seen(ok=True, words="worker-1 exited; broker-1 gone")
    assert fault.still().ok
    fault.heal()
    fault.heal()
    assert stack.machines.states[MACHINE] == "running"
    assert fault.healed() == Seen(ok=True, words="broker-1: ready")
    assert (stack.pods[NAME].starts, stack.pods[NAME].waited) == (1, [60.0])


def test_docker_alone_proves_no_power_cut() -> None:
    """A machine that is off while a process of its pods lives is not off."""
    stack = PodStack()
    stack.machines.processes.clear()
    fault = cut(stack)
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="broker-1 did not end: it still runs")


def test_dead_processes_alone_prove_no_power_cut() -> None:
    """Pods that died on a machine that runs are another fault."""
    stack = PodStack()
    stack.machines.deaf = True
    fault = cut(stack)
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="worker-1 running; broker-1 gone")


def test_a_machine_that_somebody_started_is_not_still_off() -> None:
    """What came back before the healing ended the fault early."""
    stack = PodStack()
    fault = cut(stack)
    fault.inject()
    stack.machines.start(MACHINE)

    assert fault.still() == Seen(ok=False, words="worker-1 was started by somebody else")


def test_a_reboot_ends_by_itself() -> None:
    """The machine runs again at once: what is proven is that every process of its pods went."""
    stack = PodStack()
    fault = cut(stack, reboots=True)
    fault.inject()

    assert stack.machines.told == ["stop worker-1", "start worker-1"]
    assert fault.landed() == Seen(ok=True, words="worker-1 running; broker-1 gone")
    assert fault.still().ok
    assert fault.commands == ("docker restart --time 0 worker-1",)


def test_a_machine_that_does_not_run_is_refused() -> None:
    """What another fault stopped already cannot be stopped."""
    stack = PodStack()
    stack.machines.states[MACHINE] = "paused"

    with pytest.raises(FaultError, match=r"machine worker-1 is paused\. Fix: heal the other fault first"):
        cut(stack)


def test_a_machine_that_stays_off_is_not_healed() -> None:
    """Healing is proven by a machine that runs and by services that serve, in this order."""
    stack = PodStack()
    fault = cut(stack)
    fault.inject()

    assert fault.healed() == Seen(ok=False, words="worker-1 does not run")
    fault.heal()
    stack.pods[NAME].unready = StackError("it has no leader")
    assert fault.healed() == Seen(ok=False, words="broker-1 does not serve: it has no leader")


def test_the_journal_names_the_machines_to_be_started() -> None:
    """The watchdog goes by these notes when the harness is gone."""
    fault = cut(PodStack())

    assert fault.undo == ({"do": START, "node": MACHINE},)
    assert fault.undo_commands == ("docker start worker-1",)
    assert fault.footprint.severed == THROUGH


def test_a_paused_machine_stands_still(sleeper: FakeProcess) -> None:
    """Proven by its state and by processes that live and are not switched; connections are not judged."""
    fault = paused(PodStack(), sleeper, Later())
    fault.inject()

    words = "worker-1 paused; no context switch of broker-1 in 0.2 s"
    assert fault.landed() == Seen(ok=True, words=words)
    assert (fault.footprint.severed, fault.footprint.unsure) == (frozenset(), THROUGH)


def test_a_process_that_moves_is_on_no_paused_machine() -> None:
    """Docker says paused, and a process of its pods is switched: not proven."""
    switched = Later(lambda: threading.Event().wait(0.001))
    fault = paused(PodStack(), FakeProcess(os.getpid()), switched)
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="last seen: broker-1 still runs")


def test_a_dead_process_does_not_stand_still(sleeper: FakeProcess) -> None:
    """Nothing is switched of a process that is gone: that is no pause."""
    sleeper.alive = False
    fault = paused(PodStack(), sleeper, Later())
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="last seen: broker-1 is dead")


def test_an_idle_process_alone_is_on_no_paused_machine(sleeper: FakeProcess) -> None:
    """A process may have nothing to do: Docker has to say that the machine is paused."""
    stack = PodStack()
    stack.machines.deaf = True
    fault = paused(stack, sleeper, Later())
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="last seen: worker-1 running")


def test_a_pause_that_somebody_ended_is_noticed(sleeper: FakeProcess) -> None:
    """A machine that runs before it was healed ended the fault early; healing it twice is harmless."""
    stack = PodStack()
    fault = paused(stack, sleeper, Later())
    fault.inject()
    assert fault.still().ok
    fault.heal()
    fault.heal()

    assert fault.still() == Seen(ok=False, words="worker-1 was started by somebody else")
    assert (fault.commands, fault.undo_commands) == (("docker pause worker-1",), ("docker unpause worker-1",))
