"""``harness heal``: undo whatever faults are still in force on this machine.

Works from what it observes, needs no configuration and no journal, and may be run
at any time, repeatedly, by anyone who started a run. A run whose harness lives and
beats is left alone and named. Of every other run it

* lets stopped processes of nodes continue,
* ends the proxies that delay what nodes answer,
* deletes table ``inet harness`` in every network of the run, with all it may hold,
* removes what slows down a node's cable,
* gives disks that are full or read-only their size back,
* ends the delays in proxies that stand between nodes and clients,
* has operators look again after what they were asked to leave alone,
* ends processes of nodes whose harness is gone; of pods it starts and opens the machines, then deletes the
  cluster that the run had made, or the namespace in one that was there before, and what carries our label
  cluster-wide unless another run uses that cluster; containers it removes with their network and disks.

Then it looks again: what is still there is named with the command that removes it,
and the exit code is 4. Standard library only. Nothing from a journal is ever run.
"""

from __future__ import annotations

import argparse
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.clock import MONOTONIC
from harness.faults import clusters_left as in_kind
from harness.faults.ending import end_harness, kill
from harness.faults.journal import open_faults
from harness.faults.observed import (
    Marked,
    innermost_pid,
    marked_processes,
    namespace,
    pids,
    resume,
    start_ticks,
    stat_fields,
)
from harness.faults.remains import (
    BrokenDisk,
    LimitedPod,
    Network,
    broken_claims,
    broken_disks,
    disturbed_networks,
    limited_pods,
)
from harness.faults.toxics import Delaying, delaying, reset
from harness.stack.docker import left as docker_left
from harness.stack.kind.machine_disks import MachineDisk
from harness.stack.kubernetes import cluster_left
from harness.stack.kubernetes.reconciliation import Paused, paused, resume_of

LEASE_SECONDS = 5.0
NOTHING, LEFT_BEHIND = 0, 4
_UNDO_SECONDS = 10.0
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
    delaying: tuple[Delaying, ...] = ()
    claims: tuple[MachineDisk, ...] = ()
    """The disks of its pods' claims that are full or read-only."""
    limited: tuple[LimitedPod, ...] = ()
    in_docker: tuple[docker_left.Thing, ...] = ()
    """Its containers, networks and volumes that nobody will remove."""

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
        alone = self.harness == 0 and not self.in_docker
        return tuple(process for process in of_nodes if alone and not process.cluster)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Where its pods are that nobody will delete; a pod's process would only be started again."""
        return self.places if self.harness == 0 else ()

    @property
    def places(self) -> tuple[str, ...]:
        """Where its pods are."""
        named = {process.cluster for process in self.processes if process.node}
        return tuple(sorted(filter(_CLUSTER.match, named)))

    @property
    def unattended(self) -> tuple[Paused, ...]:
        """What their operators leave alone for its sake."""
        return tuple(sorted({each for place in self.places for each in paused(place)}))

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
    if abort:
        _end_harnesses(survey(only), say)
    before = survey(only)
    _describe("found", before, say)
    for run in before:
        if run.is_healthy and not abort:
            continue
        for words, undo in _undoings(run, others=_living(before, run)):
            _isolated(words, undo, say)
        _tell_kept(run, _living(before, run), say)
    after = survey(only) if before else []
    _describe("now", after, say)
    _tell_journals(folders, say)
    return _conclude(after, abort=abort, say=say)


def survey(only: str = "") -> list[Run]:
    """Every run, or the one named *only*, of which a process or something in Docker is left, by id."""
    left = [thing for thing in docker_left.things(only) if thing.is_orphan]
    by_run: dict[str, list[Marked]] = {thing.run: [] for thing in left}
    for process in marked_processes(only):
        by_run.setdefault(process.run, []).append(process)
    return [
        _observe(run, tuple(processes), tuple(thing for thing in left if thing.run == run))
        for run, processes in sorted(by_run.items())
    ]


def _observe(run: str, processes: tuple[Marked, ...], in_docker: tuple[docker_left.Thing, ...]) -> Run:
    directory = next((process.directory for process in processes if process.directory), "")
    heartbeat = Path(directory) / "heartbeat"
    harness = _harness_of(heartbeat) if directory else -1
    beats = harness != 0 and _beats(heartbeat)
    networks, disks = tuple(disturbed_networks(processes)), tuple(broken_disks(processes))
    slow = tuple(delaying(processes))
    claims, limited = tuple(broken_claims(processes)), tuple(limited_pods(processes))
    return Run(run, directory, processes, networks, disks, harness, beats, slow, claims, limited, in_docker)


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


