"""What runs have in Docker, found by its labels, and the commands that remove it.

Containers, networks and volumes of a run carry two labels: which run, and which process of which pid
namespace owns them. So whoever finds them knows whether anybody will still take them away. Standard
library only, through the ``docker`` command: ``heal`` and the watchdog use it, too.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

RUN, OWNER = "edge-harness.run", "edge-harness.owner"

_ASK_S, REMOVE_S = 5.0, 60.0
_LISTS = (
    ("container", ("docker", "ps", "--all"), "Names"),
    ("network", ("docker", "network", "ls"), "Name"),
    ("volume", ("docker", "volume", "ls"), "Name"),
)
_REMOVALS = {
    "container": ("docker", "rm", "--force"),
    "network": ("docker", "network", "rm"),
    "volume": ("docker", "volume", "rm"),
}
"""In this order: a network and a volume go when no container uses them any more."""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """One container, network or volume of a run."""

    kind: str
    name: str
    run: str
    owner: str

    @property
    def is_orphan(self) -> bool:
        """Whether the process that owns it is gone; of one in another pid namespace nobody knows."""
        words = self.owner.split()
        if len(words) != 3 or words[2] != str(_pid_namespace()):
            return False
        return _ticks(words[0]) != words[1]


def owned(run: str) -> dict[str, str]:
    """The labels of what this process makes for *run*."""
    return {RUN: run, OWNER: f"{os.getpid()} {_ticks(str(os.getpid()))} {_pid_namespace()}"}


def things(run: str = "") -> list[Thing]:
    """What *run*, or any run, has in Docker; nothing where there is no Docker, or none that answers."""
    found: list[Thing] = []
    for kind, listing, name in _LISTS:
        fields = (f"{{{{.{name}}}}}", *(f'{{{{.Label "{label}"}}}}' for label in (RUN, OWNER)))
        wanted = f"label={RUN}={run}" if run else f"label={RUN}"
        argv = [*listing, "--filter", wanted, "--format", "\t".join(fields)]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_ASK_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return found
        rows = (line.split("\t") for line in done.stdout.splitlines())
        found += [Thing(kind, *row) for row in rows if len(row) == 3]
    return found


def removals(found: Iterable[Thing]) -> list[tuple[str, ...]]:
    """The commands that remove what was *found*, in their order."""
    named = {kind: sorted(one.name for one in found if one.kind == kind) for kind in _REMOVALS}
    return [(*_REMOVALS[kind], *names) for kind, names in named.items() if names]


def remove(run: str) -> list[str]:
    """Remove everything that *run* has in Docker; returns what could not be, in Docker's words."""
    failed = []
    for command in removals(things(run)):
        words = _ran(command)
        # Somebody else may be about it as well: what counts is whether it is there in the end.
        failed += [words] if words and removals(things(run)) else []
    return failed


def _ran(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=REMOVE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


def _ticks(pid: str) -> str:
    """When the process started, in clock ticks since boot; empty: it is gone, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino
