"""The watchdog: undoes what cannot expire by itself when the harness no longer can.

Packet cuts expire in the kernel; a SIGSTOP, a full disk, a slow cable do not. So each
run has one detached process that watches the run's heartbeat, a file whose
modification time the harness moves every second. When it has not moved for one
lease, or the harness is gone, the watchdog resumes every stopped process of the run's
nodes, restores their disks, makes their cables quick again, starts the machines of their
cluster, has operators go on and ends the delays of proxies. It goes on watching,
for a harness that was itself only stopped may come back; it ends with the harness,
whose death closes the pipe between them. What a harness that died left in Docker it removes last.

The heartbeat's *content* names the harness for ``heal``: its pid in its own pid
namespace, its start in clock ticks, and the inode of that namespace. Standard
library only. Both ends measure with the monotonic clock: a step of the wall clock
neither hides a death nor feigns one.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clock import MONOTONIC
from harness.faults.disks import restore_all
from harness.faults.journal import read_lines
from harness.faults.observed import (
    CLUSTER,
    end,
    marked_processes,
    namespace,
    resume,
    start_ticks,
    stat_fields,
)
from harness.faults.toxics import reset_all
from harness.stack.docker import left as docker_left
from harness.stack.kind import machine_disks
from harness.stack.kind.machines import START, kubectl_of, network_of, start_all
from harness.stack.kubernetes import policies, reconciliation, resizing
from harness.stack.namespaces.shaping import remove, remove_here

LEASE_SECONDS = 5.0
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.2
_END_SECONDS = 5.0
_PARTING = b"."
"""What a harness that ends in order says before it closes the pipe."""

_ROOT = Path(__file__).resolve().parents[2]

_log = logging.getLogger(__name__)


class Watch:
    """The harness's end: beats while it is entered, with a watchdog beside it.

    Args:
        directory: the run's directory; the heartbeat is ``heartbeat`` in it.
        run: the run's id, as the platform marks processes with it.
        lease_seconds: how old a heartbeat may grow.
    """

    def __init__(self, directory: Path, run: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._directory, self._run, self._lease = directory, run, lease_seconds
        self._ending = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._heartbeat = self._directory / "heartbeat"
        self._heartbeat.write_text(
            f"{os.getpid()} {start_ticks(os.getpid())} {namespace(os.getpid(), 'pid')}\n"
        )
        self._watchdog = self._start_watchdog()
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._beating.join()
        assert self._watchdog.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._watchdog.stdin.write(_PARTING)
        with contextlib.suppress(BrokenPipeError):
            self._watchdog.stdin.close()
        try:
            self._watchdog.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._watchdog.kill()
            self._watchdog.wait()

    def _start_watchdog(self) -> subprocess.Popen[bytes]:
        # -P: the current folder must not shadow a module; -S: nothing beside the standard library.
        argv = [sys.executable, "-P", "-S", "-m", __name__, str(self._directory), self._run]
        with open(self._directory / "watchdog.log", "ab") as log:
            return subprocess.Popen(
                [*argv, "--lease", str(self._lease)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
                start_new_session=True,
            )

    def _beat(self) -> None:
        while not self._ending.wait(BEAT_SECONDS):
            os.utime(self._heartbeat)


def watch(directory: Path, run: str, *, lease_seconds: float, ended: int) -> None:
    """Watch the run until the pipe *ended* closes; resume its stopped processes whenever it must."""
    beat, moved = _mtime(directory), time.monotonic()
    while not select.select([ended], [], [], LOOK_SECONDS)[0]:
        now, latest = time.monotonic(), _mtime(directory)
        if latest != beat:
            beat, moved = latest, now
        elif now - moved >= lease_seconds - LOOK_SECONDS:
            undo(directory, run, why=f"no heartbeat for {now - moved:.1f} s")
    parted = os.read(ended, len(_PARTING)) == _PARTING
    undo(directory, run, why="the harness ended")
    if not parted:
        remove_orphans(run)


def undo(directory: Path, run: str, *, why: str) -> None:
    """Undo all that is observed to be in force; what fails is logged, and the rest is still undone."""
    resume_stopped(directory, run, why=why)
    acts: tuple[tuple[str, Callable[[], Sequence[object]]], ...] = (
        ("restored the disks of", partial(_restore_disks, directory)),
        ("unshaped", partial(_unshape, directory)),
        ("gave their limits back to", partial(_give_back, directory)),
        ("started the machines", partial(_start_machines, directory)),
        ("resumed the reconciliation of", partial(_resume_reconciliations, directory)),
        ("deleted the policies of", partial(_allow, directory)),
        ("ended the proxies of", partial(end_proxies, run)),
        ("ended the delays of", partial(reset_all, run)),
    )
    for what, act in acts:
        try:
            done = act()
        except (OSError, subprocess.SubprocessError) as error:
            _log.warning("%s: not %s: %s", why, what, error)
        else:
            if done:
                _log.warning("%s: %s %s", why, what, done)


def resume_stopped(directory: Path, run: str, *, why: str) -> list[int]:
    """SIGCONT every stopped process of the run's nodes; returns their pids.

    Goes by what is observed, and by the journal for a process that we may not look into.
    """
    observed = {(process.pid, process.ticks) for process in marked_processes(run) if process.node}
    stopped = sorted(one for one in observed | _journaled(directory) if stat_fields(one[0])[:1] == ["T"])
    resumed = [pid for pid, ticks in stopped if resume(pid, ticks)]
    if resumed:
        _log.warning("%s: resumed %s", why, resumed)
    return resumed


def end_proxies(run: str) -> list[str]:
    """SIGKILL every process that is itself a fault of the run; returns whose answers it delayed."""
    # Who is led to one finds the way back by the kernel: that lease runs out at the same time.
    found = [process for process in marked_processes(run) if process.fault]
    return sorted({process.node for process in found if end(process.pid, process.ticks)})


def remove_orphans(run: str) -> None:
    """Remove what *run* has in Docker and nobody else will take away, for its harness is gone."""
    left = docker_left.things(run)
    deadline = time.monotonic() + _END_SECONDS
    while any(not thing.is_orphan for thing in left) and time.monotonic() < deadline:
        MONOTONIC.sleep(LOOK_SECONDS)  # a process that dies closes its pipes first
    if any(thing.is_orphan for thing in left):
        failed = docker_left.remove(run)
        _log.warning("removed the containers of %s: %s", run, "; ".join(failed) or "all of them")


def _unshape(directory: Path) -> list[str]:
    """Make the cables of the nodes quick that the journal says were to be slowed down."""
    noted = [note for note in _notes(directory) if note.get("do") == "unshape"]
    done = remove_here(str(note.get("node")) for note in noted)
    machines = sorted({str(note["machine"]) for note in noted if "machine" in note})
    return [*done, *(device for machine in machines for device in remove(network_of(machine)))]


def _start_machines(directory: Path) -> list[str]:
    """Start the machines that the journal says were to be stopped, and only these."""
    named = [str(note.get("node")) for note in _notes(directory) if note.get("do") == START]
    started = start_all(named)
    for machine in sorted(set(named)):
        machine_disks.mount_all(machine)
    return started


def _give_back(directory: Path) -> list[str]:
    """Give the limits back that the journal says were to be changed, by what the pods themselves say."""
    cluster = os.environ.get(CLUSTER, "").partition("/")[0]
    noted = any(note.get("do") == resizing.UNLIMIT for note in _notes(directory))
    return resizing.give_back(kubectl_of(cluster)) if noted and cluster else []


def _restore_disks(directory: Path) -> list[str]:
    """Restore what is mounted here, and on the machines whose disks the journal says were to be hurt."""
    noted = [note for note in _notes(directory) if note.get("do") == machine_disks.RESTORE]
    machines = sorted({str(note["machine"]) for note in noted if "machine" in note})
    return [*restore_all(), *machine_disks.restore_all(machines)]


def _resume_reconciliations(directory: Path) -> list[str]:
    """Have operators look after what the journal says was to be paused, and is paused by our doing."""
    named = {found for note in _notes(directory) if (found := reconciliation.noted(note))}
    places = {f"{each.cluster}/{each.namespace}" for each in named}
    left = [each for place in sorted(places) for each in reconciliation.paused(place) if each in named]
    for each in left:
        reconciliation.resume_of(each)
    return [str(each) for each in left]


def _allow(directory: Path) -> list[str]:
    """Delete the policies that the journal says were to be made."""
    named = {found for note in _notes(directory) if (found := policies.noted(note))}
    return [each.pod for each in sorted(named) if policies.delete(each)]


def _notes(directory: Path) -> Iterator[dict[str, object]]:
    for line in read_lines(directory / "journal.jsonl"):
        undo_notes = line.get("undo")
        yield from (note for note in _list(undo_notes) if isinstance(note, dict))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _journaled(directory: Path) -> set[tuple[int, int]]:
    """Every process that the journal says was to be paused; its start ticks guard against a reused pid."""
    found = (_process_of(note) for note in _notes(directory) if note.get("do") == "continue")
    return set().union(*found)


def _process_of(note: dict[str, object]) -> set[tuple[int, int]]:
    pid, ticks = str(note.get("pid")), str(note.get("ticks"))
    return {(int(pid), int(ticks))} if pid.isdecimal() and ticks.isdecimal() else set()


def _mtime(directory: Path) -> int:
    try:
        return (directory / "heartbeat").stat().st_mtime_ns
    except OSError:
        return -1


def main() -> None:
    """Run as the watchdog; the standard input is the pipe to the harness."""
    parser = argparse.ArgumentParser(
        description="resume stopped processes when a run's heartbeat stands still"
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("run")
    parser.add_argument("--lease", type=float, default=LEASE_SECONDS)
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the harness, not before
    watch(given.directory, given.run, lease_seconds=given.lease, ended=sys.stdin.fileno())


if __name__ == "__main__":
    main()
