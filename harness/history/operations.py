"""Operations of a history, one value a kind: what clients tried, and what they were told.

A *history* is what a checker needs to judge any run of any tool, a hand-written one included. It is
a list of operations, stored one a line as JSON (``harness.history.lines``; the format is public and
documented in docs/reference/history.md). The ledger of a run of this harness is a history as well,
only packed: ``harness.anomalies.unfolded`` unfolds it.

Every client is single-threaded. A client that crashed comes back under a new number: per-producer
order and idempotence end there, and so does what a reader remembers. Instants are nanoseconds of
one monotonic clock; instants of several hosts differ by at most ``History.skew_ns``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from harness.model import Frozen

VERSION: Literal[1] = 1

End = Literal["ok", "fail", "unknown"]
"""How an operation ended: it took effect, it certainly did not, either."""

Natural = Annotated[int, Field(ge=0, lt=2**62)]
Offset = Annotated[int, Field(ge=0, lt=2**42)]
"""With a log's number it makes one 64-bit integer (``harness.anomalies.facts.at``)."""
Small = Annotated[int, Field(ge=0, lt=2**31)]
Value = Annotated[int, Field(gt=-(2**31), lt=2**31)]
"""No sum of fewer than 2**32 of them, more than any machine holds, leaves 64 bits."""
Name = Annotated[str, Field(min_length=1)]
"""Elsewhere the empty one means that there is none."""
Instants = tuple[Natural, Natural | None]
"""When it was invoked and when its outcome was known; None: never."""


def _whole(told: object) -> object:
    """*told*, if it is an integer: True and 1.0 equal 1, and a ``Literal`` takes them."""
    if type(told) is not int:
        raise PydanticCustomError("version", "Input should be an integer")
    return told


Version = Annotated[Literal[1], BeforeValidator(_whole)]


class History(Frozen):
    """The first line: under which settings the operations were made. They decide what is excused.

    ``acks``, ``idempotent``: of the producers. ``unclean_election``: whether the cluster permits one.
    ``cleanup``: what the topics drop by themselves. ``at_least_once``: whether whoever writes may say a
    record again (a sink without transactions). ``conserved``: the values of all committed records of a
    topic sum to zero. ``transaction_version`` below 2 has the flaw of KIP-890, which excuses nothing
    and is said beside a torn transaction. ``fresh_ns``: how old what a reader was not handed yet may
    be; None: lag is not judged.
    """

    op: Literal["history"] = "history"
    version: Version = VERSION
    acks: Literal["all", "1", "0"] = "all"
    idempotent: bool = True
    unclean_election: bool = False
    cleanup: Literal["keep", "delete", "compact"] = "keep"
    at_least_once: bool = False
    conserved: bool = False
    transaction_version: Small = 2
    skew_ns: Natural = 0
    fresh_ns: Natural | None = None


class Reader(Frozen):
    """How one reader reads; one that no line tells of is committed, assigned and of no group."""

    op: Literal["reader"] = "reader"
    reader: Small
    isolation: Literal["committed", "uncommitted"] = "committed"
    mode: Literal["assign", "subscribe"] = "assign"
    group: str = ""


class Send(Frozen):
    """One attempt at one record. The same record attempted again is a second line.

    ``producer`` is one session of one producer; (producer, topic, partition, sequence) names the
    record. ``offset`` is what the broker answered, where the outcome is ok. ``epoch`` is the leader's,
    where the client tells. ``transaction`` names the one it belongs to. ``key`` and ``value`` are for
    compacted topics and conservation; ``value`` None is a tombstone.
    """

    op: Literal["send"] = "send"
    producer: Small
    topic: str = ""
    partition: Small
    sequence: Natural
    t: Instants
    outcome: End
    offset: Offset | None = None
    epoch: Small | None = None
    transaction: str = ""
    key: Small | None = None
    value: Value | None = 0


class Delivered(Frozen):
    """One record as a poll returned it.

    ``sent_to`` is the topic and partition that its payload names, where that is not where it lay.
    ``whole`` is whether its checksum was right; one that is not names no record for certain.
    """

    offset: Offset
    producer: Small
    sequence: Natural
    epoch: Small | None = None
    sent_to: tuple[str, Small] | None = None
    whole: bool = True


class Poll(Frozen):
    """One reader's position moved over a partition, and what it was handed on the way.

    ``position`` is where it stood before and where after; offsets between them without a record were
    markers, aborted, or compacted, or are missing: that is for the checkers to say. A poll that was
    handed several partitions is several lines with the same ``t``. ``transaction`` is the one that
    the reader polled for, if it polled for one.
    """

    op: Literal["poll"] = "poll"
    reader: Small
    topic: str = ""
    partition: Small
    t: tuple[Natural, Natural]
    position: tuple[Offset, Offset]
    records: tuple[Delivered, ...] = ()
    transaction: str = ""


class Move(Frozen):
    """A reader's position was set, not read up to: what follows need not join on to what was before.

    ``why``: ``assign``, ``seek``, ``reset`` (out of range), ``rebalance``, ``crash``.
    """

    op: Literal["move"] = "move"
    reader: Small
    topic: str = ""
    partition: Small
    t: Natural
    why: Literal["assign", "seek", "reset", "rebalance", "crash"]


class Consumed(Frozen):
    """The input offsets [first, until) of a group that a transaction committed together with its records."""

    group: Name
    topic: str = ""
    partition: Small
    first: Offset
    until: Offset


class Transaction(Frozen):
    """The end of a transaction. One without such a line is still open.

    ``writer`` is its transactional id and ``incarnation`` counts who initialised that id. ``records``
    is how many it holds, where the writer says so.
    """

    op: Literal["transaction"] = "transaction"
    transaction: Name
    writer: str = ""
    incarnation: Small = 0
    t: Instants
    end: Literal["commit", "abort"]
    outcome: End
    records: Natural | None = None
    consumed: tuple[Consumed, ...] = ()


class Commit(Frozen):
    """A group's member committed ``offset``: the next one that the group has not handled yet.

    A member that hands on to a sink says in ``durable`` up to where the sink durably holds the input.
    """

    op: Literal["commit"] = "commit"
    group: Name
    reader: Small
    topic: str = ""
    partition: Small
    t: Instants
    offset: Offset
    outcome: End
    durable: Offset | None = None


class Fence(Frozen):
    """The end of a partition after all producers had stopped and all transactions had ended.

    ``first`` is the log's start, ``end`` its end offset, ``stable`` the last stable offset at that time.
    """

    op: Literal["fence"] = "fence"
    topic: str = ""
    partition: Small
    first: Offset = 0
    end: Offset
    stable: Offset


Operation = Annotated[
    History | Reader | Send | Poll | Move | Transaction | Commit | Fence, Field(discriminator="op")
]
ADAPTER: TypeAdapter[Operation] = TypeAdapter(Operation)
