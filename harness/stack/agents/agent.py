"""What the harness does on a node of somebody's cluster: one small program in a privileged pod there.

Four ways to run it, standard library only:

* ``keep``: the pod's own command. It waits, and when nobody has asked for anything for one lease it
  undoes what stands: processes that were stopped continue, and the packet filter's table goes from every
  pod in which commands ran. What is in force is noted in a folder that outlives the container, so it does
  the same when it was itself killed and started again. After a longer silence it ends.
* ``serve``: what the harness runs beside it, over one stream that stays open. Each line in is a request,
  each line out an answer with the request's ``id``, in whatever order they are done.
* ``undo``: at once what ``keep`` does after a lease, for ``harness heal``; says in JSON what stood there.
* ``in UID COMMAND…``: the command in the network of pod UID; what a person would paste.

A request is a JSON object: ``do`` names the verb, the rest are its arguments; see ``Serving``. The answer
has ``error`` instead of a result when the verb failed. A pod is named by its uid, a process by its pid and
its start, so neither a pod nor a process that came later is ever hit.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TextIO, TypeAlias

from harness.clock import MONOTONIC
from harness.stack.agents import filling
from harness.stack.agents.pod_proc import (
    carried,
    cost,
    family,
    mains_of,
    network_of,
    start_ticks,
    states,
    switches,
)
from harness.stack.agents.pod_signals import Turning, ended, hold, let_continue, lives, running, send
from harness.stack.agents.pod_traffic import Ears, shout
from harness.stack.namespaces import syscalls

Json: TypeAlias = dict[str, object]

NOTES = Path("/run/edge-agent")
STANDING = ("held", "pods", "fillers")
"""What is noted: processes that were stopped, pods in whose network commands ran, who fills memory."""

LEASE_SECONDS = 5.0
SILENCE_SECONDS = 120.0
LOOK_SECONDS = 0.2
_COMMAND_S = 5.0
_AT_ONCE = 32
_TABLE = ("nft", "delete", "table", "inet", "harness")
_networks: dict[str, tuple[Path, int]] = {}
"""Where the network of a pod was entered last, and since when that process runs."""


class Notes:
    """What stands on this node, kept where it outlives the container: ``held`` and ``pods``, a line each.

    The modification time of ``beat`` is when somebody last asked for something.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def beat(self) -> None:
        """Somebody is there."""
        (self._folder / "beat").touch()

    def beaten(self) -> int:
        """When somebody last was, as the file system has it."""
        try:
            return (self._folder / "beat").stat().st_mtime_ns
        except OSError:
            return -1

    def add(self, name: str, line: str) -> None:
        """Note *line* under *name*, before what it tells of is done."""
        with self._lock:
            if line not in self.read(name):
                with open(self._folder / name, "a", encoding="utf-8") as file:
                    file.write(line + "\n")

    def read(self, name: str) -> list[str]:
        """What is noted under *name*."""
        try:
            return (self._folder / name).read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def clear(self) -> None:
        """Nothing stands any more."""
        for name in STANDING:
            (self._folder / name).unlink(missing_ok=True)


