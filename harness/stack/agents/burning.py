"""A process of ours that takes all the processor time that a control group gets, for a moment.

What it got, and how often the kernel throttled the group meanwhile, tell what the group is limited to. It
joins the group before it takes anything, and ends by itself in any case. Standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.clock import MONOTONIC, Clock, seconds_between
from harness.stack.agents.filling import GROUPS
from harness.stack.agents.pod_proc import PROC, processor_seconds

BURN_S = 1.0
# It waits until it is in the group, then takes what it gets. The kernel ends it, whoever else is gone.
BURN = "import signal, sys; signal.alarm(10); sys.stdin.read(1) or sys.exit()\nwhile True: pass"


@dataclass(frozen=True, slots=True)
class Burnt:
    """How much of one processor a process got that took all it could; how often its group was throttled."""

    got: float
    throttled: int


@runtime_checkable
class Burned(Protocol):
    """A process in whose group somebody on its own machine takes the processor time."""

    def burn(self) -> Burnt:
        """Do so for a moment; who does ends by itself soon after, should the harness or its agent be gone.

        Raises:
            FaultError: the process is gone, or its group is not seen, takes no process or does not tell.
        """
        ...


def group_of(pid: int, roots: Sequence[Path] = GROUPS, proc: Path = PROC) -> Path | None:
    """The folder of the group that limits the processor time of *pid*, in either version; None: not seen.

    Raises:
        OSError: there is no such process.
    """
    for line in (proc / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for place in (place for root in roots for place in _places(root, controllers)):
            found = place / path.lstrip("/")
            if path != "/" and (found / "cpu.stat").is_file():
                return found
    return None


def _places(root: Path, controllers: str) -> list[Path]:
    """Where the groups of *controllers* that limit processor time lie; without any: those of version 2."""
    if not controllers:
        return [root]
    return [root / controllers, root / "cpu"] if "cpu" in controllers.split(",") else []


def throttles(group: Path) -> int:
    """How often the kernel throttled the processes of *group*.

    Raises:
        OSError: it does not tell.
    """
    counts = dict(line.split(maxsplit=1) for line in (group / "cpu.stat").read_text().splitlines())
    if "nr_throttled" not in counts:
        raise OSError(f"{group} does not tell how often it was throttled")
    return int(counts["nr_throttled"])


def start(marks: Mapping[str, str] = os.environ) -> subprocess.Popen[bytes]:
    """A process with the environment *marks* that waits to burn; see ``burn``."""
    argv = [sys.executable, "-I", "-S", "-c", BURN]
    return subprocess.Popen(
        argv, bufsize=0, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(marks)
    )


def burn(group: Path, burner: subprocess.Popen[bytes], clock: Clock = MONOTONIC) -> Burnt:
    """Put *burner* into *group* and let it take what it gets for a moment; it is ended on every way out.

    Raises:
        OSError: the group takes no process or does not tell, or *burner* was ended meanwhile.
    """
    assert burner.stdin is not None
    try:
        (group / "cgroup.procs").write_text(str(burner.pid))
        throttled, used, began = throttles(group), processor_seconds(burner.pid), clock.now()
        burner.stdin.write(b"x")
        clock.sleep(BURN_S)
        got = (processor_seconds(burner.pid) - used) / seconds_between(began, clock.now())
        if burner.poll() is not None:
            raise OSError("who took the processor time was ended meanwhile")
        return Burnt(got, throttles(group) - throttled)
    finally:
        burner.kill()
        burner.stdin.close()
        burner.wait()
