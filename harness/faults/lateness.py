"""How late answers are: what both mechanisms that delay answers by a proxy judge with.

The quickest answer decides whether there is a delay, for a busy machine makes no answer earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from harness.errors import FaultError
from harness.faults.traffic import delay_bounds
from harness.waiting import NotYet

ANSWERS = 5
"""How many answers are asked for at a time."""

PATIENCE_SECONDS = 5.0
PROMPT_SECONDS = 10.0
"""How long who was delayed may take until it is prompt again."""

Ask: TypeAlias = Callable[[], Sequence[float]]
"""How long answers take now, in milliseconds, ascending; raises OSError when there is none."""


def middle(ascending: Sequence[float]) -> float:
    """The one in the middle."""
    return ascending[len(ascending) // 2]


def as_ever(otherwise: str, ask: Ask) -> list[float]:
    """How long answers take while nothing delays them.

    Raises:
        FaultError: there is no answer; says *otherwise*.
    """
    try:
        return list(ask())
    except OSError as error:
        raise FaultError(otherwise, why=str(error), fix="heal the other fault first") from error


def are_late(before: Sequence[float], now: Sequence[float], ms: float) -> bool:
    """Whether the quickest answer is late enough for a delay of *ms*, and the middle one not too late."""
    least, most = delay_bounds(ms)
    return now[0] - before[0] >= least and middle(now) - middle(before) <= most


def prompt_again(ask: Ask, quickest_before: float, ms: float) -> float:
    """How long the quickest answer takes, once none could be as quick with a delay of *ms* in force.

    Raises:
        NotYet: it is as late as with it, or there is no answer.
    """
    try:
        now = ask()[0]
    except OSError as error:
        raise NotYet(f"it does not answer: {error}") from error
    if now >= quickest_before + ms / 2:
        raise NotYet(f"it answers after {now:.1f} ms")
    return now
