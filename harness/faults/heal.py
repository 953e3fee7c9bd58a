"""``harness heal``: undo whatever faults are still in force on this machine.

Works from what it observes, needs no configuration and no journal, and may be run
at any time, repeatedly, by anyone who started a run. A run whose harness lives and
beats is left alone and named. Of every other run it

* lets stopped processes of nodes continue,
* ends the proxies that delay what nodes answer,
* deletes table ``inet harness`` in every network of the run, with all it may hold,
* removes what slows down a node's cable,
* gives disks that are full or read-only their size back,
* ends processes of nodes whose harness is gone; of pods it deletes the cluster that the run had made, or
  the namespace in one that was there before.

Then it looks again: what is still there is named with the command that removes it,
and the exit code is 4. Standard library only. Nothing from a journal is ever run.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.clock import MONOTONIC
from harness.faults.journal import open_faults
from harness.faults.observed import (
    PROC,
    Marked,
    innermost_pid,
    marked_processes,
    namespace,
    pids,
    resume,
    start_ticks,
    stat_fields,
)
from harness.faults.remains import BrokenDisk, Network, broken_disks, disturbed_networks

LEASE_SECONDS = 5.0
ABORT_SECONDS = 20.0
KILL_SECONDS = 5.0
NOTHING, LEFT_BEHIND = 0, 4
_UNDO_SECONDS, _CLUSTER_SECONDS = 10.0, 120.0
_CLUSTER = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)?\Z")

Say = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """One run as observed."""

    run: str
    directory: str
    processes: tuple[Marked, ...]
    networks: tuple[Network, ...]
    disks: tuple[BrokenDisk, ...]
    harness: int
    """The pid of its harness as seen here; 0: it is gone; -1: nobody knows."""
    beats: bool

    @property
    def is_healthy(self) -> bool:
        """Whether its harness beats and is not known to be gone: its faults are its own affair."""
        return self.beats and self.harness != 0

    @property
    def stopped(self) -> tuple[Marked, ...]:
        """Its stopped processes, nodes only."""
        return tuple(process for process in self.processes if process.node and process.stopped)

    @property
    def orphans(self) -> tuple[Marked, ...]:
        """Processes of nodes that nobody will end."""
        of_nodes = (process for process in self.processes if process.node and not process.fault)
        return tuple(process for process in of_nodes if self.harness == 0 and not process.cluster)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Where its pods are that nobody will delete; a pod's process would only be started again."""
        named = {process.cluster for process in self.processes if process.node}
        return tuple(sorted(filter(_CLUSTER.match, named))) if self.harness == 0 else ()

    @property
    def proxies(self) -> tuple[Marked, ...]:
        """Its processes that are faults themselves: they delay what a node answers."""
        return tuple(process for process in self.processes if process.fault)


def heal(*, abort: bool = False, only: str = "", folders: Sequence[Path] = (), say: Say) -> int:
    """Undo every fault of every run that is not healthy; with *abort* end the healthy ones first.

    *only* names the one run to look at; empty: all. *folders* hold run directories, whose journals
    are read for faults that were never healed.
    Returns 0, or 4 when something could not be undone.
    """
    before = survey(only)
    _describe("found", before, say)
    for run in before:
        if run.is_healthy and not abort:
            continue
        for words, undo in _undoings(run, abort=abort):
            _isolated(words, undo, say)
    after = survey(only) if before else []
    _describe("now", after, say)
    _tell_journals(folders, say)
    return _conclude(after, abort=abort, say=say)


def survey(only: str = "") -> list[Run]:
    """Every run, or the one named *only*, of which a process is left, by id."""
    by_run: dict[str, list[Marked]] = {}
    for process in marked_processes(only):
        by_run.setdefault(process.run, []).append(process)
    return [_observe(run, tuple(processes)) for run, processes in sorted(by_run.items())]


