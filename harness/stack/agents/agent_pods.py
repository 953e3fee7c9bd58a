"""The grip of a harness in somebody's cluster: an agent on each node with a pod of the stack.

The agents are made once the stack stands, one for each node: the first fault asks every pod what it can
reach, so all of them would be needed then. Where the cluster refuses privileged pods the stack runs all the
same: what needs an agent is then not expressible here, in the words of the refusal.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.errors import NotExpressible, StackError
from harness.stack.agents.agents import AGENT, Agent, beating
from harness.stack.agents.notes import FOLDER
from harness.stack.agents.remote import Placed, RemoteNode
from harness.stack.agents.remote_disk import RemoteClaims
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.owned import Manifest, run_label, stamped
from harness.stack.kubernetes.pods import Address, PodLike
from harness.stack.kubernetes.pods_seen import PodSeen
from harness.stack.namespaces.netns import Onlooker

LABEL = "edge-harness/agent"
"""On every agent, with the id of its run."""

_READY_S = 90.0
_FORBIDDEN = ("PodSecurity", "denied the request", "security context constraint")
"""Words of those who refuse privileged pods: Pod Security, admission webhooks, OpenShift."""

_NO_AGENT = "the cluster allows no privileged pod"
_POD = ("v1", "Pod")


@dataclass
class ThroughAgents:
    """See ``harness.stack.kubernetes.platform.Grip``.

    Args:
        run: the run's id.
        image: the image of the harness.
        own: the address of the pod that the harness runs in.
        owner: the reference to what owns the agents: they go when it does.
        deadline_s: how long an agent may stand at the most.
    """

    api: Api
    run: str
    image: str
    own: str
    owner: Manifest
    deadline_s: int
    _agents: dict[str, Agent] = field(default_factory=dict)
    _refused: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def hold(self, pods: Mapping[str, PodSeen]) -> Iterator[None]:
        """Have an agent stand on the node of each pod."""
        try:
            self._make(sorted({pod.node for pod in pods.values()}))
            with beating(self._agents):
                yield
        finally:
            for name in self.api.labelled(_POD, f"{LABEL}={run_label(self.run)}"):
                self.api.delete(*_POD, name)

    def node(self, name: str, role: str, ports: tuple[int, ...]) -> PodLike:
        """The pod *name*."""
        if self._refused:
            return BlindNode(name, role, ports, self.api, self._refused)
        return RemoteNode(name, role, ports, self.api.namespace, partial(self._placed, name))

    @property
    def machines(self) -> None:
        """Out of reach: they are somebody's."""
        return None

    @property
    def volumes(self) -> RemoteClaims:
        """The claims whose disks agents reach."""
        return RemoteClaims(self.api, self._placed)

    def beside(self) -> tuple[Address, ...]:
        """The cluster's names and its API server, as this pod was told of them."""
        found = [Address("dns", "dns", address, (53,)) for address in _name_servers()[:1]]
        if server := os.environ.get("KUBERNETES_SERVICE_HOST"):
            found.append(Address("api", "api", server, (443,)))
        return tuple(found)

    def observer(self) -> Onlooker:
        """The harness's own pod."""
        return Onlooker(self.own)

    def _placed(self, name: str) -> Placed | None:
        """Where the pod *name* is; a machine that had none of ours gets its agent now."""
        found = self.api.pods().get(name)
        if found is None or not found.address or not found.node:
            return None
        with self._lock:
            if found.node not in self._agents:
                self._make([found.node])
        if found.node not in self._agents:
            raise NotExpressible(f"not expressible here, because {_NO_AGENT}", why=self._refused)
        return Placed(found.uid, found.address, self._agents[found.node])

    def _make(self, machines: Sequence[str]) -> None:
        first = len(self._agents) + 1
        names = {each: f"edge-agent-{self.run[-4:]}-{n}" for n, each in enumerate(machines, first)}
        try:
            for machine, name in names.items():
                self.api.create(self._manifest(machine, name))
        except StackError as error:
            if not any(word in error.why for word in _FORBIDDEN):
                raise
            self._refused = error.why
            return
        self.api.wait_ready(names.values(), _READY_S)
        made = {
            machine: Agent(machine, name, partial(self.api.exec, name, [*AGENT, "serve"]))
            for machine, name in names.items()
        }
        with ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(Agent.open, made.values()))
        self._agents |= made

    def _manifest(self, machine: str, name: str) -> Manifest:
        """A privileged pod on *machine*, in the network of the machine: it needs no address of its own."""
        container = {
            "name": "agent",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": [*AGENT, "keep"],
            "securityContext": {"privileged": True, "runAsUser": 0},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
            "volumeMounts": [{"name": "notes", "mountPath": str(FOLDER)}],
        }
        spec = {
            "nodeName": machine,
            "hostPID": True,
            "hostNetwork": True,
            "restartPolicy": "OnFailure",
            "activeDeadlineSeconds": self.deadline_s,
            "terminationGracePeriodSeconds": 10,
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
            "volumes": [{"name": "notes", "emptyDir": {}}],
        }
        metadata = {"name": name, "labels": {LABEL: run_label(self.run)}, "ownerReferences": [self.owner]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        return stamped(pod, self.run)


def _name_servers() -> list[str]:
    lines = (line.split() for line in Path("/etc/resolv.conf").read_text().splitlines())
    return [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]


@dataclass(frozen=True)
class BlindNode:
    """A pod that nothing can be done to: no agent may stand beside it."""

    name: str
    role: str
    ports: tuple[int, ...]
    api: Api
    why: str

    @property
    def address(self) -> str:
        """Its address now; empty: there is no such pod."""
        found = self.api.pods().get(self.name)
        return found.address if found else ""

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Nobody gets in.

        Raises:
            NotExpressible: always.
        """
        raise NotExpressible(f"{argv[0]} is not expressible here, because {_NO_AGENT}", why=self.why)

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Whether it listens itself: that the harness sees from its own pod.

        What it can reach nobody can tell: it counts as closed beforehand, so nothing is concluded from it.
        """
        return address == self.address and Onlooker("").can_connect(address, port, seconds=seconds)

    def main(self) -> BlindProcess:
        """Its container, as the API server tells of it."""
        return BlindProcess(self.name, self.api, self.why)


@dataclass
class BlindProcess:
    """The container of a pod as the API server tells of it: alive or not, and out of reach."""

    name: str
    api: Api
    unreached: str
    pid: int = 0
    start_ticks: int = 0

    def __post_init__(self) -> None:
        self.start_ticks = self._restarts()

    def pids(self) -> tuple[int, ...]:
        """None that anybody can name."""
        return ()

    def is_alive(self) -> bool:
        """Whether it is the container that it was."""
        return self._restarts() == self.start_ticks

    def is_stopped(self) -> bool:
        """Nobody stops it."""
        return False

    def send(self, number: int) -> None:
        """Nobody can.

        Raises:
            NotExpressible: always.
        """
        raise NotExpressible(f"not expressible here, because {_NO_AGENT}", why=f"{self.unreached} ({number})")

    def wait_gone(self, seconds: float) -> None:
        """Nobody sends it away.

        Raises:
            StackError: always.
        """
        raise StackError(f"{self.name} still runs after {seconds:g} s")

    def _restarts(self) -> int:
        found = self.api.pods().get(self.name)
        return found.restarts if found else -1
