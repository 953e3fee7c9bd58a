"""Constructors of the faults that only an orchestrator, or the machines under it, can make: on Kubernetes.

Elsewhere they are not expressible, and the scenario is reported as not executed.
"""

from __future__ import annotations

from harness.faults.places import Beside
from harness.faults.selectors import Selector
from harness.faults.spec import FaultSpec


def delete_pod(target: Selector, *, grace_s: float = 0) -> FaultSpec:
    """Delete the target's pod, with *grace_s* seconds to end by itself; its controller makes another one."""
    return FaultSpec("pod_delete", target, grace_s=grace_s)


def drain(target: Selector) -> FaultSpec:
    """Cordon the target's machine and evict the stack's pods from it, as far as disruption budgets allow."""
    return FaultSpec("drain", Beside(target))


def rolling_update(target: Selector) -> FaultSpec:
    """Have the target's controller replace all its pods, one after the other."""
    return FaultSpec("rolling_update", target)


def lose_image(target: Selector) -> FaultSpec:
    """Have the target's pod made anew from an image that cannot be had."""
    return FaultSpec("image_missing", target)


def unlist(target: Selector) -> FaultSpec:
    """Take every endpoint away from the Services that lead to the target."""
    return FaultSpec("unlisted", target)


def deny(target: Selector) -> FaultSpec:
    """Have a NetworkPolicy forbid the target's pod every connection, where the network enforces policies."""
    return FaultSpec("network_policy", target)


def out_of_memory(target: Selector) -> FaultSpec:
    """Fill the target's memory up to its limit, until the kernel kills it."""
    return FaultSpec("out_of_memory", target)


def limit_cpu(target: Selector, *, milli: int) -> FaultSpec:
    """Have the orchestrator leave each container of the target's pod *milli* thousandths of a processor."""
    return FaultSpec("cpu_limit", target, milli=milli)


def pause_reconciliation(target: Selector) -> FaultSpec:
    """Have the target's operator leave the resource that the target belongs to alone: nothing is rolled."""
    return FaultSpec("reconciliation_paused", target)


def stop_machine(target: Selector) -> FaultSpec:
    """Take the power from the target's machine, and from every pod of the stack on it."""
    return FaultSpec("machine_stop", Beside(target))


def pause_machine(target: Selector) -> FaultSpec:
    """Freeze the target's machine, and every pod of the stack on it."""
    return FaultSpec("machine_pause", Beside(target))


def reboot_machine(target: Selector) -> FaultSpec:
    """Take the power from the target's machine and give it back at once."""
    return FaultSpec("machine_reboot", Beside(target))


def split_machines(one: Selector, other: Selector) -> FaultSpec:
    """Cut every pod of the stack on one target's machine off from every one on the other's."""
    return FaultSpec("partition", Beside(one), Beside(other))
