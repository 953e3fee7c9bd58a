"""What is done to a harness from outside of it, and what is seen there: by signals, marks and namespaces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.clock import MONOTONIC
from harness.faults.observed import (
    marked_processes,
    namespace,
    pids,
    start_ticks,
    stat_fields,
    thread_states,
)
from harness.tests.source import ROOT

KINDS = ("net", "pid", "mnt")


def hang(harness: int, folder: Path) -> None:
    """Stop *harness*, which last beat a minute ago: only once all of it stands still it beats no more."""
    os.kill(harness, signal.SIGSTOP)
    wait(lambda: set(thread_states(harness)) == {"T"}, 5)
    old = time.time() - 60
    os.utime(folder / "heartbeat", (old, old))


def heal(run: str, *options: str) -> tuple[int, str]:
    """Exit code and words of ``heal`` on *run*, from another shell."""
    argv = [sys.executable, "-m", "harness.faults.heal", "--run", run, *options]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode, done.stdout + done.stderr


def harness_in(keeper: subprocess.Popen[str]) -> int:
    """The pid of the harness itself: the keeper's only child."""
    children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()
    return int(children[0])


def left_of(run: str, namespaces: set[int], born_by: int) -> list[str]:
    """Every process that carries the run's mark or lives in one of its namespaces."""
    marked = {process.pid for process in marked_processes(run)}
    inside_them = {pid for pid in pids() if {namespace(pid, kind) for kind in KINDS} & namespaces}
    # The kernel gives a dead namespace's number to the next one: who was born later is a stranger.
    inside_them = {pid for pid in inside_them if start_ticks(pid) <= born_by}
    return [f"{pid} {stat_fields(pid)[:1]} {_command(pid)}" for pid in sorted(marked | inside_them)]


def ticks_now() -> int:
    """Now, as the kernel notes when processes begin."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
    except OSError:
        return "gone"


def wait_until_empty(look: Callable[[], list[str]], seconds: float) -> None:
    """Return when *look* sees nothing any more."""
    deadline = time.monotonic() + seconds
    while left := look():
        assert time.monotonic() < deadline, f"left after {seconds:g} s: {left}"
        MONOTONIC.sleep(0.02)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Return when *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        MONOTONIC.sleep(0.02)
