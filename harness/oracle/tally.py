"""What a second count comes to: how many, and the smallest of them, for each record checker.

A place is named as witnesses name it: "producer/partition/sequence" for a record,
"partition@offset" for what cannot say which record it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.ledger.evidence import Evidence

MOST_RECORDS = 10_000_000
"""The largest ledger that is counted again: every record is a row, and SQL keeps them all."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many violations there are, and at most 32 of them, by partition, producer and sequence.

    Those of a history are not ``ordered``: who numbers its logs otherwise has others first.
    """

    count: int
    smallest: tuple[str, ...] = ()
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Recount:
    """The tallies by the name of the checker that counts the same.

    ``parts`` splits them where a checker counts two things: late and moved, strangers and refused.
    """

    records: int
    tallies: dict[str, Tally]
    parts: dict[str, Tally]


SecondCount = Callable[[Evidence], Recount]
