"""How a limited rate is proven by traffic: what both mechanisms that limit one judge with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

from harness.faults.mechanism import Seen
from harness.faults.traffic import Way
from harness.stack.seams import Node
from harness.waiting import NotYet

T = TypeVar("T")

Carried: TypeAlias = Sequence[tuple[float, float]]
"""How many bytes a second of our own were sent, and came: out of a node, and into it."""

FLOW_SECONDS = 1.0
BACK_AT_MOST_SECONDS = 10.0
_BITS, _MEGA = 8, 1_000_000
_OFFERED = 2.0
"""How much of the asked rate is sent: clearly more than may pass, and no flood."""

_SLOWEST, _FASTEST = 0.5, 1.3
"""The share of the asked rate that must pass at least, and may pass at most."""

_FREE_FACTOR = 1.5


def offered(to_mbit: float) -> float:
    """How many bytes a second are sent to try a rate."""
    return _OFFERED * to_mbit * _MEGA / _BITS


def mbit(bytes_per_second: float) -> float:
    """The same in megabits."""
    return bytes_per_second * _BITS / _MEGA


def both_ways(one: Node, other: Node, measure: Callable[..., T]) -> tuple[T, T]:
    """What *measure* finds from *one* to *other* and back, both at the same time."""
    with ThreadPoolExecutor(2, thread_name_prefix="flow") as pool:
        there = pool.submit(measure, Way(one, other), seconds=FLOW_SECONDS)
        back = pool.submit(measure, Way(other, one), seconds=FLOW_SECONDS)
        return there.result(), back.result()


def judged(name: str, to_mbit: float, carried: Carried, passed: Sequence[float]) -> Seen:
    """Whether *name* is limited to *to_mbit*: not faster than asked, and not much slower either.

    *passed* is what the kernel let pass of all traffic, in bytes a second: out, and in.
    """
    sent, own = ([mbit(each[which]) for each in carried] for which in (0, 1))
    if min(sent) <= _FASTEST * to_mbit:
        words = f"only {min(sent):.1f} Mbit/s could be sent through {name}: it was not tried"
        return Seen(ok=False, words=words)
    out, into = map(mbit, passed)
    # Others' traffic shares the rate: the kernel's count holds all of it, our own may be less.
    ok = all(_SLOWEST <= each / to_mbit <= _FASTEST for each in (out, into))
    ok = ok and all(0 < each / to_mbit <= _FASTEST for each in own)
    told = f"{name} sends {out:.1f} and gets {into:.1f} Mbit/s at full load"
    return Seen(ok=ok, words=f"{told} (ours of it {own[0]:.1f} and {own[1]:.1f})")


def free_again(name: str, to_mbit: float, came: Sequence[float]) -> str:
    """The words for a node that is limited no more, of which *came* bytes a second came: out, and in.

    Raises:
        NotYet: it is not much faster than it was asked to be.
    """
    carried = mbit(min(came))
    if carried <= _FREE_FACTOR * to_mbit:
        raise NotYet(f"{carried:.1f} Mbit/s")
    return f"{name} sends and gets {carried:.0f} Mbit/s again"
