"""Pods and their processes where only agents reach them: nodes and processes of the seams."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import FaultError, NotExpressible, StackError
from harness.stack.agents.agents import AGENT, Agent
from harness.stack.agents.burning import Burnt
from harness.stack.agents.delaying import interface_of
from harness.stack.agents.turns import Looked
from harness.stack.seams import Cost, Done, Look

_LOOK_AGAIN_S = 0.3


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a pod is now: its uid names it for good, the agent is the one on its machine."""

    uid: str
    address: str
    agent: Agent


@dataclass
class RemoteNode:
    """The pod of that name, whichever it is now; see ``harness.stack.seams.Node``.

    ``find`` asks the cluster where it is; None: nowhere.
    """

    name: str
    role: str
    ports: tuple[int, ...]
    namespace: str
    find: Callable[[], Placed | None]
    _placed: Placed | None = field(default=None, repr=False)
    _main: RemoteProcess | None = field(default=None, repr=False)
    _proxy_log: str = field(default="", repr=False)
    _looked: float = field(default=0.0, repr=False)
    _followed: float = field(default=0.0, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def address(self) -> str:
        """Its address now, or the last one while there is no pod."""
        if time.monotonic() - self._followed > _LOOK_AGAIN_S:
            with contextlib.suppress(NotExpressible):  # it has an address, whichever process is meant
                self.main()
            self._followed = time.monotonic()
        return self._place.address

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The argv by which a person runs *argv* there while the agent stands."""
        prefix = ["kubectl", "--namespace", self.namespace, "exec", "-i", self._place.agent.pod, "--"]
        return [*prefix, *AGENT, "in", self._place.uid, *argv]

    def run(self, argv: Sequence[str], text: str = "") -> Done:
        """What *argv* says in the pod's network."""
        place = self._place
        try:
            return place.agent.run(place.uid, argv, text)
        except FaultError:
            if not self._moved():
                raise
            return self._place.agent.run(self._place.uid, argv, text)

    def hear(self) -> int:
        """Count the datagrams that come to its address; the port."""
        place = self._place
        return place.agent.hear(place.uid, place.address)

    def heard(self, port: int) -> int:
        """How many came to *port*, once none comes any more."""
        return self._place.agent.heard(self._place.address, port)

    def shout(self, address: str, port: int, count: int) -> None:
        """Send *count* datagrams."""
        self._place.agent.shout(self._place.uid, address, port, count)

    def pour(self, address: str, port: int, rate: float, seconds: float) -> tuple[int, float]:
        """Send datagrams at a rate; see ``harness.stack.agents.pod_traffic.pour``."""
        return self._place.agent.pour(self._place.uid, address, port, rate, seconds)

    def find_interface(self) -> str:
        """See ``harness.stack.agents.delaying.Delayed``."""
        address = self._place.address
        done = self.run(["ip", "-j", "address", "show", "to", address])
        found = interface_of(done.out, address) if done.rc == 0 else ""
        if not found:
            raise FaultError(f"no interface of {self.name} has its address {address}", why=done.err)
        return found

    def has_netem(self) -> bool:
        """See ``harness.stack.agents.delaying.Delayed``."""
        return self._place.agent.has_netem()

    def shape(self, device: str, discipline: Sequence[str]) -> Done:
        """See ``harness.stack.agents.delaying.Delayed``."""
        return self._place.agent.shape(self._place.uid, device, discipline)

    def start_proxy(self, argv: Sequence[str], environment: Mapping[str, str]) -> RemoteProcess:
        """See ``harness.stack.toxiproxy.in_front.Fronted``."""
        agent = self._place.agent
        pid, ticks, self._proxy_log = agent.proxy(self._place.uid, argv, environment)
        return RemoteProcess(pid, ticks, agent, self.namespace)

    def proxy_said(self, lines: int) -> str:
        """See ``harness.stack.toxiproxy.in_front.Fronted``."""
        return self.run(["tail", "-n", str(lines), self._proxy_log]).out

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Whether a TCP connection from this pod completes in time; from a pod that is gone none does."""
        place = self._place
        try:
            return place.agent.connects(place.uid, address, port, seconds)
        except FaultError:
            if place.agent.find(place.uid):
                raise
            return self._moved() and self._place.agent.connects(self._place.uid, address, port, seconds)

    def main(self) -> RemoteProcess | None:
        """The first process of its container, or the last one while there is none.

        Raises:
            NotExpressible: it has several containers, and nothing says which one is meant.
        """
        with self._lock:
            if self._main is None or (not self._main.is_alive() and self._may_look()):
                place = self._place
                found = main_process(place.agent, place.uid, self.namespace)
                if found is None and self._moved():
                    found = main_process(self._place.agent, self._place.uid, self.namespace)
                self._main = found or self._main
            return self._main

    @property
    def _place(self) -> Placed:
        with self._lock:
            if self._placed is None and not self._moved():
                raise StackError(f"there is no pod {self.name}")
            assert self._placed is not None
            return self._placed

    def _moved(self) -> bool:
        """Ask the cluster; whether it is another pod now."""
        with self._lock:
            found = self.find()
            if found is None or (self._placed is not None and found.uid == self._placed.uid):
                return False
            self._placed = found
            return True

    def _may_look(self) -> bool:
        """Whether it is time to look again."""
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN_S:
            return False
        self._looked = now
        return True


@dataclass(frozen=True)
class RemoteProcess:
    """A process on a node of the cluster; see ``harness.stack.seams.Process``."""

    pid: int
    start_ticks: int
    agent: Agent
    namespace: str

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The argv by which a person runs *argv* where the process is."""
        return ["kubectl", "--namespace", self.namespace, "exec", self.agent.pod, "--", *argv]

    def look(self) -> Look:
        """The process as it is now."""
        return self.agent.look(self.pid, self.start_ticks)

    def cost(self) -> Cost | None:
        """What it costs; None: it is gone."""
        return self.agent.cost(self.pid, self.start_ticks)

    def memory_group(self) -> str:
        """See ``harness.stack.agents.filling.Filled``."""
        return self.agent.group(self.pid, self.start_ticks)

    def fill(self) -> RemoteProcess:
        """See ``harness.stack.agents.filling.Filled``."""
        pid, ticks = self.agent.fill(self.pid, self.start_ticks)
        return RemoteProcess(pid, ticks, self.agent, self.namespace)

    def burn(self) -> Burnt:
        """See ``harness.stack.agents.burning.Burned``."""
        return self.agent.burn(self.pid, self.start_ticks)

    def starve(self, share: float) -> None:
        """See ``harness.stack.agents.turns.Turned``."""
        self.agent.starve(self.pid, self.start_ticks, share)

    def feed(self) -> None:
        """See ``harness.stack.agents.turns.Turned``."""
        self.agent.feed(self.pid, self.start_ticks)

    def is_starved(self) -> bool:
        """See ``harness.stack.agents.turns.Turned``."""
        return self.agent.is_starved(self.pid, self.start_ticks)

    def looks(self, count: int, every_s: float) -> Looked:
        """See ``harness.stack.agents.turns.Turned``."""
        return self.agent.looks(self.pid, self.start_ticks, count, every_s)

    def pids(self) -> tuple[int, ...]:
        """Its pid, then those of all that it started and that live."""
        return self.look().pids or (self.pid,)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.agent.lives(self.pid, self.start_ticks)

    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it and all that it started."""
        return set(self.look().states) == {"T"}

    def send(self, number: int) -> None:
        """Send signal *number*.

        Raises:
            ProcessLookupError: it is gone.
        """
        if not self.agent.send(self.pid, self.start_ticks, int(number)):
            raise ProcessLookupError(f"process {self.pid} on {self.agent.machine} is gone")

    def wait_gone(self, seconds: float) -> None:
        """Return when it has ended.

        Raises:
            StackError: it still runs after *seconds*.
        """
        if not self.agent.gone(self.pid, self.start_ticks, seconds):
            raise StackError(f"process {self.pid} still runs after {seconds:g} s")


def main_process(agent: Agent, pod: str, namespace: str) -> RemoteProcess | None:
    """The first process of *pod*'s container; None: it has none now.

    Raises:
        NotExpressible: it has several containers, and nothing says which one is meant.
    """
    found = agent.find(pod)
    if len(found) > 1:
        why = f"{len(found)} containers run in it"
        raise NotExpressible(
            f"not expressible here, because which process of pod {pod} is meant is not known", why=why
        )
    return RemoteProcess(found[0][0], found[0][1], agent, namespace) if found else None
