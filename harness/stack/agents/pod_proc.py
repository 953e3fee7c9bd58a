"""Pods as the kernel of their node shows them: whose a process is, by its control group.

What an agent looks with (``harness.stack.agents.agent``). No mark in an environment is needed: the kubelet
names the control group of every container after its pod's uid and its own id. Standard library only; a
process that ends while it is looked at is simply not there.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_SANDBOX = "pause"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CONTAINER = re.compile(r"[0-9a-f]{64}")
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class Main:
    """The first process of a container; ``ticks`` is field 22 of its stat."""

    pid: int
    ticks: int
    container: str


def processes_of(uid: str) -> list[int]:
    """Every process of the pod *uid*, its sandbox's too, by pid."""
    # The systemd driver writes a uid with underscores.
    named = (f"pod{uid}", f"pod{uid.replace('-', '_')}")
    return [pid for pid in _pids() if any(name in _text(pid, "cgroup") for name in named)]


def mains_of(uid: str) -> list[Main]:
    """The first process of each running container of the pod *uid*."""
    found = (pid for pid in processes_of(uid) if innermost(pid) == 1 and _text(pid, "comm") != _SANDBOX)
    return [Main(pid, ticks, _container(pid)) for pid in found if (ticks := start_ticks(pid)) >= 0]


def network_of(uid: str) -> Path | None:
    """Where the network of the pod *uid* can be entered; None: it has no process, or none of its own network.

    Its sandbox holds it while its containers are dead.
    """
    machine = {0, _inode(PROC / "1/ns/net"), _inode(PROC / "self/ns/net")}
    places = (PROC / str(pid) / "ns/net" for pid in processes_of(uid))
    return next((place for place in places if _inode(place) not in machine), None)


def family(pid: int) -> tuple[int, ...]:
    """*pid*, then those of all that it started and that live."""
    children: dict[int, list[int]] = {}
    for each in _pids():
        fields = stat_fields(each)
        if fields:
            children.setdefault(int(fields[1]), []).append(each)
    return (pid, *_below(pid, children))


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (the state) on; empty when it is gone."""
    return _text(pid, "stat").rpartition(")")[2].split()


def start_ticks(pid: int) -> int:
    """When the process started, in clock ticks since boot; -1 when it is gone."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else -1


def states(pid: int) -> list[str]:
    """The state letter of every thread; empty when it is gone."""
    told = (_text(pid, f"task/{thread}/stat").rpartition(")")[2].split() for thread in _threads(pid))
    return [fields[0] for fields in told if fields]


def switches(pid: int) -> int:
    """How often the process's threads were switched."""
    told = (_text(pid, f"task/{thread}/status").splitlines() for thread in _threads(pid))
    return sum(int(line.split()[1]) for lines in told for line in lines if "ctxt_switches" in line)


def cost(pids: tuple[int, ...]) -> tuple[int, float]:
    """What processes hold and have used: resident bytes, and seconds of processor time."""
    held = [words for pid in pids if len(words := _text(pid, "statm").split()) > 1]
    used = [fields for pid in pids if (fields := stat_fields(pid))]
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in used)
    return sum(int(words[1]) for words in held) * _PAGE, ticks / _TICKS_PER_S


def processor_seconds(pid: int) -> float:
    """The processor time of all its threads in seconds, those that ended too; 0 when it is gone."""
    # The number by which clock_getcpuclockid(3) names the processor-time clock of a process.
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e9
    except OSError:
        return 0.0


def carried(pid: int) -> tuple[int, int]:
    """Bytes received and sent in the network of *pid*, loopback left out."""
    parted = (line.partition(":") for line in _text(pid, "net/dev").splitlines()[2:])
    counts = [rest.split() for name, _, rest in parted if name.strip() != "lo"]
    return sum(int(each[0]) for each in counts), sum(int(each[8]) for each in counts)


def innermost(pid: int) -> int:
    """The pid that the process has in its own pid namespace; 0 when it is gone."""
    lines = _text(pid, "status").splitlines()
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)


def _pids() -> list[int]:
    return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _below(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    for child in children.get(pid, ()):
        yield child
        yield from _below(child, children)


def _container(pid: int) -> str:
    found = _CONTAINER.findall(_text(pid, "cgroup"))
    return found[-1] if found else ""


def _threads(pid: int) -> list[str]:
    try:
        return [entry.name for entry in (PROC / str(pid) / "task").iterdir()]
    except _GONE:
        return []


def _text(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace").strip()
    except _GONE:
        return ""


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except _GONE:
        return 0
