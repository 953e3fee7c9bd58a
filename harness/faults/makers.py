"""Which mechanism makes which kind of fault, on nodes that are already chosen."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput, NotExpressible
from harness.faults.cut import cut_between
from harness.faults.gate import gated
from harness.faults.kinds import Kind
from harness.faults.loss import loss_between
from harness.faults.mechanism import Mechanism
from harness.faults.nft import Cuts
from harness.faults.proxied import proxied
from harness.faults.reach import Pair, all_pairs
from harness.faults.signals import KILL_SECONDS, TERMINATE_SECONDS, Death, Pause
from harness.faults.spec import FaultSpec
from harness.faults.starve import Starvation
from harness.faults.storage import DiskFault
from harness.faults.throttle import delay_of, rate_of
from harness.stack.delays import UNTRIED
from harness.stack.seams import HasDelays, HasDisk, Node, Service, Stack
from harness.stack.toxiproxy import Toxiproxy


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
    def observer(self) -> Node:
        """Where the harness itself stands."""
        return next(node for node in self.stack.nodes.values() if node.role == "observer")

    def is_cut_off(self, name: str) -> bool:
        """Whether another fault now lies between that node and the harness."""
        return self.cuts.disturbs(self.stack.nodes[name], self.observer)

    def is_down(self, name: str) -> bool:
        """Whether another fault now holds that node's service: it is dead or stopped."""
        process = self.stack.services[name].process
        return process.is_stopped() or not process.is_alive()


def _kill(hit: Hit) -> Mechanism:
    services, wipe = hit.services, hit.spec.wipe
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
    spec, sides = hit.spec, (hit.target, hit.peers)
    nodes, share = hit.stack.nodes, _given(spec.share)
    return loss_between(
        hit.cuts, hit.number, nodes, sides, direction=spec.direction, share=share, touched=hit.through
    )


def _limit(hit: Hit) -> Mechanism:
    made = rate_of(hit.nodes, hit.observer, _given(hit.spec.to_mbit), hit.through)
    made.disturbed = hit.is_cut_off
    return made


def _delay(hit: Hit) -> Mechanism:
    """By netem where the kernel has it, else by a proxy in front of each target."""
    delays = hit.stack.delays if isinstance(hit.stack, HasDelays) else UNTRIED
    if delays.netem:
        made = delay_of(hit.nodes, hit.observer, _given(hit.spec.ms), hit.through)
        made.disturbed = hit.is_cut_off
        return made
    if delays.toxiproxy is None:
        what = "not expressible here, because this kernel has no netem"
        raise NotExpressible(f"{what}, and {delays.missing}")
    return _behind_proxy(hit, delays.toxiproxy)


def _behind_proxy(hit: Hit, binary: Path) -> Mechanism:
    fronts = {name: Toxiproxy(node, binary, hit.stack.logs) for name, node in hit.nodes.items()}
    nodes, ms = hit.stack.nodes, _given(hit.spec.ms)
    made = proxied(hit.cuts, hit.number, nodes, fronts, hit.observer, ms, hit.opened_to)
    made.disturbed = lambda name: hit.is_cut_off(name) or hit.is_down(name)
    return made


def _on_disk(hit: Hit) -> Mechanism:
    services, places = hit.services, {}
    for name, service in services.items():
        if not isinstance(service, HasDisk):
            raise NotExpressible(f"{hit.spec.name} cannot be done here", why=f"{name} has no disk of its own")
        places[name] = service.disk
    read_only = hit.spec.kind == "disk_read_only"
    return DiskFault(services, places, read_only, hit.ready_seconds, hit.opened_to)


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
    "s3_refuse": lambda hit: gated(hit.spec, hit.services, hit.nodes, hit.opened_to),
    "s3_slow": lambda hit: gated(hit.spec, hit.services, hit.nodes, hit.opened_to),
    "s3_truncate": lambda hit: gated(hit.spec, hit.services, hit.nodes, hit.opened_to),
    "s3_hang": lambda hit: gated(hit.spec, hit.services, hit.nodes, hit.opened_to),
}
