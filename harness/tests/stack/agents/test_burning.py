"""What a group is limited to, by a process of ours in it, which ends whatever becomes of whoever began it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clock import MONOTONIC
from harness.faults.cpu import judge
from harness.stack.agents import burning
from harness.stack.agents.agents import Agent
from harness.stack.agents.burning import Burned, burn, group_of, throttles
from harness.stack.agents.pod_proc import start_ticks
from harness.stack.agents.remote import RemoteProcess
from harness.tests.stack.agents.doubles import Double

STAT = "nr_periods 10\nnr_throttled 4\n"
MILLI = 200


class Moment:
    """A clock for which every sleep is a moment."""

    def now(self) -> int:
        """The real one."""
        return MONOTONIC.now()

    def sleep(self, _seconds: float) -> None:
        """A moment."""
        MONOTONIC.sleep(0.05)


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A folder in the place of a group."""
    (tmp_path / "cpu.stat").write_text(STAT)
    return tmp_path


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ("4:cpu,cpuacct:/kubepods/c1\n0::/\n", "cpu,cpuacct/kubepods/c1"),
        ("4:cpu,cpuacct:/kubepods/c1\n0::/\n", "cpu/kubepods/c1"),
        ("3:memory:/a\n2:cpuset:/a\n1:cpu:/c1\n", "cpu/c1"),
        ("0::/c1\n", "c1"),
    ],
)
@pytest.mark.parametrize("root", ["own", "machine"])
def test_the_group_of_a_container_is_found(tmp_path: Path, lines: str, place: str, root: str) -> None:
    """In either version of groups, by the file that counts, also beyond what an agent has mounted itself."""
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cgroup").write_text(lines)
    (tmp_path / root / place).mkdir(parents=True)
    (tmp_path / root / place / "cpu.stat").write_text(STAT)

    found = group_of(7, (tmp_path / "own", tmp_path / "machine"), tmp_path / "proc")

    assert tmp_path / root / place == found
    assert found is not None
    assert throttles(found) == 4


@pytest.mark.parametrize("lines", ["0::/\n", "0::/../../c1\n", "1:cpu:/\n", "3:memory:/a\n"])
def test_the_machine_itself_is_no_group(tmp_path: Path, lines: str) -> None:
    """Nor is one that is not seen, or that limits something else."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(lines)
    for place in ("cpu.stat", "cpu/cpu.stat", "a/cpu.stat"):
        (tmp_path / "groups" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / place).write_text(STAT)

    assert group_of(7, (tmp_path / "groups",), tmp_path) is None


def test_who_burns_joins_takes_what_it_gets_and_is_ended(group: Path) -> None:
    """Nothing throttles it in a folder that is no group, so it gets some of a processor, one at the most."""
    burner = burning.start()
    burnt = burn(group, burner, Moment())

    assert (group / "cgroup.procs").read_text() == str(burner.pid)
    assert 0 < burnt.got <= 1.01
    assert burnt.throttled == 0
    assert burner.returncode == -signal.SIGKILL


def test_a_group_that_takes_no_process_or_does_not_tell_is_an_error(group: Path) -> None:
    """Who was to burn is ended without having burnt."""
    (group / "cpu.stat").write_text("usage_usec 5\n")
    first, second = burning.start(), burning.start()
    with pytest.raises(OSError, match="does not tell how often"):
        burn(group, first, Moment())
    (group / "cgroup.procs").unlink()
    (group / "cgroup.procs").mkdir()
    with pytest.raises(IsADirectoryError):
        burn(group, second, Moment())

    assert (-signal.SIGKILL, -signal.SIGKILL) == (first.returncode, second.returncode)


def test_half_of_a_burning_proves_nothing(group: Path) -> None:
    """It would have got less than it was given, which looks like a limit."""
    burner = burning.start()

    class Killing(Moment):
        """Somebody undoes it meanwhile."""

        def sleep(self, seconds: float) -> None:
            """Then it is gone."""
            super().sleep(seconds)
            burner.kill()
            os.waitid(os.P_PID, burner.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(OSError, match="ended meanwhile"):
        burn(group, burner, Killing())


def test_who_burns_ends_when_nobody_is_left_to_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not begun ends with who began it; who has is ended by the kernel after some seconds."""
    waiting = burning.start()
    assert waiting.stdin is not None
    waiting.stdin.close()
    assert waiting.wait(5) == 0

    monkeypatch.setattr(burning, "BURN", re.sub(r"alarm\(\d+\)", "setitimer(0, 0.2)", burning.BURN))
    left = burning.start()
    assert left.stdin is not None
    left.stdin.write(b"x")
    assert left.wait(5) == -signal.SIGALRM
    left.stdin.close()


@contextlib.contextmanager
def limited(pid: int, name: str) -> Iterator[bool]:
    """A group for *pid* that is limited to ``MILLI``, in either version; False where none may be made."""
    versions = {"cpu": ("cpu.cfs_quota_us", f"{MILLI * 100}"), "": ("cpu.max", f"{MILLI * 100} 100000")}
    with contextlib.ExitStack() as undo:
        yield any(_limit(pid, Path("/sys/fs/cgroup", at, name), *how, undo) for at, how in versions.items())


def _limit(pid: int, group: Path, file: str, told: str, undo: contextlib.ExitStack) -> bool:
    try:
        group.mkdir()
        undo.callback(group.rmdir)
        if not (group / file).exists():
            return False
        (group / file).write_text(told)
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        return False
    undo.callback((group.parent / "cgroup.procs").write_text, str(pid))
    return True


@pytest.mark.contract
def test_an_agent_sees_what_a_group_is_limited_to(
    tmp_path: Path, group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process in a real group, where one may be made; a folder that is none limits nobody."""
    double = Double(tmp_path / "notes")
    agent = Agent("worker-1", "edge-agent-1", double.open)
    victim = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    process = RemoteProcess(victim.pid, start_ticks(victim.pid), agent, "ns")
    assert isinstance(process, Burned)
    try:
        with limited(victim.pid, f"edge-burning-{os.getpid()}") as real:
            if not real:
                monkeypatch.setattr(burning, "group_of", lambda *_: group)
            seen = judge("edge-kafka-0", MILLI, process.burn())
    finally:
        victim.kill()
        victim.wait()
        agent.close()

    assert seen.ok == real, seen
    assert len(double.notes.read("burners")) == 1
