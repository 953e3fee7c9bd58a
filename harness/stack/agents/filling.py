"""A process of ours that fills the memory of a control group, until the kernel kills whom it chooses.

It joins the group before it takes anything. Standard library only: agents run it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.stack.agents.pod_proc import PROC
from harness.stack.seams import Process

# It waits until it is in the group, then takes 4 MiB at a time; the touch makes each page real.
FILL = "import sys; sys.stdin.read(1); held = []\nwhile True: held.append(bytearray(b'x') * (4 << 20))"
SCORES = ("-999", "0")
"""The last that the kernel kills, which not everybody may ask for; no worse than others."""

GROUPS = (Path("/sys/fs/cgroup"),)
BEYOND = (*GROUPS, PROC / "1/root/sys/fs/cgroup")
"""Where groups are seen by whoever has the machine's processes in sight, but a mount of his own."""


@runtime_checkable
class Filled(Protocol):
    """A process whose memory group somebody on its own machine fills."""

    def memory_group(self) -> str:
        """The folder of that group, as it is seen there; empty: it is not.

        Raises:
            FaultError: the process is gone.
        """
        ...

    def fill(self) -> Process:
        """Begin to fill it; the process that does, which ends by itself a lease after the harness is gone.

        Raises:
            FaultError: the group takes no process.
        """
        ...


def group_of(pid: int, roots: Sequence[Path] = GROUPS, proc: Path = PROC) -> Path | None:
    """The folder of the memory group of *pid*, in the first or the second version of groups; None: not seen.

    Raises:
        OSError: there is no such process.
    """
    for line in (proc / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for root in roots:
            first = root / "memory" if "memory" in controllers.split(",") else None
            place = first or (root if not controllers else None)
            if place and (found := place / path.lstrip("/")).is_dir() and path != "/":
                return found
    return None


def start(program: str = FILL, marks: Mapping[str, str] = os.environ) -> subprocess.Popen[bytes]:
    """A process with the environment *marks* that waits to fill a group; see ``join``."""
    argv = [sys.executable, "-I", "-S", "-c", program]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(marks))


def join(filler: subprocess.Popen[bytes], group: Path) -> None:
    """Put *filler* into *group*, and let it begin.

    Raises:
        OSError: the group takes no process.
    """
    assert filler.stdin is not None
    _spare(filler.pid)
    (group / "cgroup.procs").write_text(str(filler.pid))
    filler.stdin.write(b"x")
    filler.stdin.close()


def _spare(pid: int) -> None:
    """Have the kernel kill others first: a process of an agent's pod inherits the worst score of all."""
    for score in SCORES:
        try:
            (PROC / str(pid) / "oom_score_adj").write_text(score)
        except PermissionError:
            continue
        return
