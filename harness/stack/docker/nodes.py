"""Containers as nodes and services, beside the Docker that runs them.

A node is a container that does nothing but hold the node's address, network and disk; its service runs in
a second one that shares them, as in a pod. So a node whose service is dead still refuses connections, and
keeps its cable and its packet filters, as a machine does. A container that died stays dead until ``start``.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.errors import StackError
from harness.s3 import Access, S3Client, connect
from harness.stack.components import ObjectsDefinition
from harness.stack.docker.containers import NO_VOLUME, Container, Volume
from harness.stack.kubernetes.pods import main_process
from harness.stack.namespaces.netns import NamespaceNode
from harness.stack.objects.component import prove_buckets
from harness.stack.process import KnownProcess
from harness.waiting import NotYet, wait_for

_PROCESS_S = 20.0


@dataclass(frozen=True)
class ContainerNode(NamespaceNode):
    """A container's network, named in ``/run/netns``.

    Args:
        holder: the id of the container that holds it.
        disk: its disk, which the container holds as well.
        far_end: its cable's end at the bridge.
    """

    holder: str = ""
    disk: Volume = NO_VOLUME
    far_end: str = ""

    @property
    def cable(self) -> str:
        """The bridge's end of its cable, in the machine's own network."""
        return self.far_end


def far_end(name: str) -> str:
    """The name of the other end of the cable of the network *name*, as this machine has it.

    Raises:
        StackError: it has no cable that ends here.
    """
    argv = ["ip", "-netns", name, "-json", "link", "show", "dev", "eth0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        return socket.if_indextoname(int(json.loads(done.stdout)[0]["link_index"]))
    except (OSError, ValueError, LookupError) as error:
        why = done.stderr.strip() or str(error)
        raise StackError(f"the cable of {name} does not end on this machine", why=why) from error


def attach(name: str, pid: int) -> None:
    """Give the network of *pid* the name *name*.

    Raises:
        StackError: ``ip`` refused; carries its words.
    """
    argv = ["ip", "netns", "attach", name, str(pid)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        fix = "use a Docker daemon whose containers are processes of this machine"
        raise StackError(f"the network of {name} cannot be reached", why=done.stderr.strip(), fix=fix)


class ContainerService:
    """What runs in the container of a node; see ``harness.stack.seams.LoggedService``.

    *prepare* is done before each start.
    """

    def __init__(
        self,
        node: ContainerNode,
        run: str,
        container: Container,
        ready: Callable[[float], str],
        *,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self.node, self.disk = node, node.disk.place
        self._run, self._container, self._ready, self._prepare = run, container, ready, prepare
        self._process: KnownProcess | None = None

    @property
    def process(self) -> KnownProcess:
        """The present process, or the last one while there is none; whoever started it."""
        if self._process is None:
            raise StackError(f"{self.node.name} was never started")
        if not self._process.is_alive():
            self._look()
        return self._process

    def _look(self) -> bool:
        """Whether there is a process with the marks of this service."""
        with contextlib.suppress(OSError):  # it ended while it was looked at
            if pid := main_process(self.node.name, self._run):
                self._process = KnownProcess(pid)
                return True
        return False

    def start(self) -> None:
        """Start its container, on the disk that it had.

        Raises:
            StackError: Docker refused, or it ended at once.
        """
        self._prepare()
        self._container.start()
        wait_for(self._runs, what=f"the process of {self.node.name}", seconds=_PROCESS_S, every=0.02)

    def wait_ready(self, seconds: float) -> str:
        """Return when it serves, with the proof in words."""
        self.wait_listening(seconds)
        return self._ready(seconds)

    def wait_listening(self, seconds: float) -> None:
        """Return when its first port is open.

        Raises:
            StackError: it died, or the port is not open within *seconds*.
        """
        wait_for(self._listens, what=f"{self.node.name} to listen", seconds=seconds)

    def log_tail(self, lines: int = 5) -> str:
        """The end of its log, for an error."""
        return " | ".join(self._container.log(lines).splitlines())

    def wipe(self) -> None:
        """Delete everything on its disk.

        Raises:
            StackError: it runs.
        """
        if self.process.is_alive():
            raise StackError(f"{self.node.name} runs", fix="kill it before its disk is wiped")
        for entry in self.disk.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _runs(self) -> None:
        if self._look():
            return
        if not self._container.pid():
            raise StackError(f"{self.node.name} ended at once", why=self.log_tail())
        raise NotYet("no process with its marks")

    def _listens(self) -> None:
        if not self.process.is_alive():
            raise StackError(f"{self.node.name} died", why=self.log_tail())
        if not self.node.can_connect(self.node.address, self.node.ports[0], seconds=0.5):
            raise NotYet("its port is closed")


class ContainerStore(ContainerService):
    """The S3 server in its container; *objects* tells how clients get in."""

    def __init__(
        self, node: ContainerNode, run: str, container: Container, objects: ObjectsDefinition
    ) -> None:
        endpoint = f"http://{node.address}:{objects.port}"
        self._access = Access(endpoint, objects.access_key, objects.secret_key, objects.region)
        super().__init__(node, run, container, partial(self._serves, objects))

    def client(self, *, read_seconds: float = 10.0, attempts: int = 3) -> S3Client:
        """A new client of this store."""
        return connect(self._access, read_seconds=read_seconds, attempts=attempts)

    def _serves(self, objects: ObjectsDefinition, seconds: float) -> str:
        client = self.client(read_seconds=5.0, attempts=1)
        return prove_buckets(self.node.name, client, objects.buckets, seconds)
