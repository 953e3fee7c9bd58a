"""One fault of each kind, and the platforms that cannot make it: what their contract tests go by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from harness.faults.cluster import (
    delete_pod,
    deny,
    drain,
    limit_cpu,
    lose_image,
    out_of_memory,
    pause_machine,
    pause_reconciliation,
    reboot_machine,
    rolling_update,
    stop_machine,
    unlist,
)
from harness.faults.degrade import (
    bandwidth,
    disk_full,
    disk_read_only,
    latency,
    loss,
    s3_cuts_bodies,
    s3_hangs,
    s3_refuses,
    s3_slow,
    starve,
)
from harness.faults.kinds import ON_MACHINES, ON_OBJECT_STORE, ON_OPERATORS, ON_PODS, Kind
from harness.faults.selectors import all_brokers, broker, leader_of
from harness.faults.spec import FaultSpec, isolate, kill, pause, terminate

KINDS: tuple[Kind, ...] = get_args(Kind)
LEADER = leader_of("orders", 0)
EACH: Mapping[Kind, FaultSpec] = {
    spec.kind: spec
    for spec in (
        kill(LEADER),
        terminate(broker(2)),
        pause(broker(3)),
        isolate(broker(2)),
        bandwidth(broker(1), to_mbit=5),
        loss(broker(2), share=0.3),
        latency(broker(1), ms=100),
        disk_full(broker(3)),
        disk_read_only(broker(1)),
        starve(broker(2), share=0.3),
        s3_refuses(),
        s3_slow(),
        s3_cuts_bodies(),
        s3_hangs(),
        delete_pod(LEADER),
        drain(LEADER),
        rolling_update(all_brokers()),
        lose_image(broker(2)),
        unlist(broker(1)),
        deny(broker(3)),
        out_of_memory(broker(3)),
        limit_cpu(broker(2), milli=200),
        pause_reconciliation(broker(1)),
        stop_machine(LEADER),
        pause_machine(broker(2)),
        reboot_machine(broker(1)),
    )
}

_NO_ORCHESTRATOR = dict.fromkeys(ON_PODS | ON_OPERATORS | ON_MACHINES, "nobody orchestrates there")
_NO_DISK: dict[Kind, str] = {
    "disk_full": "a claim may be a folder of its node; where it is a file system of its own yes",
    "disk_read_only": "a remount of a volume would outlive the pod, and an agent that died",
}
_NO_OPERATOR = dict.fromkeys(
    ON_OPERATORS, "no operator keeps the pods of its own stacks; with `--stack edge-kafka-strimzi` yes"
)
_NO_GATE = dict.fromkeys(ON_OBJECT_STORE, "no gate stands in front of its object store")
LACKS: Mapping[str, Mapping[Kind, str]] = {
    "local": _NO_ORCHESTRATOR,
    "docker": _NO_ORCHESTRATOR,
    "kind": _NO_OPERATOR,
    "context:NAME": _NO_DISK
    | _NO_GATE
    | _NO_OPERATOR
    | dict.fromkeys(ON_MACHINES, "its machines are out of reach")
    | {
        "drain": "no Role of a namespace closes a machine",
    },
}
"""By platform, the kinds that are not expressible there, and why."""


def expressible(platform: str) -> dict[Kind, FaultSpec]:
    """One fault of each kind that *platform* can make."""
    return {kind: spec for kind, spec in EACH.items() if kind not in LACKS[platform]}
