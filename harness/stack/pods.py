"""Pods as nodes and their containers as services, where the machine sees their processes: kind.

A pod's main process is known by its environment, as every process of a run is: ``HARNESS_RUN`` and
``HARNESS_NODE`` stand in its manifest. So faults reach pods as they reach the nodes of the local platform, by
signals and in their network; what is different is who starts them again: the kubelet, at once.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.errors import NotExpressible, StackError
from harness.stack.netns import NamespaceNode
from harness.stack.process import KnownProcess
from harness.waiting import NotYet, wait_for

_RESTARTED_S = 90.0


@dataclass(frozen=True)
class PodNode(NamespaceNode):
    """A pod: its network has a name in ``/run/netns``, its cable ends where the harness does not reach."""

    @property
    def cable(self) -> str:
        """None: the other end is in the network of the pod's own node."""
        return ""


def attach(name: str, pid: int) -> None:
    """Give the network of *pid* the name *name*.

    Raises:
        StackError: ``ip`` refused; carries its words.
    """
    done = subprocess.run(
        ["ip", "netns", "attach", name, str(pid)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StackError(f"the network of {name} cannot be reached", why=done.stderr)


@dataclass
class PodService:
    """What runs in a pod; see ``harness.stack.seams.Service``. ``supervisor`` starts it again by itself."""

    node: PodNode
    run: str
    ready: Callable[[float], str]
    logged: Callable[[int], str]
    supervisor: str = "the kubelet"
    _last: KnownProcess | None = field(default=None, repr=False)

    @property
    def process(self) -> KnownProcess:
        """The present process, or the last one while there is none."""
        if self._last is None or not self._last.is_alive():
            pid = main_process(self.node.name, self.run)
            self._last = KnownProcess(pid) if pid else self._last
        if self._last is None:
            raise StackError(f"{self.node.name} was never started")
        return self._last

    def start(self) -> None:
        """Wait until the kubelet has started it again."""
        wait_for(self._runs, what=f"{self.supervisor} to start {self.node.name}", seconds=_RESTARTED_S)

    def wait_ready(self, seconds: float) -> str:
        """Return when it serves, with the proof in words."""
        self.wait_listening(seconds)
        return self.ready(seconds)

    def wait_listening(self, seconds: float) -> None:
        """Return when its first port is open."""
        wait_for(self._listens, what=f"{self.node.name} to listen", seconds=seconds)

    def wipe(self) -> None:
        """A claim is not wiped under a container.

        Raises:
            NotExpressible: always.
        """
        raise NotExpressible(f"{self.node.name} cannot be wiped here", why="its claim outlives the container")

    def log_tail(self, lines: int = 5) -> str:
        """The end of its log, for an error."""
        return self.logged(lines)

    def _runs(self) -> None:
        if not self.process.is_alive():
            raise NotYet("no process")

    def _listens(self) -> None:
        if not self.node.can_connect(self.node.address, self.node.ports[0], seconds=0.5):
            raise NotYet("its port is closed")


def main_process(node: str, run: str) -> int:
    """The pid of the container of pod *node* in *run*; 0 when there is none now."""
    marks = {f"HARNESS_NODE={node}".encode(), f"HARNESS_RUN={run}".encode()}
    for process in psutil.process_iter():
        if _innermost(process.pid) == 1 and marks <= _environment(process.pid):
            return int(process.pid)
    return 0


def _environment(pid: int) -> set[bytes]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return set()


def _innermost(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)
