"""A memory limit that is hit: a process of ours fills the container's own allowance until the kernel kills.

The kernel chooses whom: by size, and by the adjustment that the kubelet gives every container. A process
of ours has none, so the container goes first, unless its class is Guaranteed; then the fault is not proven.
The filling process carries the mark of a fault, so the watchdog and ``heal`` end it. On another machine its
agent fills, and ends that a lease after the harness is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.mechanism import Footprint, Seen
from harness.faults.observed import FAULT, NODE, PROC
from harness.faults.pods import OnPods
from harness.stack.agents.filling import FILL, GROUPS, Filled, group_of, join, start
from harness.stack.seams import Distant, Process, Unreached
from harness.waiting import NotYet, wait_for

_KILLED_S = 30.0
_GROUPS, _FILL = GROUPS, FILL


class Elsewhere:
    """A filling process on another machine; as much of ``subprocess.Popen`` as is asked of one here."""

    def __init__(self, victim: Filled) -> None:
        self._process = victim.fill()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """None while it lives."""
        return None if self._process.is_alive() else 0

    def kill(self) -> None:
        """End it; idempotent."""
        if self._process.is_alive():
            self._process.send(signal.SIGKILL)

    def wait(self) -> None:
        """Return when it has ended."""
        self._process.wait_gone(_KILLED_S)


@dataclass
class OutOfMemory(OnPods):
    """Fill the memory of pods until the kernel kills what runs in them; the kubelet starts it again."""

    _fillers: list[subprocess.Popen[bytes] | Elsewhere] = field(default_factory=list)
    _groups: dict[str, str] = field(init=False)
    """Looked for while the victims live: what injecting ran is told when the first may be dead."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._groups = {name: self._group(name) for name in self.services}

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs."""
        return tuple(f"fill the memory of {name} within {group}" for name, group in self._groups.items())

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(f"kill -KILL {process.pid}" for process in self._fillers)

    @property
    def footprint(self) -> Footprint:
        """Until it was started again nobody can connect."""
        return Footprint(severed=self.listeners, unsure=self.through - self.listeners)

    def inject(self) -> None:
        """Start one filling process within the memory group of each pod.

        Raises:
            FaultError: the group does not take it.
        """
        for name, group in self._groups.items():
            victim = self.victims[name]
            if isinstance(victim, Filled):
                self._fillers.append(Elsewhere(victim))
                continue
            marks = {**os.environ, FAULT: "out_of_memory", NODE: name}
            filler = start(_FILL, marks)
            self._fillers.append(filler)
            try:
                join(filler, Path(group))
            except OSError as error:
                raise FaultError(f"{group} takes no process", why=str(error)) from error

    def landed(self) -> Seen:
        """Whether the kernel killed every victim, and says that it was for want of memory."""
        try:
            what, seconds = "the kernel to kill", _KILLED_S
            wait_for(self._all_killed, what=what, seconds=seconds, every=0.02, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        self.heal()
        return Seen(ok=True, words=f"{', '.join(self.services)}: killed by the kernel for want of memory")

    def traces(self) -> Seen:
        """What the cluster says of the end."""
        try:
            what, seconds = "the kubelet", _KILLED_S
            told = wait_for(self._told, what=what, seconds=seconds, every=0.1, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        return Seen(ok=True, words=told)

    def heal(self) -> None:
        """End the filling processes; idempotent."""
        for filler in self._fillers:
            filler.kill()
            filler.wait()

    def _told(self) -> str:
        ends = {name: self.orchestrator.pod(name).ended for name in self.services}
        words = ", ".join(f"{name} {end or 'still runs'}" for name, end in ends.items())
        if not all("OOMKilled" in end for end in ends.values()):
            raise NotYet(words)
        return words

    def _all_killed(self) -> None:
        # A victim that the kernel chose takes a while to die; what fills may be chosen meanwhile, too.
        left = [name for name, process in self.victims.items() if process.is_alive()]
        gone = [f"pid {filler.pid}" for filler in self._fillers if filler.poll() is not None]
        if left:
            raise NotYet(f"{', '.join(left)} lives, killed in its place: {', '.join(gone) or 'nobody'}")

    def _group(self, name: str) -> str:
        """The folder of the memory group of the container, as whoever fills it sees it."""
        victim = self.victims[name]
        if isinstance(victim, Distant | Unreached) and not isinstance(victim, Filled):
            raise NotExpressible(f"not expressible here, because no process of ours reaches {name}")
        found = victim.memory_group() if isinstance(victim, Filled) else _here(name, victim)
        if not found:
            raise NotExpressible(f"not expressible here, because the memory group of {name} is not seen")
        return found


def _here(name: str, victim: Process) -> str:
    try:
        return str(group_of(victim.pid, _GROUPS, PROC) or "")
    except OSError as error:
        raise FaultError(f"{name} is not running", why=str(error)) from error