def _end_harnesses(runs: Sequence[Run], say: Say) -> None:
    """What they leave is looked for afterwards: until then it is theirs."""
    for run in runs:
        if run.harness > 0:
            _isolated(f"end run {run.run} (harness {run.harness})", partial(end_harness, run.harness), say)


def _undoings(run: Run, *, others: Sequence[Run] = ()) -> list[tuple[str, Callable[[], None]]]:
    todo: list[tuple[str, Callable[[], None]]] = []
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
    todo += [(f"restore the disk {one.name}", one.restore) for one in run.claims]
    todo += [(f"give {one.pod} its limits back", one.give_back) for one in run.limited]
    todo += [(f"end the delays of {one.node}", partial(reset, one)) for one in run.delaying]
    todo += [(f"end {_named(process)}", partial(_kill, process)) for process in run.orphans]
    todo += [(f"open the machines of {one}", partial(in_kind.open_machines, one)) for one in run.clusters]
    todo += [
        (f"unshape the machines of {one}", partial(in_kind.unshape_machines, one)) for one in run.clusters
    ]
    todo += [(f"resume {one}", partial(resume_of, one)) for one in run.unattended]
    shared = [one for one in run.clusters if "/" in one]
    todo += [(f"free {one}", partial(cluster_left.free, one)) for one in shared]
    todo += [(f"delete {one}", partial(_run, in_kind.deletion(one), in_kind.SECONDS)) for one in run.clusters]
    todo += [(f"delete the disks of {one}", partial(in_kind.delete_disks, one)) for one in shared]
    todo += [
        (f"remove what is cluster-wide in {one}", partial(cluster_left.remove, one))
        for one in _left_alone(run, others)
    ]
    todo += [
        (f"remove {len(command) - 3} by {' '.join(command[:3])}", partial(_run, command, in_kind.SECONDS))
        for command in docker_left.removals(run.in_docker)
    ]
    return todo


def _living(runs: Sequence[Run], run: Run) -> list[Run]:
    """Those of *runs* beside *run* whose harness is not known to be gone."""
    return [each for each in runs if each.run != run.run and each.harness != 0]


def _left_alone(run: Run, others: Sequence[Run]) -> list[str]:
    """The clusters that stay when *run* is gone and that none of the *others* uses."""
    return sorted(
        in_kind.staying(run.clusters) - {each for other in others for each in in_kind.staying(other.places)}
    )


def _tell_kept(run: Run, others: Sequence[Run], say: Say) -> None:
    """Name what is cluster-wide and ours, and stays because another run uses it."""
    for cluster in sorted(in_kind.staying(run.clusters) - set(_left_alone(run, others))):
        if found := cluster_left.wide(cluster):
            say(f"  kept for another run in {cluster}: {', '.join(found)}")


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


def _resume(process: Marked) -> None:
    resume(process.pid, process.ticks)


def _kill(process: Marked) -> None:
    kill(process.pid, process.ticks)


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
    slow += [f"delayed for clients: {one.node}" for one in run.delaying]
    slow += [f"limited: {one.pod}" for one in run.limited]
    slow += [f"left alone by its operator: {one}" for one in run.unattended]
    pods = [f"pods left: {one}" for one in run.clusters]
    pods += [f"left in Docker: {one.kind} {one.name}" for one in run.in_docker]
    hurt = [*(one.disk.node for one in run.disks), *(one.name for one in run.claims)]
    return [*stopped, *cuts, *slow, *pods, *(f"disk not whole: {name}" for name in hurt)]


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
        manual += [command for one in run.limited for command in one.commands]
        manual += [command for one in run.claims for command in one.restore_commands]
        manual += [f"kill -KILL {process.pid}" for process in run.orphans]
        manual += [one.reset for one in run.delaying]
        manual += [" ".join(one.resume) for one in run.unattended]
        manual += [" ".join(in_kind.deletion(one)) for one in run.clusters]
        manual += [" ".join(command) for command in docker_left.removals(run.in_docker)]
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
