"""Pods as nodes and their containers as services, where the machine sees their processes: kind.

A pod's main process is known by its environment, as every process of a run is: ``HARNESS_RUN`` and
``HARNESS_NODE`` stand in its manifest. So faults reach pods as they reach the nodes of the local platform, by
signals and in their network; what is different is who starts them again: the kubelet, at once. In the place
of a pod that was deleted its controller makes another one, with another network and another address.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import psutil

from harness.errors import NotExpressible, StackError
from harness.stack.definition import NodeDefinition
from harness.stack.kind.machines import network_of
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.chosen import chosen, process_now
from harness.stack.kubernetes.orchestrated import Machines, Volumes
from harness.stack.kubernetes.pods_seen import PodSeen
from harness.stack.namespaces.netns import NAMED, Observer, connects, inside
from harness.stack.process import KnownProcess
from harness.stack.seams import Node, Process
from harness.waiting import NotYet, wait_for

_RESTARTED_S = 90.0
_PROCESS_S = 20.0
_LOOK_AGAIN_S = 0.2
_SIOCGIFADDR = 0x8915


@dataclass
class FollowedNode:
    """A pod or a machine of that name, whichever it is now; see ``harness.stack.seams.Node``.

    Its network has a name in ``/run/netns``, which follows when another takes the place. ``find`` gives the
    pid of its first process, 0 while there is none.
    """

    name: str
    role: str
    ports: tuple[int, ...]
    find: Callable[[], int]
    on: Callable[[], str] = str
    """Gives the machine that it is on; empty: out of reach."""
    interface: str = "eth0"
    _main: KnownProcess | None = field(default=None, repr=False)
    _looked: float = field(default=0.0, repr=False)
    _address: str = field(default="", repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def address(self) -> str:
        """Its address now, or the last one while there is no pod."""
        self.main()
        return self._address

    def enter(self, argv: Sequence[str]) -> list[str]:
        """*argv* behind the prefix that puts it into the network of the one that is there now."""
        self.main()
        return ["nsenter", f"--net={NAMED / self.name}", "--", *argv]

    @property
    def machine(self) -> str:
        """The machine of the cluster that it is on."""
        return self.on()

    @property
    def cable(self) -> str:
        """Its cable's other end, in the network of its machine."""
        try:
            return other_end(self.enter([]), self.beyond([]), self.interface)
        except (OSError, StackError, ValueError):
            return ""

    def beyond(self, argv: Sequence[str]) -> list[str]:
        """*argv* behind the prefix that puts it into the network of its machine."""
        return [*network_of(self.machine), *argv]

    def open_socket(self, kind: socket.SocketKind) -> socket.socket:
        """A socket in its network."""
        with self._lock:
            self.main()
            with inside(NAMED / self.name):
                return socket.socket(socket.AF_INET, kind)

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Whether a TCP connection from there completes in time."""
        try:
            opened = self.open_socket(socket.SOCK_STREAM)
        except OSError:  # between two pods there may be no network of that name
            return False
        return connects(opened, address, port, seconds)

    def main(self) -> KnownProcess | None:
        """The first process of its container, or the last one while there is none."""
        with self._lock:
            if self._main is None or (not self._main.is_alive() and self._may_look()):
                with contextlib.suppress(OSError):  # it ended while it was looked at
                    if pid := self.find():
                        found = KnownProcess(pid)
                        self._follow(found)
                        self._main = found
            return self._main

    def _may_look(self) -> bool:
        """Whether it is time to look through all processes again."""
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN_S:
            return False
        self._looked = now
        return True

    def _follow(self, process: KnownProcess) -> None:
        """Have the name stand for the network of *process*."""
        try:
            self._name(process.pid)
        except StackError as error:
            if process.is_alive():
                raise
            raise ProcessLookupError(process.pid) from error
        with inside(NAMED / self.name):
            self._address = _address_of(self.interface) or self._address

    def _name(self, pid: int) -> None:
        named = NAMED / self.name
        if not (named.exists() and named.samefile(f"/proc/{pid}/ns/net")):
            if named.exists():
                _ip("netns", "delete", self.name)
            _ip("netns", "attach", self.name, str(pid))


def _address_of(interface: str) -> str:
    """The IPv4 address of *interface* in this thread's network; empty: it has none yet."""
    asked = struct.pack("256s", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            told = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, asked)
        except OSError:
            return ""
    return socket.inet_ntoa(told[20:24])