class Serving:
    """The verbs: each public method is one, its parameters are the request's arguments."""

    def __init__(self, notes: Notes) -> None:
        self._notes, self._ears = notes, Ears()
        self._turning = Turning(partial(notes.add, "held"), notes.beaten, LEASE_SECONDS)

    def beat(self) -> Json:
        """The harness is there."""
        return {}

    def run(self, pod: str, argv: list[str], text: str = "") -> Json:
        """Run *argv* in the network of *pod* with *text* on its standard input."""
        self._notes.add("pods", pod)
        done = in_network(pod, argv, text)
        return {"rc": done.returncode, "out": done.stdout, "err": done.stderr}

    def connect(self, pod: str, address: str, port: int, seconds: float) -> Json:
        """Whether a TCP connection from *pod* completes in time."""
        with _socket_in(_network(pod)) as probe:
            probe.settimeout(seconds)
            try:
                probe.connect((address, port))
            except OSError:
                return {"ok": False}
            return {"ok": True}

    def hear(self, pod: str, address: str) -> Json:
        """Count the datagrams that come to *address* in the network of *pod*."""
        return {"port": self._ears.open(_socket_in(_network(pod), socket.SOCK_DGRAM), address)}

    def heard(self, address: str, port: int) -> Json:
        """How many came, once none comes any more."""
        return {"count": self._ears.heard(address, port)}

    def shout(self, pod: str, address: str, port: int, count: int) -> Json:
        """Send *count* datagrams from *pod*."""
        shout(_socket_in(_network(pod), socket.SOCK_DGRAM), address, port, count)
        return {}

    def find(self, pod: str) -> Json:
        """The first process of each running container of *pod*."""
        return {"found": [[one.pid, one.ticks, one.container] for one in mains_of(pod)]}

    def lives(self, pid: int, ticks: int) -> Json:
        """Whether a process still runs; stopped counts as running."""
        return {"ok": lives(pid, ticks)}

    def look(self, pid: int, ticks: int) -> Json:
        """A process and all that it started: pids, thread states, context switches; empty: it is gone."""
        if not lives(pid, ticks):
            return {"pids": [], "states": [], "switches": 0}
        pids = family(pid)
        letters = [letter for each in pids for letter in states(each)]
        return {"pids": pids, "states": letters, "switches": sum(map(switches, pids))}

    def cost(self, pid: int, ticks: int) -> Json:
        """What a process and all that it started hold and have used; empty: it is gone."""
        if not lives(pid, ticks):
            return {"cost": []}
        held, used = cost(family(pid))
        return {"cost": [held, used, *carried(pid)]}

    def send(self, pid: int, ticks: int, number: int) -> Json:
        """Send a signal to a process; a stop and its end to all that it started, too."""
        return {"sent": hold(pid, ticks, number, partial(self._notes.add, "held"))}

    def starve(self, pid: int, ticks: int, share: float) -> Json:
        """Have a process run *share* of the time."""
        self._turning.begin(pid, ticks, share)
        return {}

    def feed(self, pid: int, ticks: int) -> Json:
        """End that."""
        self._turning.end(pid, ticks)
        return {}

    def starved(self, pid: int, ticks: int) -> Json:
        """Whether it goes on."""
        return {"ok": self._turning.are_taken(pid, ticks)}

    def group(self, pid: int, ticks: int) -> Json:
        """The memory group of a process; empty: it is not seen."""
        return {"group": str(_group(pid, ticks) or "")}

    def fill(self, pid: int, ticks: int) -> Json:
        """Fill the memory group of a process; which process of ours does."""
        found = _group(pid, ticks)
        if found is None:
            raise OSError(f"the memory group of process {pid} is not seen")
        filler = filling.start()
        own = start_ticks(filler.pid)
        self._notes.add("fillers", f"{filler.pid} {own}")
        filling.join(filler, found)
        return {"pid": filler.pid, "ticks": own}

    def looks(self, pid: int, ticks: int, count: int, every_s: float) -> Json:
        """At how many of *count* looks a process ran."""
        ran = running(pid, count, every_s) if lives(pid, ticks) else 0
        return {"running": ran, "processors": os.cpu_count() or 1}

    def wait(self, pid: int, ticks: int, seconds: float) -> Json:
        """Whether a process ended within *seconds*."""
        return {"gone": ended(pid, ticks, seconds)}


def serve(serving: Serving, notes: Notes, told: TextIO, says: TextIO) -> None:
    """Answer every request of *told* on *says* until it ends."""
    lock = threading.Lock()

    def reply(line: str) -> None:
        answer = json.dumps(answered(serving, line))
        with lock:
            says.write(answer + "\n")
            says.flush()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for line in told:
            notes.beat()
            pool.submit(reply, line)


def answered(serving: Serving, line: str) -> Json:
    """The answer to one request; whatever goes wrong is told in it."""
    try:
        asked = json.loads(line)
        number, do = asked.pop("id"), asked.pop("do")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return {"id": 0, "error": f"no request: {error}"}
    verb = getattr(serving, do, None) if not str(do).startswith("_") else None
    if verb is None:
        return {"id": number, "error": f"there is no verb {do!r}"}
    try:
        return {"id": number, **verb(**asked)}
    except (OSError, TypeError, ValueError, subprocess.SubprocessError) as error:
        return {"id": number, "error": str(error) or type(error).__name__}