def _observe(run: str, processes: tuple[Marked, ...]) -> Run:
    directory = next((process.directory for process in processes if process.directory), "")
    heartbeat = Path(directory) / "heartbeat"
    harness = _harness_of(heartbeat) if directory else -1
    beats = harness != 0 and _beats(heartbeat)
    networks, disks = tuple(disturbed_networks(processes)), tuple(broken_disks(processes))
    return Run(run, directory, processes, networks, disks, harness, beats)


def _harness_of(heartbeat: Path) -> int:
    """The pid, as seen here, of the process that the heartbeat names; see ``harness.faults.watchdog``."""
    try:
        inner, ticks, pid_namespace = (int(word) for word in heartbeat.read_text().split())
    except (OSError, ValueError):
        return -1
    named = (inner, ticks, pid_namespace)
    return next((pid for pid in pids() if _identity(pid, ticks) == named), 0)


def _identity(pid: int, ticks: int) -> tuple[int, int, int]:
    if start_ticks(pid) != ticks or stat_fields(pid)[:1] == ["Z"]:
        return (0, 0, 0)
    return innermost_pid(pid), ticks, namespace(pid, "pid")


def _beats(heartbeat: Path) -> bool:
    # The wall clock may have been stepped: an age that looks wrong is checked by watching.
    try:
        seen = heartbeat.stat().st_mtime_ns
        if 0 <= time.time_ns() - seen < LEASE_SECONDS * 1e9:
            return True
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            MONOTONIC.sleep(0.1)
            if heartbeat.stat().st_mtime_ns != seen:
                return True
    except OSError:
        return False
    return False


def _undoings(run: Run, *, abort: bool) -> list[tuple[str, Callable[[], None]]]:
    todo: list[tuple[str, Callable[[], None]]] = []
    if abort and run.harness > 0:
        todo.append((f"end run {run.run} (harness {run.harness})", partial(_end_harness, run)))
    todo += [(f"resume {_named(process)}", partial(_resume, process)) for process in run.stopped]
    # As long as the rules are there clients are told that a proxy's connections ended.
    todo += [(f"end the proxy of {_named(process)}", partial(_kill, process)) for process in run.proxies]
    todo += [(f"delete the cuts at {one.where}", partial(_delete, one)) for one in run.networks if one.table]
    todo += [
        (f"remove the throttle at {one.where}", partial(_run, command))
        for one in run.networks
        for command in one.unshape
    ]
    todo += [(f"restore the disk of {one.disk.node}", partial(_run, one.restore)) for one in run.disks]
    todo += [(f"end {_named(process)}", partial(_kill, process)) for process in run.orphans]
    todo += [(f"delete {one}", partial(_run, _deletion(one), _CLUSTER_SECONDS)) for one in run.clusters]
    return todo


def _deletion(place: str) -> tuple[str, ...]:
    """The command that deletes a cluster, or a namespace in one."""
    cluster, _, namespace = place.partition("/")
    if not namespace:
        return ("kind", "delete", "cluster", "--name", cluster)
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "delete", "namespace", namespace)
    return ("docker", "exec", f"{cluster}-control-plane", *kubectl)


def _named(process: Marked) -> str:
    return f"{process.node} (pid {process.pid})"


def _isolated(words: str, undo: Callable[[], None], say: Say) -> None:
    try:
        undo()
    except Exception as error:  # noqa: BLE001 - one undo that fails must not keep the next from its turn
        _log.warning("%s failed", words, exc_info=True)
        say(f"  {words}: failed, {error}")
    else:
        say(f"  {words}: done")


def _end_harness(run: Run) -> None:
    os.kill(run.harness, signal.SIGTERM)
    os.kill(run.harness, signal.SIGCONT)  # a stopped harness cannot hear
    deadline = time.monotonic() + ABORT_SECONDS
    while time.monotonic() < deadline and (PROC / str(run.harness)).exists():
        MONOTONIC.sleep(0.05)


