"""From a spec to a prepared mechanism: who is hit, by what, and what the journal says of it.

Preparing reads roles and touches nothing, so an injection and a rehearsal of the
same instant prepare the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.errors import StackError
from harness.faults.journal import Fault
from harness.faults.kinds import ON_CABLE, ON_OPERATORS, TAKES_MACHINE, WITH_PEERS
from harness.faults.leases import Cuts
from harness.faults.makers import MAKERS, Hit
from harness.faults.mechanism import Mechanism
from harness.faults.places import Beside
from harness.faults.selectors import Resolution, resolve
from harness.faults.spec import FaultSpec, resolve_peers
from harness.stack.kubernetes.orchestrated import Orchestrated
from harness.stack.seams import Stack, Strike

READY_SECONDS = 120.0
OPERATED_SECONDS = 420.0
"""Where an operator makes pods anew: one that was killed may see a missing pod only at its next resync, which
Strimzi's StrimziPodSetController makes every five minutes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A fault that is ready to be injected."""

    target: Resolution
    mechanism: Mechanism
    facts: Fault
    strike: Strike


def prepare(
    spec: FaultSpec,
    number: int,
    stack: Stack,
    cuts: Cuts,
    *,
    topic: str = "",
    ready_seconds: float = READY_SECONDS,
) -> Prepared:
    """Resolve *spec* against the roles of this instant and make its mechanism ready.

    Raises:
        BadInput: the target does not exist or cannot be hit like this.
        FaultError: the target is dead, or paused already.
        StackError: the cluster does not answer.
    """
    target = resolve(spec.target, stack.roles, stack)
    traits = spec.traits | _controls(stack, target)
    peers: tuple[str, ...] = ()
    if spec.kind in WITH_PEERS:
        peers = resolve_peers(spec, target, stack.roles, stack)
        between = "cut off from" if spec.kind == "partition" else "between it and"
        target = Resolution(target.nodes, f"{target.why}; {between} {', '.join(peers)}")
        traits["peers"] = ",".join(peers)
    traits["touches"] = _touches(spec, stack, target.nodes, peers)
    hit = Hit(spec, number, stack, cuts, target.nodes, peers, ready_seconds)
    mechanism = MAKERS[spec.kind](hit)
    facts = _facts(spec, number, stack, target, mechanism.undo, traits, topic)
    return Prepared(target, mechanism, facts, _strike(spec, spec.name, target.nodes, peers))


def strike_of(spec: FaultSpec, stack: Stack) -> Strike:
    """What *spec* would hit now, whether or not it can be made here.

    Raises:
        BadInput: the target does not exist, or has no such peers.
        StackError: the cluster does not answer.
    """
    name = spec.name
    if not (isinstance(stack, Orchestrated) and stack.orchestrator):
        spec = _alone(spec)
    target = resolve(spec.target, stack.roles, stack)
    between = spec.kind in WITH_PEERS
    peers = resolve_peers(spec, target, stack.roles, stack) if between else ()
    return _strike(spec, name, target.nodes, peers)


def _alone(spec: FaultSpec) -> FaultSpec:
    """The same fault on the pod itself, where nobody knows yet what else runs on its machine."""
    target = spec.target.other if isinstance(spec.target, Beside) else spec.target
    peers = spec.peers.other if isinstance(spec.peers, Beside) else spec.peers
    return replace(spec, target=target, peers=peers)


def _strike(spec: FaultSpec, name: str, nodes: tuple[str, ...], peers: tuple[str, ...]) -> Strike:
    return Strike(spec.kind, name, nodes, peers, machine=spec.kind in TAKES_MACHINE, wipes=spec.wipe)


def _controls(stack: Stack, target: Resolution) -> dict[str, str]:
    """Whether the target holds the active controller: its loss costs an election more."""
    try:
        return {"controller": "yes" if stack.roles.controller() in target.nodes else "no"}
    except StackError:
        return {"controller": "unknown"}


def _touches(spec: FaultSpec, stack: Stack, target: tuple[str, ...], peers: tuple[str, ...]) -> str:
    """Whether producers may notice: the fault is on a broker, or on a way between them and a broker."""
    if spec.kind in ON_OPERATORS:
        return "others"
    serving = {name for name, node in stack.nodes.items() if node.role in {"broker", "load"}}
    brokers = set(stack.roles.brokers())
    here, there = set(target) & serving, set(peers) & serving
    if spec.kind in WITH_PEERS:
        crossed = bool(here and there and (here | there) & brokers)
    elif spec.kind in ON_CABLE:
        crossed = bool(here)
    else:
        crossed = bool(here & brokers)
    return "brokers" if crossed else "others"


def _facts(
    spec: FaultSpec,
    number: int,
    stack: Stack,
    target: Resolution,
    undo: tuple[dict[str, str], ...],
    traits: dict[str, str],
    topic: str,
) -> Fault:
    brokers = set(stack.roles.brokers()) & set(target.nodes) if topic else ()
    led = {partition for name in brokers for partition in stack.roles.led_by(topic, name)}
    return Fault(
        fault=number,
        name=spec.name,
        kind=spec.kind,
        target=", ".join(target.nodes),
        nodes=target.nodes,
        why_this_target=target.why,
        partitions=tuple(sorted(led)),
        undo=undo,
        traits=traits,
    )