def keep(notes: Notes, *, lease: float = LEASE_SECONDS, silence: float = SILENCE_SECONDS) -> None:
    """Wait until nobody has asked for anything for *silence*; undo what stands after one *lease* already."""
    beat, moved, undone = notes.beaten(), time.monotonic(), False
    while (quiet := time.monotonic() - moved) < silence:
        MONOTONIC.sleep(LOOK_SECONDS)
        latest = notes.beaten()
        if latest != beat:
            beat, moved, undone = latest, time.monotonic(), False
        elif quiet >= lease - LOOK_SECONDS and not undone:
            undone = undo(notes)


def undo(notes: Notes) -> bool:
    """Undo all that is noted; what fails is told and stays noted. Whether nothing is left."""
    failed = [line for line in notes.read("held") if not let_continue(line)]
    failed += [line for line in notes.read("fillers") if not _killed(line)]
    failed += [pod for pod in notes.read("pods") if not _cleared(pod)]
    if not failed:
        notes.clear()
    return not failed


def in_network(pod: str, argv: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """What *argv* says in the network of *pod*.

    Raises:
        OSError: the pod has no process here, or there is no such program.
        subprocess.SubprocessError: it took too long.
    """
    return subprocess.run(
        ["nsenter", f"--net={_network(pod)}", "--", *argv],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=_COMMAND_S,
    )


def _network(pod: str) -> Path:
    # Looking through all processes each time would cost more than what is then done.
    path, ticks = _networks.get(pod, (Path(), -1))
    if ticks >= 0 and start_ticks(_holder(path)) == ticks:
        return path
    found = network_of(pod)
    if found is None:
        raise OSError(f"pod {pod} has no network of its own on this node")
    _networks[pod] = (found, start_ticks(_holder(found)))
    return found


def _holder(network: Path) -> int:
    """The process by which a network is entered."""
    return int(network.parts[-3])


def _socket_in(network: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket made in *network*: it belongs there for good. This thread goes there and comes back."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    away = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(away, syscalls.CLONE_NEWNET)
        try:
            return socket.socket(socket.AF_INET, kind)
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(away)
        os.close(home)


def _group(pid: int, ticks: int) -> Path | None:
    if not lives(pid, ticks):
        raise OSError(f"process {pid} is gone")
    return filling.group_of(pid, filling.BEYOND)


def _killed(line: str) -> bool:
    """Whether a process of ours that fills memory is gone."""
    pid, ticks = (int(word) for word in line.split())
    return not send(pid, ticks, signal.SIGKILL) or ended(pid, ticks, _COMMAND_S)


def _cleared(pod: str) -> bool:
    """Whether no table of ours is left in the network of *pod*."""
    if network_of(pod) is None:
        return True
    try:
        done = in_network(pod, _TABLE)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{pod}: {error}\n")
        return False
    return done.returncode == 0 or "No such file" in done.stderr


def main(argv: Sequence[str]) -> int:
    """Run as told."""
    modes: dict[str, Callable[[Sequence[str]], int]] = {
        "keep": _keep,
        "serve": _serve,
        "undo": _undo,
        "in": _in,
    }
    if not argv or argv[0] not in modes:
        sys.stderr.write("usage: agent keep | serve | undo | in UID COMMAND…\n")
        return 2
    return modes[argv[0]](argv[1:])


def _keep(_: Sequence[str]) -> int:
    notes = Notes(NOTES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the pod is deleted: undo, then go
    try:
        keep(notes)
    finally:
        undo(notes)
    return 0


def _serve(_: Sequence[str]) -> int:
    notes = Notes(NOTES)
    serve(Serving(notes), notes, sys.stdin, sys.stdout)
    return 0


def _undo(_: Sequence[str]) -> int:
    notes = Notes(NOTES)
    stood = {name: len(notes.read(name)) for name in STANDING}
    whole = undo(notes)
    sys.stdout.write(json.dumps({**stood, "left": not whole}) + "\n")
    return 0 if whole else 1


def _in(argv: Sequence[str]) -> int:
    network = _network(argv[0])
    command = ["nsenter", f"--net={network}", "--", *argv[1:]]
    os.execvp(command[0], command)  # noqa: S606 - an argv list, no shell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