def _resume(process: Marked) -> None:
    resume(process.pid, process.ticks)


def _kill(process: Marked) -> None:
    """End *process*, and return when it is gone: what is found afterwards must not count the dying."""
    if start_ticks(process.pid) != process.ticks:
        return
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + KILL_SECONDS
    while time.monotonic() < deadline and stat_fields(process.pid)[:1] not in ([], ["Z"], ["X"]):
        MONOTONIC.sleep(0.01)


def _delete(network: Network) -> None:
    done = _ran(network.delete)
    if done.returncode and Path(network.enter[-2].removeprefix("--net=")).exists():
        raise OSError(done.stderr.strip())


def _run(command: Sequence[str], seconds: float = _UNDO_SECONDS) -> None:
    done = _ran(command, seconds)
    if done.returncode:
        raise OSError(done.stderr.strip())


def _ran(command: Sequence[str], seconds: float = _UNDO_SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def _describe(heading: str, runs: Sequence[Run], say: Say) -> None:
    say(f"{heading}: {len(runs)} run{'' if len(runs) == 1 else 's'}" if runs else f"{heading}: nothing")
    for run in runs:
        state = {0: "harness gone", -1: "harness not known"}.get(run.harness, f"harness pid {run.harness}")
        beats = ", beats" if run.beats else ", no heartbeat"
        say(f"  run {run.run} ({state}{beats}): {len(run.processes)} processes")
        for words in _faults_of(run):
            say(f"    {words}")


def _faults_of(run: Run) -> list[str]:
    stopped = [f"stopped: {_named(process)}" for process in run.stopped]
    cuts = [
        f"cut: {network.where}, {network.elements} elements" for network in run.networks if network.elements
    ]
    slow = [f"throttled: {network.where}, {device}" for network in run.networks for device in network.shaped]
    slow += [f"delayed: {_named(process)}" for process in run.proxies]
    pods = [f"pods left: {one}" for one in run.clusters]
    return [*stopped, *cuts, *slow, *pods, *(f"disk not whole: {one.disk.node}" for one in run.disks)]


def _tell_journals(folders: Sequence[Path], say: Say) -> None:
    for folder in folders:
        for path in sorted(folder.glob("*/journal.jsonl")):
            for line in open_faults(path):
                say(f"  journal of {path.parent.name}: {line.get('name')} was never healed by its run")


def _conclude(runs: Sequence[Run], *, abort: bool, say: Say) -> int:
    manual: list[str] = []
    for run in runs:
        if run.is_healthy and not abort:
            say(f"run {run.run} is alive and was left alone; to end it: harness heal --abort")
            continue
        manual += [f"kill -CONT {process.pid}" for process in run.stopped]
        manual += [f"kill -KILL {process.pid}" for process in run.proxies]
        manual += [" ".join(network.delete) for network in run.networks if network.elements]
        manual += [" ".join(command) for network in run.networks for command in network.unshape]
        manual += [" ".join(one.restore) for one in run.disks]
        manual += [f"kill -KILL {process.pid}" for process in run.orphans]
        manual += [" ".join(_deletion(one)) for one in run.clusters]
        manual += [f"kill -KILL {run.harness}" for _ in "x" if abort and run.harness > 0]
    if manual:
        say("UNSAFE: faults are left behind. By hand:")
        for command in manual:
            say(f"  {command}")
    return LEFT_BEHIND if manual else NOTHING


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - this is a command


def main() -> int:
    """The command; prints what it found, did and left."""
    parser = argparse.ArgumentParser(
        prog="harness heal", description="undo every fault that is still in force"
    )
    parser.add_argument("--abort", action="store_true", help="end runs that are alive as well")
    parser.add_argument("--run", default="", help="look at this run only")
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path("reports")], help="where runs are stored"
    )
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    return heal(abort=given.abort, only=given.run, folders=given.folders, say=_print)


if __name__ == "__main__":
    sys.exit(main())
