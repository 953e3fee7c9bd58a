"""From a spec to a prepared mechanism: who is hit, by what, and what the journal says of it.

Preparing reads roles and touches nothing, so an injection and a rehearsal of the
same instant prepare the same thing.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import BadInput, StackError
from harness.faults.cut import Cut, cut_between
from harness.faults.journal import Fault
from harness.faults.mechanism import Mechanism
from harness.faults.nft import Cuts
from harness.faults.reach import Pair, all_pairs
from harness.faults.selectors import Resolution, resolve
from harness.faults.signals import KILL_SECONDS, TERMINATE_SECONDS, Death, Pause
from harness.faults.spec import FaultSpec, resolve_peers
from harness.stack.seams import Service, Stack

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A fault that is ready to be injected."""

    target: Resolution
    mechanism: Mechanism
    facts: Fault


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
    mechanism: Mechanism
    if spec.kind == "partition":
        peers = resolve_peers(spec, target, stack.roles, stack)
        target = Resolution(target.nodes, f"{target.why}; cut off from {', '.join(peers)}")
        traits["peers"] = ",".join(peers)
        mechanism = _cut(spec, number, stack, cuts, (target.nodes, peers))
    else:
        mechanism = _on_processes(spec, stack, target, ready_seconds)
    return Prepared(target, mechanism, _facts(spec, number, stack, target, mechanism.undo, traits, topic))


def _controls(stack: Stack, target: Resolution) -> dict[str, str]:
    """Whether the target holds the active controller: its loss costs an election more."""
    try:
        return {"controller": "yes" if stack.roles.controller() in target.nodes else "no"}
    except StackError:
        return {"controller": "unknown"}


def _cut(
    spec: FaultSpec, number: int, stack: Stack, cuts: Cuts, sides: tuple[tuple[str, ...], tuple[str, ...]]
) -> Cut:
    pairs = all_pairs(stack)
    return cut_between(cuts, number, stack.nodes, sides, direction=spec.direction, how=spec.how, pairs=pairs)


def _on_processes(spec: FaultSpec, stack: Stack, target: Resolution, ready_seconds: float) -> Mechanism:
    services = {name: _service(spec, name, stack) for name in target.nodes}
    listeners = _opened_to(services, all_pairs(stack))
    if spec.kind == "pause":
        return Pause(services, ready_seconds, listeners)
    hard = spec.kind == "kill"
    return Death(
        services,
        signal.SIGKILL if hard else signal.SIGTERM,
        KILL_SECONDS if hard else TERMINATE_SECONDS,
        ready_seconds,
        wipe=spec.wipe,
        listeners=listeners,
    )


def _service(spec: FaultSpec, name: str, stack: Stack) -> Service:
    if name not in stack.services:
        running = ", ".join(stack.services)
        raise BadInput(f"{name} runs nothing that a {spec.kind} could hit", fix=f"choose among {running}")
    return stack.services[name]


def _opened_to(services: Mapping[str, Service], pairs: frozenset[Pair]) -> frozenset[Pair]:
    return frozenset(pair for pair in pairs if pair.target in services)


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
