"""Which mechanism makes which kind of fault, on nodes that are already chosen."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import BadInput, NotExpressible
from harness.faults.behind_proxy import behind_proxy
from harness.faults.cpu import CpuLimit
from harness.faults.cut import cut_between
from harness.faults.denied import TRY_SECONDS, Denied
from harness.faults.gate import gated
from harness.faults.gate_in_front import gate_in_front
from harness.faults.kinds import Kind
from harness.faults.leases import Cuts
from harness.faults.loss import loss_between
from harness.faults.mechanism import Mechanism
from harness.faults.memory import OutOfMemory
from harness.faults.pods import Deletion, Drain, MissingImage, OnPods, Roll, Unlisting
from harness.faults.policed import policed_at
from harness.faults.power import MachinePause, PowerCut
from harness.faults.proxied import proxied
from harness.faults.reach import Pair, all_pairs, connecting
from harness.faults.signals import KILL_SECONDS, TERMINATE_SECONDS, Death, Pause
from harness.faults.spec import FaultSpec
from harness.faults.starve import Starvation
from harness.faults.storage import DiskFault, Mounted, OnMachine
from harness.faults.throttle import delay_of, has_cable, rate_of
from harness.faults.traffic import can_speak
from harness.faults.unattended import Unattended
from harness.stack.agents.delaying import Delayed
from harness.stack.delays import UNTRIED, Delays
from harness.stack.disks import DiskAt
from harness.stack.kind.machine_disks import MachineDisk
from harness.stack.kubernetes.orchestrated import HasVolumes, Machines, Orchestrated, Orchestrator
from harness.stack.namespaces.netns import Onlooker
from harness.stack.objects.temporary_gate import TemporaryGate
from harness.stack.seams import (
    HasDelays,
    HasDisk,
    HasGate,
    Node,
    Passive,
    Service,
    Stack,
    Supervised,
    Wired,
)
from harness.stack.toxiproxy.in_front import Toxiproxy
from harness.stack.toxiproxy.proxies import HasProxies


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault with everything that was chosen for it."""

    spec: FaultSpec
    number: int
    stack: Stack
    cuts: Cuts
    target: tuple[str, ...]
    peers: tuple[str, ...]
    ready_seconds: float

    @property
    def nodes(self) -> dict[str, Node]:
        """The target's nodes by name."""
        return {name: self.stack.nodes[name] for name in self.target}

    @property
    def services(self) -> dict[str, Service]:
        """The target's services by node.

        Raises:
            BadInput: a node runs nothing.
        """
        for name in self.target:
            if name not in self.stack.services:
                running = ", ".join(self.stack.services)
                what = f"{name} runs nothing that a {self.spec.kind} could hit"
                raise BadInput(what, fix=f"choose among {running}")
        return {name: self.stack.services[name] for name in self.target}

    @property
    def opened_to(self) -> frozenset[Pair]:
        """Every connection to the target."""
        return frozenset(pair for pair in all_pairs(self.stack) if pair.target in self.target)

    @property
    def through(self) -> frozenset[Pair]:
        """Every connection that the target has an end of."""
        ends = set(self.target)
        return frozenset(pair for pair in all_pairs(self.stack) if ends & {pair.source, pair.target})

    @property
    def orchestrator(self) -> Orchestrator:
        """Who keeps the target running.

        Raises:
            NotExpressible: nobody does.
        """
        found = self.stack.orchestrator if isinstance(self.stack, Orchestrated) else None
        if found is None:
            raise NotExpressible(f"{self.spec.name} needs an orchestrator", fix="--platform kind")
        return found

    @property
    def power(self) -> Machines:
        """The machines under the target.

        Raises:
            NotExpressible: they are out of reach.
        """
        found = self.stack.machines if isinstance(self.stack, Orchestrated) else None
        if found is None:
            raise NotExpressible(f"{self.spec.name} needs machines within reach", fix="--platform kind")
        return found

    @property
    def observer(self) -> Node:
        """Where the harness itself stands."""
        return next(node for node in self.stack.nodes.values() if node.role == "observer")

    def is_cut_off(self, name: str) -> bool:
        """Whether another fault now lies between that node and the harness."""
        return self.cuts.disturbs(self.stack.nodes[name], self.observer)

    def is_down(self, name: str) -> bool:
        """Whether another fault now holds that node's service: it is dead or stopped."""
        try:
            process = self.stack.services[name].process
        except NotExpressible:
            return False  # which of its processes is meant nobody knows: it has to answer
        return process.is_stopped() or not process.is_alive()


