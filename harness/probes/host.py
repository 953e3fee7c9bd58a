"""What a run costs: memory, CPU, disk and network of every node, and of the machine as a whole.

A node is the process tree below its service's process. One pass over ``/proc``
serves all nodes: in the enclosure only the run's own processes are there.
Memory that processes share counts once for each of them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.probes.sampler import Sample, Sampler
from harness.stack.seams import Cost, Distant

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of /proc/PID/stat: ``started`` tells it from a later process with the same pid."""

    pid: int
    parent: int
    started: int
    cpu_s: float
    rss: int


class HostProbe:
    """Samples every node; see ``harness.probes.sampler.Probe``.

    Args:
        pids: gives the live process of each node at the moment, by node name.
        disks: the folder that is each node's own disk, for nodes that have one.
    """

    name = "host"

    def __init__(
        self, pids: Callable[[], Mapping[str, int]], disks: Mapping[str, Path] | None = None
    ) -> None:
        self._pids, self._disks = pids, dict(disks or {})
        self._cpu_s: dict[tuple[int, int], float] = {}
        self._cpu_at = 0.0
        self._wire: dict[str, tuple[float, int, int]] = {}

    def sample(self) -> list[Sample]:
        """CPU of the machine, then memory, CPU and network of each node that lives, and every disk."""
        found: list[Sample] = [("host", "cpu_percent", psutil.cpu_percent(None))]
        now, processes = time.monotonic(), {one.pid: one for one in _processes()}
        children = _by_parent(processes)
        for node, pid in self._pids().items():
            tree = [processes[each] for each in _tree(pid, children) if each in processes]
            if tree:  # else it died since: the gap in its samples says so
                found += [*self._cost(node, tree, now - self._cpu_at), *self._traffic(node, pid)]
        self._cpu_s, self._cpu_at = {(p.pid, p.started): p.cpu_s for p in processes.values()}, now
        return found + [used for node, disk in self._disks.items() for used in _used(node, disk)]

    def _cost(self, node: str, tree: list[_Process], elapsed_s: float) -> Iterator[Sample]:
        yield node, "rss_mb", sum(one.rss for one in tree) / 1e6
        known = [one for one in tree if (one.pid, one.started) in self._cpu_s]
        if known:
            spent = sum(one.cpu_s - self._cpu_s[one.pid, one.started] for one in known)
            yield node, "cpu_percent", spent / max(elapsed_s, 1e-3) * 100

    def _traffic(self, node: str, pid: int) -> Iterator[Sample]:
        counted = _counters(pid)
        if counted is None:
            return
        now, (received, sent) = time.monotonic(), counted
        before = self._wire.get(node)
        self._wire[node] = (now, received, sent)
        if before is not None and received >= before[1] and sent >= before[2]:
            elapsed_s = max(now - before[0], 1e-3)
            yield node, "rx_mb_per_s", (received - before[1]) / 1e6 / elapsed_s
            yield node, "tx_mb_per_s", (sent - before[2]) / 1e6 / elapsed_s


class DistantProbe:
    """Samples nodes whose processes only somebody on their own machine sees; see ``HostProbe``.

    Args:
        processes: gives each node's process at the moment.
    """

    name = "distant"

    def __init__(self, processes: Callable[[], Mapping[str, Distant]]) -> None:
        self._processes = processes
        self._before: dict[str, tuple[float, Cost]] = {}

    def sample(self) -> list[Sample]:
        """Memory, CPU and network of each node that lives."""
        found: list[Sample] = []
        for node, process in self._processes().items():
            now, cost = time.monotonic(), process.cost()
            if cost is not None:
                before = self._before.get(node)
                self._before[node] = (now, cost)
                found += [(node, "rss_mb", cost.held / 1e6), *_rates(node, before, now, cost)]
        return found


def _rates(node: str, before: tuple[float, Cost] | None, now: float, cost: Cost) -> Iterator[Sample]:
    if before is None or cost.used_s < before[1].used_s or cost.received < before[1].received:
        return  # the first look at this process
    seconds, old = max(now - before[0], 1e-3), before[1]
    yield node, "cpu_percent", (cost.used_s - old.used_s) / seconds * 100
    yield node, "rx_mb_per_s", (cost.received - old.received) / 1e6 / seconds
    yield node, "tx_mb_per_s", max(cost.sent - old.sent, 0) / 1e6 / seconds


def host_sampler(
    folder: Path, pids: Callable[[], Mapping[str, int]], disks: Mapping[str, Path] | None = None
) -> Sampler:
    """The sampler of every node, which also tells how late the harness itself is."""
    return Sampler(folder, HostProbe(pids, disks), tells_lag=True)


def _processes() -> Iterator[_Process]:
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between the two looks
            yield _parsed(int(entry.name), stat)


def _parsed(pid: int, stat: str) -> _Process:
    # The second field, the name, may hold spaces: fields count from behind its bracket, the third first.
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return _Process(pid, int(fields[1]), int(fields[19]), ticks / _TICKS_PER_S, int(fields[21]) * _PAGE)


def _by_parent(processes: Mapping[int, _Process]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for one in processes.values():
        children.setdefault(one.parent, []).append(one.pid)
    return children


def _tree(pid: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, ()):
        yield from _tree(child, children)


def _counters(pid: int) -> tuple[int, int] | None:
    """Bytes received and sent on all interfaces but the loopback of *pid*'s network; None when it is gone."""
    try:
        lines = (_PROC / str(pid) / "net" / "dev").read_text(encoding="utf-8").splitlines()[2:]
    except OSError:
        return None
    parted = (line.partition(":") for line in lines)
    counts = [rest.split() for name, _, rest in parted if name.strip() != "lo"]
    return sum(int(each[0]) for each in counts), sum(int(each[8]) for each in counts)


def _used(node: str, disk: Path) -> Iterator[Sample]:
    try:
        usage = shutil.disk_usage(disk)
    except OSError:
        return  # not mounted yet, or no longer
    yield node, "disk_mb", usage.used / 1e6
