"""Want of memory: a process of ours joins the container's own group, and the kernel kills the victim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import FaultError, NotExpressible
from harness.faults import memory
from harness.faults.mechanism import Seen
from harness.faults.memory import OutOfMemory
from harness.faults.observed import FAULT, NODE
from harness.tests.faults.orchestrated import Later, PodStack

NAME = "broker-1"
GROUP = "kubepods/pod1/c1"
TAKES_NOTHING = "import sys, time; sys.stdin.read(1); time.sleep(60)"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /proc and of the groups, in which our process takes no memory."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_GROUPS", (tmp_path / "groups",))
    monkeypatch.setattr(memory, "_FILL", TAKES_NOTHING)
    told(tmp_path, f"0::/{GROUP}\n")
    (tmp_path / "groups" / GROUP).mkdir(parents=True)
    return tmp_path


def told(machine: Path, lines: str) -> None:
    """What /proc tells of the groups of the first broker's process."""
    folder = machine / "proc/1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup").write_text(lines)


def full(stack: PodStack) -> OutOfMemory:
    """The first broker's memory, to be filled."""
    return OutOfMemory({NAME: stack.pods[NAME]}, stack.orchestrator, 60.0, clock=Later())


def ended(stack: PodStack, why: str) -> None:
    """The victim dies, and the cluster says why."""
    stack.pods[NAME].process.alive = False
    stack.orchestrator.pods[NAME] = replace(stack.orchestrator.pods[NAME], ended=why)


def test_a_victim_of_the_kernel_is_dead_and_its_cluster_says_why(machine: Path) -> None:
    """The death alone lands the fault; the word OOMKilled is its trace; our process is gone with it."""
    stack = PodStack()
    fault = full(stack)
    fault.inject()
    (filler,) = fault._fillers

    assert (machine / "groups" / GROUP / "cgroup.procs").read_text() == str(filler.pid)
    assert filler.poll() is None
    ended(stack, "OOMKilled")
    assert fault.landed().ok
    assert filler.poll() is not None
    assert fault.traces() == Seen(ok=True, words="broker-1 OOMKilled")
    fault.heal()
    assert fault.healed().ok


def test_a_death_for_another_reason_is_not_want_of_memory(machine: Path) -> None:
    """A container that ended in an error died of something else."""
    assert machine
    stack = PodStack()
    fault = full(stack)
    ended(stack, "Error")

    assert fault.landed().ok
    assert fault.traces() == Seen(ok=False, words="last seen: broker-1 Error")


def test_whom_the_kernel_killed_in_its_place_is_told(machine: Path) -> None:
    """When our own process is chosen instead, the victim lives and nothing is proven."""
    assert machine
    fault = full(PodStack())
    fault.inject()
    fault.heal()
    (filler,) = fault._fillers

    words = f"last seen: broker-1 lives, killed in its place: pid {filler.pid}"
    assert fault.landed() == Seen(ok=False, words=words)


def test_our_process_carries_the_mark_of_a_fault(machine: Path) -> None:
    """By it the watchdog and heal find the process and end it; ending it twice is harmless."""
    assert machine
    fault = full(PodStack())
    fault.inject()
    (filler,) = fault._fillers
    marks = Path(f"/proc/{filler.pid}/environ").read_bytes().split(b"\0")

    assert {f"{FAULT}=out_of_memory".encode(), f"{NODE}={NAME}".encode()} <= set(marks)
    fault.heal()
    fault.heal()
    assert fault.undo_commands == (f"kill -KILL {filler.pid}",)


def test_what_was_run_is_told_after_the_victim_died(machine: Path) -> None:
    """The journal asks for the commands when the first victim may be gone, and with it its /proc."""
    fault = full(PodStack())
    (machine / "proc/1/cgroup").unlink()

    assert fault.commands == (f"fill the memory of broker-1 within {machine / 'groups' / GROUP}",)


def test_a_group_of_the_first_version_is_found(machine: Path) -> None:
    """Where each controller has a tree of its own the one of memory is taken."""
    told(machine, f"9:cpu,cpuacct:/x\n4:memory:/{GROUP}\n0::/\n")
    (machine / "groups/memory" / GROUP).mkdir(parents=True)

    assert full(PodStack()).commands[0].endswith(f"groups/memory/{GROUP}")


@pytest.mark.parametrize("lines", ["0::/\n", "0::/elsewhere\n", "4:memory:/\n"])
def test_a_group_that_is_not_seen_is_not_filled(machine: Path, lines: str) -> None:
    """The root of all groups is the machine itself: never."""
    told(machine, lines)

    with pytest.raises(NotExpressible, match="the memory group of broker-1 is not seen"):
        full(PodStack())


def test_a_victim_that_is_dead_already_is_refused(machine: Path) -> None:
    """Its groups cannot be read any more, and that is said in words."""
    (machine / "proc/1/cgroup").unlink()

    with pytest.raises(FaultError, match="broker-1 is not running"):
        full(PodStack())


def test_a_group_that_takes_no_process_is_an_error(machine: Path) -> None:
    """Nothing is filled outside of the container, and what was started is ended by the healing."""
    (machine / "groups" / GROUP / "cgroup.procs").mkdir()
    fault = full(PodStack())

    with pytest.raises(FaultError, match=f"{GROUP} takes no process"):
        fault.inject()
    fault.heal()
    assert [filler.poll() is not None for filler in fault._fillers] == [True]
