"""What the kernel says of processes: the ground on which ``heal`` and the watchdog stand.

Processes of a run are known by three variables in their environment, which the
platform sets in everything it starts: ``HARNESS_RUN`` (the run's id),
``HARNESS_DIR`` (its directory) and, on the nodes, ``HARNESS_NODE`` (the node's
name). A process that is itself a fault carries ``HARNESS_FAULT``. Standard
library only. A process that ends while it is looked at is simply not there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
RUN, DIRECTORY, NODE, FAULT = "HARNESS_RUN", "HARNESS_DIR", "HARNESS_NODE", "HARNESS_FAULT"
CLUSTER, PROXY = "HARNESS_CLUSTER", "HARNESS_PROXY"
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class Marked:
    """One process that carries a run's mark. ``pid`` is as seen here."""

    pid: int
    ticks: int
    state: str
    run: str
    directory: str
    node: str
    command: str
    fault: str = ""
    """The kind of fault that the process is: ``latency`` for a proxy that delays; empty: it is none."""
    cluster: str = ""
    """Of a pod: ``CLUSTER`` in a kind cluster that the run made, ``CLUSTER/NAMESPACE`` in one it found."""
    proxy: str = ""
    """Of a proxy between a node and its clients: ``NODE@ADDRESS:PORT``, where it tells what it delays."""

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP holds it; a debugger's stop does not count."""
        return self.state == "T"


def marked_processes(run: str = "") -> list[Marked]:
    """Every process that we may look at and that carries the mark of *run*, or of any, by pid."""
    found = (_marked(pid) for pid in pids())
    return [process for process in found if process and (not run or process.run == run)]


def pids() -> list[int]:
    """Every pid seen here, in order."""
    return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (the state) on; empty when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except _GONE:
        return []


def start_ticks(pid: int) -> int:
    """When the process started, in clock ticks since boot; -1 when it is gone."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else -1


def thread_states(pid: int) -> list[str]:
    """The state letter of every thread; empty when it is gone."""
    return [fields[0] for fields in map(_thread_fields, _threads(pid)) if fields]


def context_switches(pid: int) -> int:
    """How often the process's threads were switched: it stands still while they make no progress."""
    return sum(_switches(thread) for thread in _threads(pid))


def resume(pid: int, ticks: int) -> bool:
    """SIGCONT the process that started at *ticks*; False when it is gone. Cannot hit a stranger."""
    return _send(pid, ticks, signal.SIGCONT)


def end(pid: int, ticks: int) -> bool:
    """SIGKILL the process that started at *ticks*; False when it is gone. Cannot hit a stranger."""
    return _send(pid, ticks, signal.SIGKILL)


def _send(pid: int, ticks: int, number: signal.Signals) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if start_ticks(pid) != ticks:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def namespace(pid: int, kind: str) -> int:
    """The inode of the process's *kind* ("net", "pid", "user", …) of namespace; 0: gone or not ours."""
    try:
        return (PROC / str(pid) / "ns" / kind).stat().st_ino
    except _GONE:
        return 0


def innermost_pid(pid: int) -> int:
    """The pid that the process has in its own pid namespace; 0 when it is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except _GONE:
        return 0
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), pid)


def undo_of(node: str, pids: Sequence[int]) -> tuple[dict[str, str], ...]:
    """The journal's notes by which stopped processes of *node* are found again and let continue."""
    return tuple(
        {"do": "continue", "node": node, "pid": str(pid), "ticks": str(start_ticks(pid))} for pid in pids
    )


def _marked(pid: int) -> Marked | None:
    fields = stat_fields(pid)
    try:
        pairs = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
        command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except _GONE:
        return None
    environment = dict(pair.decode(errors="replace").partition("=")[::2] for pair in pairs)
    if not fields or not environment.get(RUN) or fields[0] in "ZX":
        return None
    return Marked(
        pid=pid,
        ticks=int(fields[19]),
        state=fields[0],
        run=environment[RUN],
        directory=environment.get(DIRECTORY, ""),
        node=environment.get(NODE, ""),
        command=command.strip()[:200],
        fault=environment.get(FAULT, ""),
        cluster=environment.get(CLUSTER, ""),
        proxy=environment.get(PROXY, ""),
    )


def _threads(pid: int) -> Iterator[Path]:
    try:
        yield from (PROC / str(pid) / "task").iterdir()
    except _GONE:
        return


def _thread_fields(thread: Path) -> list[str]:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()
    except _GONE:
        return []


def _switches(thread: Path) -> int:
    try:
        lines = (thread / "status").read_text().splitlines()
    except _GONE:
        return 0
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