def _kill(hit: Hit) -> Mechanism:
    services, wipe = hit.services, hit.spec.wipe
    if wipe and all(isinstance(service, Supervised) for service in services.values()):
        # What a supervisor starts again at once is wiped by having it made anew.
        return _deletion(hit, claims=True)
    return Death(services, signal.SIGKILL, KILL_SECONDS, hit.ready_seconds, wipe, hit.opened_to)


def _terminate(hit: Hit) -> Mechanism:
    return Death(hit.services, signal.SIGTERM, TERMINATE_SECONDS, hit.ready_seconds, listeners=hit.opened_to)


def _cut(hit: Hit) -> Mechanism:
    spec, sides = hit.spec, (hit.target, hit.peers)
    pairs = all_pairs(hit.stack)
    return cut_between(
        hit.cuts, hit.number, hit.stack.nodes, sides, direction=spec.direction, how=spec.how, pairs=pairs
    )


def _loss(hit: Hit) -> Mechanism:
    spec, nodes, share = hit.spec, hit.stack.nodes, _given(hit.spec.share)
    # What is only an address, or has no packet filter of ours, loses nothing of its own.
    peers = tuple(name for name in hit.peers if not isinstance(nodes[name], Passive | Onlooker))
    if not peers:
        what = f"{', '.join(hit.peers)} cannot lose packets here"
        raise NotExpressible(what, why="no packet is filtered there", fix="cut it off: partition(…)")
    sides = (hit.target, peers)
    return loss_between(
        hit.cuts, hit.number, nodes, sides, direction=spec.direction, share=share, touched=hit.through
    )


def _limit(hit: Hit) -> Mechanism:
    """On its cable where that is within reach, else by the node's own packet filter."""
    to_mbit, nodes = _given(hit.spec.to_mbit), hit.nodes.values()
    if not all(map(has_cable, nodes)) and all(map(can_speak, nodes)):
        return policed_at(hit.cuts, hit.number, hit.stack.nodes, hit.target, to_mbit, hit.through)
    made = rate_of(hit.nodes, hit.observer, to_mbit, hit.through)
    made.disturbed = hit.is_cut_off
    return made


def _delay(hit: Hit) -> Mechanism:
    """By the proxies that stand there, else by netem where the kernel has it, else by proxies of its own."""
    standing = hit.stack.proxies if isinstance(hit.stack, HasProxies) else {}
    if set(hit.target) <= standing.keys():
        between = behind_proxy(hit.nodes, standing, hit.observer, _given(hit.spec.ms))
        between.disturbed = lambda name: hit.is_cut_off(name) or hit.is_down(name)
        return between
    delays = _delays(hit)
    if delays.netem:
        made = delay_of(hit.nodes, hit.observer, _given(hit.spec.ms), hit.through)
        # Where a service's answers prove it, nothing does while it is down.
        made.disturbed = lambda name: hit.is_cut_off(name) or (_is_far(hit.nodes[name]) and hit.is_down(name))
        return made
    if delays.toxiproxy is None:
        what = "not expressible here, because this kernel has no netem"
        raise NotExpressible(f"{what}, and {delays.missing}")
    return _behind_proxy(hit, delays.toxiproxy)


def _delays(hit: Hit) -> Delays:
    """By what packets can be delayed there; the kernels of other machines are asked for themselves."""
    found = hit.stack.delays if isinstance(hit.stack, HasDelays) else UNTRIED
    far = [node for node in hit.nodes.values() if _is_far(node)]
    for node in far:
        node.enter(["tc"])  # where nobody gets in, this says why
    netem = all(node.has_netem() for node in far if isinstance(node, Delayed))
    return replace(found, netem=netem) if far else found


def _is_far(node: Node) -> bool:
    """Whether the harness itself opens no socket there."""
    return not isinstance(node, Wired)


def _behind_proxy(hit: Hit, binary: Path) -> Mechanism:
    fronts = {name: Toxiproxy(node, binary, hit.stack.logs) for name, node in hit.nodes.items()}
    nodes, ms = hit.stack.nodes, _given(hit.spec.ms)
    made = proxied(hit.cuts, hit.number, nodes, fronts, hit.observer, ms, hit.opened_to)
    made.disturbed = lambda name: hit.is_cut_off(name) or hit.is_down(name)
    return made


def _on_disk(hit: Hit) -> Mechanism:
    services = hit.services
    places = {name: _disk_of(hit, name, service) for name, service in services.items()}
    read_only = hit.spec.kind == "disk_read_only"
    return DiskFault(services, places, read_only, hit.ready_seconds, hit.opened_to)