def other_end(near: Sequence[str], far: Sequence[str], interface: str) -> str:
    """The name that the other end of *interface* has behind the prefix *far*; empty: it is not there.

    Raises:
        OSError: ``ip`` did not answer.
        ValueError: it answered something else.
    """
    (own,) = _links([*near, "ip", "-j", "link", "show", "dev", interface])
    others = _links([*far, "ip", "-j", "link", "show"])
    return next((str(each["ifname"]) for each in others if each["ifindex"] == own.get("link_index")), "")


def _links(argv: Sequence[str]) -> list[dict[str, object]]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"the network of {words[2]} cannot be reached", why=done.stderr.strip())


@dataclass(frozen=True)
class Address:
    """An address of the cluster and nothing behind it that could be entered: a Service."""

    name: str
    role: str
    address: str
    ports: tuple[int, ...]
    passive: bool = True

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Nobody can.

        Raises:
            NotExpressible: always.
        """
        raise NotExpressible(f"{argv[0]} cannot run at {self.name}", fix="choose it as the peer")

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:  # noqa: ARG002 - a Node's
        """Never: nothing stands there."""
        return False


class PodLike(Node, Protocol):
    """A node whose container has a first process."""

    def main(self) -> Process | None:
        """That process; None, or the last one, while there is none."""
        ...


@dataclass
class PodService:
    """What runs in a pod; see ``harness.stack.seams.Service``. ``supervisor`` starts it again by itself."""

    node: PodLike
    ready: Callable[[float], str]
    logged: Callable[[int], str]
    supervisor: str = "the kubelet"

    @property
    def process(self) -> Process:
        """The present process, or the last one while there is none."""
        found = self.node.main()
        if found is None:
            raise StackError(f"{self.node.name} was never started")
        return found

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


@dataclass(frozen=True)
class OwnMachine:
    """The grip of a harness that sees the pods' processes; see ``harness.stack.kubernetes.platform.Grip``.

    *selected* are the nodes that are not the pods of their names.
    """

    run: str
    api: Api
    machines: Machines
    selected: Mapping[str, NodeDefinition] = field(default_factory=dict)
    volumes: Volumes | None = None

    @contextlib.contextmanager
    def hold(self, pods: Mapping[str, PodSeen]) -> Iterator[None]:  # noqa: ARG002 - seen by their marks
        """Nothing is needed, and nothing is left."""
        yield

    def node(self, name: str, role: str, ports: tuple[int, ...]) -> FollowedNode:
        """The pod, once its process is seen."""
        find = partial(main_process, name, self.run)
        if name in self.selected:
            find = partial(process_now, self.api, self.selected[name])
        found = FollowedNode(name, role, ports, find, partial(self._machine, name))
        wait_for(partial(_begun, found), what=f"the process of {name}", seconds=_PROCESS_S)
        return found

    def _machine(self, name: str) -> str:
        pods = self.api.pods()
        own = chosen((self.selected[name],), pods).get(name) if name in self.selected else pods.get(name)
        return own.node if own is not None else ""

    def beside(self) -> tuple[Address, ...]:
        """The cluster's names and its API server."""
        dns = self.api.service_address("kube-dns", "kube-system")
        server = self.api.service_address("kubernetes", "default")
        return Address("dns", "dns", dns, (53,)), Address("api", "api", server, (443,))

    def observer(self) -> Observer:
        """Among the cluster's nodes."""
        return Observer(own_address())


def own_address() -> str:
    """The harness's address in the cluster's network.

    Raises:
        StackError: it has none.
    """
    for one in psutil.net_if_addrs().get("eth0", []):
        if one.family is socket.AF_INET:
            return str(one.address)
    raise StackError("the cluster's network has no address for the harness")


def _begun(node: FollowedNode) -> None:
    if node.main() is None:
        raise NotYet("no process with its mark")


def main_process(node: str, run: str) -> int:
    """The pid of the container of pod *node* in *run*; 0 when there is none now."""
    marks = {f"HARNESS_NODE={node}".encode(), f"HARNESS_RUN={run}".encode()}
    for process in psutil.process_iter():
        if _innermost(process.pid) == 1:
            found = _environment(process.pid)
            # What is itself a fault (a proxy, a gate) has the node's mark, and a pid namespace, too.
            if marks <= found and not any(each.startswith(b"HARNESS_FAULT=") for each in found):
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
