"""A history in columns: what the checkers of anomalies compute on.

Topics, transactions, writers, groups and readers are numbered in the order in which they first appear; the
names are kept in ``Names``. A *log* is one topic's partition. Every table keeps in ``op`` the line of the
operation that a row came from, counted from 0: the line of a witness. Lines without one are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.history.operations import History

Ints = npt.NDArray[np.int64]

NONE: Final = -1
"""No offset, epoch, key, transaction or group."""
NEVER: Final = 2**62
"""When an outcome was known that never was: after everything."""


def no_ints() -> Ints:
    """A column without a row."""
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Sends:
    """Attempts at records, one a row. ``tombstone`` is 1 for a record without a value."""

    op: Ints = field(default_factory=no_ints)
    producer: Ints = field(default_factory=no_ints)
    log: Ints = field(default_factory=no_ints)
    sequence: Ints = field(default_factory=no_ints)
    invoked: Ints = field(default_factory=no_ints)
    done: Ints = field(default_factory=no_ints)
    outcome: Ints = field(default_factory=no_ints)
    offset: Ints = field(default_factory=no_ints)
    epoch: Ints = field(default_factory=no_ints)
    transaction: Ints = field(default_factory=no_ints)
    key: Ints = field(default_factory=no_ints)
    value: Ints = field(default_factory=no_ints)
    tombstone: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, eq=False, slots=True)
class Polls:
    """A reader's position over one log moved from ``start`` to ``end``."""

    op: Ints = field(default_factory=no_ints)
    reader: Ints = field(default_factory=no_ints)
    log: Ints = field(default_factory=no_ints)
    invoked: Ints = field(default_factory=no_ints)
    done: Ints = field(default_factory=no_ints)
    start: Ints = field(default_factory=no_ints)
    end: Ints = field(default_factory=no_ints)
    transaction: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, eq=False, slots=True)
class Deliveries:
    """Records that polls returned, in their order; ``poll`` is the row of ``Polls``.

    ``log`` is where it lay, ``sent_to`` the log that its payload names. ``whole`` is 0 where its
    checksum was wrong.
    """

    poll: Ints = field(default_factory=no_ints)
    log: Ints = field(default_factory=no_ints)
    offset: Ints = field(default_factory=no_ints)
    producer: Ints = field(default_factory=no_ints)
    sequence: Ints = field(default_factory=no_ints)
    epoch: Ints = field(default_factory=no_ints)
    sent_to: Ints = field(default_factory=no_ints)
    whole: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, eq=False, slots=True)
class Moves:
    """A reader's position over one log was set. ``why`` is an index into ``WHYS``."""

    op: Ints = field(default_factory=no_ints)
    reader: Ints = field(default_factory=no_ints)
    log: Ints = field(default_factory=no_ints)
    t: Ints = field(default_factory=no_ints)
    why: Ints = field(default_factory=no_ints)


WHYS: Final = ("assign", "seek", "reset", "rebalance", "crash")


@dataclass(frozen=True, eq=False, slots=True)
class Ends:
    """Transactions that somebody ended. ``number`` is the transaction; ``commits`` 1 or 0."""

    op: Ints = field(default_factory=no_ints)
    number: Ints = field(default_factory=no_ints)
    writer: Ints = field(default_factory=no_ints)
    incarnation: Ints = field(default_factory=no_ints)
    invoked: Ints = field(default_factory=no_ints)
    done: Ints = field(default_factory=no_ints)
    commits: Ints = field(default_factory=no_ints)
    outcome: Ints = field(default_factory=no_ints)
    records: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, eq=False, slots=True)
class Inputs:
    """Input offsets [first, until) of a group over one log that a transaction committed."""

    op: Ints = field(default_factory=no_ints)
    number: Ints = field(default_factory=no_ints)
    group: Ints = field(default_factory=no_ints)
    log: Ints = field(default_factory=no_ints)
    first: Ints = field(default_factory=no_ints)
    until: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, eq=False, slots=True)
class Commits:
    """Offsets that members committed for their groups; ``durable`` is ``NONE`` where nobody says."""

    op: Ints = field(default_factory=no_ints)
    group: Ints = field(default_factory=no_ints)
    reader: Ints = field(default_factory=no_ints)
    log: Ints = field(default_factory=no_ints)
    invoked: Ints = field(default_factory=no_ints)
    done: Ints = field(default_factory=no_ints)
    offset: Ints = field(default_factory=no_ints)
    outcome: Ints = field(default_factory=no_ints)
    durable: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, eq=False, slots=True)
class Fences:
    """Where a log began and ended after all producers had stopped."""

    op: Ints = field(default_factory=no_ints)
    log: Ints = field(default_factory=no_ints)
    first: Ints = field(default_factory=no_ints)
    end: Ints = field(default_factory=no_ints)
    stable: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, eq=False, slots=True)
class Readers:
    """How each reader reads: 1 or 0 for ``committed`` and ``subscribed``; ``group`` or ``NONE``."""

    reader: Ints = field(default_factory=no_ints)
    committed: Ints = field(default_factory=no_ints)
    subscribed: Ints = field(default_factory=no_ints)
    group: Ints = field(default_factory=no_ints)


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers stand for: (topic, partition) of each log, names, and numbers of readers as told."""

    logs: tuple[tuple[str, int], ...] = ()
    transactions: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    readers: tuple[int, ...] = ()

    def log(self, number: int) -> str:
        """A log as a person writes it: "orders/3", or "3" where topics have no name."""
        topic, partition = self.logs[number]
        return f"{topic}/{partition}" if topic else str(partition)


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    """A whole history."""

    settings: History
    names: Names = Names()
    sends: Sends = field(default_factory=Sends)
    polls: Polls = field(default_factory=Polls)
    deliveries: Deliveries = field(default_factory=Deliveries)
    moves: Moves = field(default_factory=Moves)
    ends: Ends = field(default_factory=Ends)
    inputs: Inputs = field(default_factory=Inputs)
    commits: Commits = field(default_factory=Commits)
    fences: Fences = field(default_factory=Fences)
    readers: Readers = field(default_factory=Readers)