def _disk_of(hit: Hit, name: str, service: Service) -> DiskAt:
    if isinstance(service, HasDisk):
        return Mounted(str(service.disk))
    volumes = hit.stack.volumes if isinstance(hit.stack, HasVolumes) else None
    found = volumes.of(name) if volumes is not None else None
    if found is None:
        raise NotExpressible(f"{hit.spec.name} cannot be done here", why=f"{name} has no disk of its own")
    if isinstance(found, MachineDisk):
        return OnMachine(found)
    if hit.spec.kind == "disk_read_only":
        why = "a remount of its volume would outlive the pod, and an agent that died"
        raise NotExpressible(f"{hit.spec.name} cannot be done here", why=why)
    return found


def _gate(hit: Hit) -> Mechanism:
    """By the gates that stand there, else by ones that are put in front, where clients can be led to them."""
    services, nodes, spec = hit.services, hit.nodes, hit.spec
    if all(isinstance(service, HasGate) for service in services.values()):
        return gated(spec, services, nodes, hit.opened_to)
    if not all(isinstance(node, Wired) and node.ports for node in nodes.values()):
        what = f"{spec.name} cannot be done here"
        raise NotExpressible(what, why="no gate stands in front of it, and none can be put there")
    proxies = hit.stack.proxies if isinstance(hit.stack, HasProxies) else {}
    fronts = {
        name: TemporaryGate(
            node, spec.kind, hit.stack.logs, fronts=[proxies[name].port] if name in proxies else ()
        )
        for name, node in nodes.items()
    }
    told = gated(spec, fronts, nodes, hit.opened_to)
    return gate_in_front(hit.cuts, hit.number, hit.stack.nodes, fronts, told)


def _deletion(hit: Hit, *, claims: bool = False) -> Mechanism:
    made = Deletion(hit.services, hit.orchestrator, hit.ready_seconds, hit.opened_to, hit.through)
    made.grace_s, made.claims = hit.spec.grace_s or 0.0, claims
    return made


def _on_pods(made: type[OnPods]) -> Callable[[Hit], Mechanism]:
    return lambda hit: made(hit.services, hit.orchestrator, hit.ready_seconds, hit.opened_to, hit.through)


def _limit_cpu(hit: Hit) -> Mechanism:
    pods, milli = hit.orchestrator, round(_given(hit.spec.milli))
    return CpuLimit(hit.services, pods, hit.ready_seconds, hit.opened_to, hit.through, milli=milli)


def _deny(hit: Hit) -> Mechanism:
    def tried(pairs: frozenset[Pair]) -> frozenset[Pair]:
        return connecting(hit.stack, dict.fromkeys(pairs, TRY_SECONDS))

    pods, ready = hit.orchestrator, hit.ready_seconds
    return Denied(hit.services, pods, ready, hit.opened_to, hit.through, open_now=tried)


def _roll(hit: Hit) -> Mechanism:
    """Its controller replaces the target's likes as well."""
    roles = {node.role for node in hit.nodes.values()}
    likes = {name for name, node in hit.stack.nodes.items() if node.role in roles}
    touched = frozenset(pair for pair in all_pairs(hit.stack) if likes & {pair.source, pair.target})
    return Roll(hit.services, hit.orchestrator, hit.ready_seconds, hit.opened_to, touched)


def _on_machines(made: type[PowerCut], *, reboots: bool = False) -> Callable[[Hit], Mechanism]:
    def make(hit: Hit) -> Mechanism:
        machines = tuple(sorted({hit.orchestrator.pod(name).machine for name in hit.target}))
        services, ready = hit.services, hit.ready_seconds
        return made(machines, hit.power, services, ready, hit.through, reboots=reboots)

    return make


def _given(number: float | None) -> float:
    assert number is not None, "a spec is not made without it"
    return number


MAKERS: Mapping[Kind, Callable[[Hit], Mechanism]] = {
    "kill": _kill,
    "terminate": _terminate,
    "pause": lambda hit: Pause(hit.services, hit.ready_seconds, hit.opened_to),
    "partition": _cut,
    "bandwidth": _limit,
    "loss": _loss,
    "latency": _delay,
    "disk_full": _on_disk,
    "disk_read_only": _on_disk,
    "starve": lambda hit: Starvation(hit.services, _given(hit.spec.share), hit.ready_seconds, hit.opened_to),
    "s3_refuse": _gate,
    "s3_slow": _gate,
    "s3_truncate": _gate,
    "s3_hang": _gate,
    "pod_delete": _deletion,
    "drain": _on_pods(Drain),
    "rolling_update": _roll,
    "image_missing": _on_pods(MissingImage),
    "unlisted": _on_pods(Unlisting),
    "network_policy": _deny,
    "out_of_memory": _on_pods(OutOfMemory),
    "cpu_limit": _limit_cpu,
    "reconciliation_paused": lambda hit: Unattended(hit.services, hit.orchestrator),
    "machine_stop": _on_machines(PowerCut),
    "machine_pause": _on_machines(MachinePause),
    "machine_reboot": _on_machines(PowerCut, reboots=True),
}
