"""A stack of pods without a cluster: what is asked of orchestrator and machines is done in dicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.clock import NANOS_PER_SECOND
from harness.errors import NotExpressible
from harness.stack.kubernetes.orchestrated import Attention, PodFacts
from harness.stack.kubernetes.pods import Address
from harness.stack.kubernetes.policies import Denial
from harness.tests.faults.fakes import BROKERS, FakeProcess, FakeService, FakeStack

BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."
NOBODY = PodFacts("", "")


@dataclass
class FakePod(FakeService):
    """A service that the kubelet starts again; ``unready`` is raised by whoever waits for it."""

    supervisor: str = "the kubelet"
    unready: Exception | None = None
    waited: list[float] = field(default_factory=list)

    def wait_ready(self, seconds: float) -> str:
        """As set; remembers how long somebody would have waited."""
        self.waited.append(seconds)
        if self.unready:
            raise self.unready
        return "ready"


@dataclass
class FakeOrchestrator:
    """Pods, claims and endpoints as dicts; a pod that goes takes its process along and has a successor.

    ``says_only``: the API server says that it is done, and the process lives on. ``budget``: the words with
    which it refuses every eviction.
    """

    services: dict[str, FakePod]
    budget: str = ""
    says_only: bool = False
    keeps_claims: bool = False
    pods: dict[str, PodFacts] = field(default_factory=dict)
    owned: dict[str, dict[str, str]] = field(default_factory=dict)
    endpoints: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    cpu: dict[str, dict[str, int]] = field(default_factory=dict)
    had: dict[str, dict[str, int]] = field(default_factory=dict)
    late: str = ""
    kept: dict[str, Attention] = field(default_factory=dict)
    """What an operator keeps each pod for; it obeys at once unless it is ``deaf``."""
    deaf: bool = False
    policies: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for number, name in enumerate(self.services, 1):
            self.pods[name] = PodFacts(f"uid-{name}-1", f"worker-{number}", ready=True, said="Running")
            self.owned[name] = {f"data-{name}": f"claim-{name}-1"}
            self.endpoints[f"service-{name}"] = 3
            self.cpu[name] = {"kafka": 8_000}

    def replaced(self, name: str, **facts: object) -> None:
        """Another pod of that name."""
        old = self.pods[name]
        number = int(old.uid.rpartition("-")[2]) + 1
        self.pods[name] = replace(old, uid=f"uid-{name}-{number}", **facts)  # type: ignore[arg-type]
        self.services[name].process.alive = self.says_only

    def pod(self, node: str) -> PodFacts:
        """As it is in the dict; one that is not there has no uid."""
        return self.pods.get(node, NOBODY)

    def delete(self, node: str, *, grace_seconds: int, claims: bool = False) -> None:
        """Another pod takes its place at once."""
        self.told.append(f"delete {node} {grace_seconds}")
        if claims and not self.keeps_claims:
            self.owned[node] = {name: f"{uid}-new" for name, uid in self.owned[node].items()}
        self.replaced(node)

    def claims(self, node: str) -> dict[str, str]:
        """A copy of the dict."""
        return dict(self.owned[node])

    def evict(self, node: str) -> str:
        """Refused in the words of the budget, if there is one."""
        self.told.append(f"evict {node}")
        if not self.budget:
            self.replaced(node)
        return self.budget

    def cordon(self, machine: str, *, closed: bool) -> None:
        """A set of the closed ones."""
        self.told.append(f"{'close' if closed else 'open'} {machine}")
        (self.closed.add if closed else self.closed.discard)(machine)

    def cordoned(self, machine: str) -> bool:
        """Whether it is in the set."""
        return machine in self.closed

    def roll(self, node: str) -> str:
        """Nothing happens until the test has it happen; one controller has all pods."""
        self.told.append(f"roll {node}")
        return "all"

    def pods_of(self, controller: str) -> tuple[str, ...]:
        """All."""
        assert controller == "all"
        return tuple(self.pods)

    def attention(self, node: str) -> Attention:
        """As it is in the dict."""
        if node not in self.kept:
            raise NotExpressible(f"not expressible here, because no operator keeps {node}")
        return self.kept[node]

    def pause_reconciliation(self, node: str, *, paused: bool) -> None:
        """Asked for all pods of the resource, and heard."""
        self.told.append(f"{'pause' if paused else 'resume'} {self.kept[node].name}")
        heard = self.kept[node].paused if self.deaf else paused
        made = replace(self.kept[node], asked=paused, paused=heard)
        self.kept = dict.fromkeys(self.kept, made)

    def break_image(self, node: str) -> None:
        """Its successor waits for an image."""
        self.replaced(node, ready=False, said="ErrImageNeverPull")

    def mend_image(self, node: str) -> None:
        """Its successor is ready."""
        self.told.append(f"mend {node}")
        if not self.pods[node].ready:
            self.replaced(node, ready=True, said="Running")

    def unlist(self, node: str, *, hidden: bool) -> None:
        """None, or three again."""
        self.told.append(f"{'hide' if hidden else 'show'} {node}")
        self.endpoints[f"service-{node}"] = 0 if hidden else 3

    def denial(self, node: str) -> Denial:
        """In a kind cluster."""
        return Denial("edge-harness", "edge", node)

    def deny(self, node: str) -> None:
        """The policy is there; what the network does is the test's affair."""
        self.told.append(f"deny {node}")
        self.policies.add(node)

    def denied(self, node: str) -> bool:
        """Whether it is."""
        return node in self.policies

    def allow(self, node: str) -> None:
        """It is not."""
        self.policies.discard(node)

    def limits(self, node: str) -> dict[str, int]:
        """What the kubelet applied."""
        return dict(self.cpu[node])

    def resizing(self, node: str) -> str:
        """As set."""
        return self.late

    def is_limited(self, node: str) -> bool:
        """Whether it is in the dict of those."""
        return node in self.had

    def limit(self, node: str, milli: int) -> None:
        """Applied at once, unless it is late."""
        self.told.append(f"limit {node} {milli}")
        self.had[node] = self.cpu[node]
        if not self.late:
            self.cpu[node] = dict.fromkeys(self.cpu[node], milli)

    def unlimit(self, node: str) -> None:
        """As before."""
        self.told.append(f"unlimit {node}")
        self.cpu[node] = self.had.pop(node, self.cpu[node])

    def listed(self, node: str) -> dict[str, int]:
        """The one Service of that pod, unless the test took it away."""
        return {name: count for name, count in self.endpoints.items() if name == f"service-{node}"}


