"""A rate at a node's own end, as nft text: what comes in, or goes out, beyond it is dropped.

The set of a rate holds the peers whose packets share it, each for one lease (see ``harness.faults.leases``):
what comes from all of them together is limited, and what goes to them; nothing waits. Of what was not used
of the rate a second's worth is kept, for nft has no smaller bucket: after a pause so much passes at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

RATE = "rate_"
BURST = 16_384
"""Bytes that are kept on top of a second's: with them the slowest rate has room for TCP's largest packet."""

_BYTES_PER_KBIT = 125
# The first counter is of what met the rate, the second of what was beyond it. A loss takes its own before.
_CHAINS = """\
add chain inet harness {name}_input {{ type filter hook input priority -297; policy accept; }}
add chain inet harness {name}_output {{ type filter hook output priority -297; policy accept; }}
flush chain inet harness {name}_input
flush chain inet harness {name}_output
add rule inet harness {name}_input iifname "lo" accept
add rule inet harness {name}_input ip saddr @{name} {policed}
add rule inet harness {name}_output oifname "lo" accept
add rule inet harness {name}_output ip daddr @{name} {policed}
"""


@dataclass(frozen=True, slots=True)
class Flow:
    """Bytes that met a rate in one direction, and those of them that were beyond it and dropped."""

    met: int = 0
    dropped: int = 0

    @property
    def passed(self) -> int:
        """Those that were within it."""
        return self.met - self.dropped


def rate(to_mbit: float) -> str:
    """The name of the set of those who share *to_mbit* megabits per second."""
    return f"{RATE}{round(to_mbit * 1_000)}"


def bytes_per_second(name: str) -> int:
    """What passes in a second for the set *name*."""
    return int(name.removeprefix(RATE)) * _BYTES_PER_KBIT


def kept(name: str) -> int:
    """How much of what was not used before may pass at once, in bytes."""
    return bytes_per_second(name) + BURST


def ends_of(name: str) -> tuple[str, str]:
    """The names of the two chains of the set *name*: of what goes out, and of what comes in."""
    return f"{name}_output", f"{name}_input"


def chains(name: str) -> str:
    """Its two chains with their rules; may be sent again at any time."""
    limit = f"limit rate over {bytes_per_second(name)} bytes/second burst {BURST} bytes"
    return _CHAINS.format(name=name, policed=f"counter {limit} counter drop")


def flow_of(rule: Mapping[str, object]) -> dict[str, Flow]:
    """By chain, what a rule of these counted, as ``nft -j`` tells it; empty for all other rules."""
    chain = str(rule.get("chain", ""))
    counts = list(_counts(rule.get("expr"))) if chain.startswith(RATE) else []
    return {chain: Flow(*counts)} if counts else {}


def _counts(expressions: object) -> Iterator[int]:
    for part in expressions if isinstance(expressions, list) else ():
        if "counter" in part:
            yield int(part["counter"]["bytes"])
