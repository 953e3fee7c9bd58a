"""The kinds of faults, and the parameters that each takes, with their ranges.

The ranges are those within which the effect can be proven in about a second: a
rate so high that nothing here reaches it, or a loss so rare that no probe
meets it, would be a fault without evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.errors import BadInput, unknown_name

Kind: TypeAlias = Literal[
    "kill",
    "terminate",
    "pause",
    "partition",
    "bandwidth",
    "loss",
    "latency",
    "disk_full",
    "disk_read_only",
    "starve",
    "s3_refuse",
    "s3_slow",
    "s3_truncate",
    "s3_hang",
    "pod_delete",
    "drain",
    "rolling_update",
    "image_missing",
    "unlisted",
    "network_policy",
    "out_of_memory",
    "cpu_limit",
    "reconciliation_paused",
    "machine_stop",
    "machine_pause",
    "machine_reboot",
]
Parameter: TypeAlias = Literal["share", "to_mbit", "ms", "status", "bytes_per_s", "grace_s", "milli"]

WITH_PEERS: frozenset[Kind] = frozenset({"partition", "loss"})
"""Kinds that lie between a target and its peers."""

ON_CABLE: frozenset[Kind] = frozenset({"bandwidth", "latency"})
"""Kinds that shape all that goes through a target's cable."""

ON_OBJECT_STORE: frozenset[Kind] = frozenset({"s3_refuse", "s3_slow", "s3_truncate", "s3_hang"})
"""Kinds that the gate of the object store makes."""


ON_PODS: frozenset[Kind] = frozenset(
    {
        *("pod_delete", "drain", "rolling_update", "image_missing", "unlisted"),
        *("network_policy", "out_of_memory", "cpu_limit"),
    }
)
"""Kinds that the orchestrator makes."""

ON_OPERATORS: frozenset[Kind] = frozenset({"reconciliation_paused"})
"""Kinds that an operator makes of its own work: no node is hit by them."""

ON_MACHINES: frozenset[Kind] = frozenset({"machine_stop", "machine_pause", "machine_reboot"})
"""Kinds that hit every pod on a machine together."""

TAKES_MACHINE: frozenset[Kind] = ON_MACHINES | {"drain"}
"""Kinds that others on the same machine notice, too."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a parameter may be, both ends included; ``needed``: there is no default."""

    low: float
    high: float
    needed: bool = True

    def check(self, kind: Kind, name: str, value: float | None) -> None:
        """Return when *value* fits.

        Raises:
            BadInput: it is missing, not a number, or outside.
        """
        if value is None:
            if self.needed:
                raise BadInput(f"a {kind} needs {name}", fix=f"give a number {self}")
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not self._holds(value):
            raise BadInput(f"a {kind} got {name}={value!r}", fix=f"give a number {self}")

    def __str__(self) -> str:
        return f"from {self.low:g} to {self.high:g}"

    def _holds(self, value: float) -> bool:
        return math.isfinite(value) and self.low <= value <= self.high


PARAMETERS: Mapping[Kind, Mapping[str, Range]] = {
    "bandwidth": {"to_mbit": Range(0.5, 100)},
    "loss": {"share": Range(0.01, 0.9)},
    "latency": {"ms": Range(2, 500)},
    "starve": {"share": Range(0.05, 0.8)},
    "s3_refuse": {"status": Range(400, 599), "share": Range(0.05, 1)},
    "s3_slow": {"ms": Range(100, 5_000), "bytes_per_s": Range(100, 1e9, needed=False)},
    "s3_truncate": {"share": Range(0.05, 1)},
    "pod_delete": {"grace_s": Range(0, 300)},
    "cpu_limit": {"milli": Range(20, 900)},
}
"""A kind that is not here takes none."""


def check_parameters(kind: Kind, given: Mapping[str, float | None]) -> None:
    """Return when *given* is what *kind* takes.

    Raises:
        BadInput: one is missing, out of range, or not for this kind.
    """
    taken = PARAMETERS.get(kind, {})
    for name, value in given.items():
        if name in taken:
            taken[name].check(kind, name, value)
        elif value is not None:
            raise unknown_name(f"parameter of a {kind}", name, taken)