@dataclass
class FakeMachines:
    """States by machine; what loses its power takes ``processes`` along, unless it is ``deaf``."""

    states: dict[str, str]
    processes: dict[str, list[FakeProcess]] = field(default_factory=dict)
    deaf: bool = False
    told: list[str] = field(default_factory=list)

    def stop(self, machine: str) -> None:
        """Every process on it is gone."""
        self._become(machine, "exited", "stop")
        for process in self.processes.get(machine, ()):
            process.alive = False

    def start(self, machine: str) -> None:
        """It runs."""
        self._become(machine, "running", "start")

    def pause(self, machine: str) -> None:
        """It is paused; whether its processes move is the test's affair."""
        self._become(machine, "paused", "pause")

    def state(self, machine: str) -> str:
        """As in the dict."""
        return self.states[machine]

    def _become(self, machine: str, state: str, verb: str) -> None:
        self.told.append(f"{verb} {machine}")
        if not self.deaf:
            self.states[machine] = state


class PodStack(FakeStack):
    """Three brokers as pods, each on a machine of its own; and the address of the API server."""

    def __init__(self) -> None:
        super().__init__()
        self.pods = {name: FakePod(FakeProcess(n)) for n, name in enumerate(BROKERS, 1)}
        self.fakes = {**self.pods}
        self.services = self.fakes
        self.nodes = {**self.nodes, "api": Address("api", "api", "10.96.0.1", (443,))}
        self.orchestrator = FakeOrchestrator(self.pods)
        machines = {pod.machine: [self.pods[name].process] for name, pod in self.orchestrator.pods.items()}
        self.machines = FakeMachines(dict.fromkeys(machines, "running"), machines)


class Later:
    """A clock that stands still until somebody sleeps; then ``act`` is done, once in each sleep."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.act = act
        self.slept = 0.0

    def now(self) -> int:
        """What was slept, in nanoseconds."""
        return round(self.slept * NANOS_PER_SECOND)

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept += seconds
        self.act()
