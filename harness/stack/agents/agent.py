"""What the harness does on a node of somebody's cluster: one small program in a privileged pod there.

Four ways to run it, standard library only:

* ``keep``: the pod's own command. It waits, and when nobody has asked for anything for one lease it
  undoes what stands: processes that were stopped continue, ours end, interfaces are quick again, and the
  packet filter's table goes from every pod in which commands ran. What is in force is noted in a folder that
  outlives the container, so it does the same when it was itself killed and started again. After a longer
  silence it ends.
* ``serve``: what the harness runs beside it, over one stream that stays open. Each line in is a request,
  each line out an answer with the request's ``id``; see ``harness.stack.agents.serving``.
* ``undo``: at once what ``keep`` does after a lease, for ``harness heal``; says in JSON what stood there.
* ``in UID COMMAND…``: the command in the network of pod UID; what a person would paste.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from harness.clock import MONOTONIC
from harness.stack.agents.networks import COMMAND_S, entering, in_network, network
from harness.stack.agents.notes import FOLDER, PROCESSES, STANDING, Notes
from harness.stack.agents.pod_proc import network_of
from harness.stack.agents.pod_signals import ended, let_continue, send
from harness.stack.agents.serving import LEASE_SECONDS, Serving, serve
from harness.stack.namespaces import shaping

SILENCE_SECONDS = 120.0
LOOK_SECONDS = 0.2
_TABLE = ("nft", "delete", "table", "inet", "harness")


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
    failed += [line for name in PROCESSES for line in notes.read(name) if not _killed(line)]
    failed += [pod for pod in notes.read("shaped") if not _quick(pod)]
    failed += [pod for pod in notes.read("pods") if not _cleared(pod)]
    if not failed:
        notes.clear()
    return not failed


def _killed(line: str) -> bool:
    """Whether a process of ours is gone that fills memory or a disk, burns processor time, or is a proxy."""
    pid, ticks = (int(word) for word in line.split())
    return not send(pid, ticks, signal.SIGKILL) or ended(pid, ticks, COMMAND_S)


def _quick(pod: str) -> bool:
    """Whether no discipline of ours is left on an interface of *pod*."""
    if network_of(pod) is None:
        return True
    try:
        shaping.remove(entering(pod, ()))
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{pod}: {error}\n")
        return False
    return True


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
    notes = Notes(FOLDER)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the pod is deleted: undo, then go
    try:
        keep(notes)
    finally:
        undo(notes)
    return 0


def _serve(_: Sequence[str]) -> int:
    notes = Notes(FOLDER)
    serve(Serving(notes), notes, sys.stdin, sys.stdout)
    return 0


def _undo(_: Sequence[str]) -> int:
    notes = Notes(FOLDER)
    stood = {name: len(notes.read(name)) for name in STANDING}
    whole = undo(notes)
    sys.stdout.write(json.dumps({**stood, "left": not whole}) + "\n")
    return 0 if whole else 1


def _in(argv: Sequence[str]) -> int:
    command = ["nsenter", f"--net={network(argv[0])}", "--", *argv[1:]]
    os.execvp(command[0], command)  # noqa: S606 - an argv list, no shell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
