"""What a history establishes, before anybody asks what is wrong with it.

* A *record* is (log, producer, sequence). Its attempts and its deliveries point to it.
* A *transaction* is committed, aborted or undecided. An undecided one of which a committed reader saw
  a record was committed: then all its records are obligatory (facts: jepsen's must-have-committed).
  A record that was attempted in several transactions proves none of them. One that nobody asked to commit
  was not: what was seen of it proves nothing but a fault.
* A record is *due* when one attempt took effect for good, *barred* when none can have: all failed,
  or were part of aborted transactions. Between the two it may exist.
* A reader *covers* an offset when its position moved over it. One of committed records cannot do so before
  it is known whether what lies there is committed: so it was handed all that is.
* A poll that began after every attempt at its log is a *last look*. Where last looks cover a whole log they
  alone tell what is left of it: what was shown before, and not then, is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.anomalies.largest import Largest
from harness.anomalies.pick import pick
from harness.checkers.spans import Spans, union
from harness.history.columns import NEVER, NONE, Columns, Ints
from harness.model import Outcome

Mask = npt.NDArray[np.bool_]

_LOG_BITS = 42
"""Offsets below 2**42 and logs below 2**20 share one integer, in the order (log, offset)."""


class Fate(IntEnum):
    """What became of a transaction."""

    UNDECIDED = 0
    COMMITTED = 1
    ABORTED = 2


@dataclass(frozen=True, eq=False, slots=True)
class Records:
    """Every record that was attempted or delivered, in the order (log, producer, sequence).

    ``offset`` is where it was acknowledged, or ``NONE``; ``invoked`` its first attempt, or ``NEVER``;
    ``transaction`` that of its last attempt, or ``NONE``. Of its ``attempts`` those that were not refused
    are its ``tries``, and those of them that no abort undid its ``chances``.
    """

    log: Ints
    producer: Ints
    sequence: Ints
    attempts: Ints
    tries: Ints
    chances: Ints
    offset: Ints
    invoked: Ints
    transaction: Ints
    due: Mask
    barred: Mask

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.log)


class Facts:
    """What *columns* establish; everything is computed once, when it is first asked for."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    @cached_property
    def _named(self) -> tuple[Ints, Ints, Ints]:
        """Distinct record ids; the one of each attempt, and of each delivery (``NONE``: it was damaged)."""
        sends, got = self.columns.sends, self.columns.deliveries
        ids = np.stack(
            (
                np.concatenate((sends.log, got.sent_to)),
                np.concatenate((sends.producer, got.producer)),
                np.concatenate((sends.sequence, got.sequence)),
            )
        )
        distinct, place = np.unique(ids, axis=1, return_inverse=True)
        attempts, deliveries = np.split(place.reshape(-1), [len(sends.op)])
        return distinct, attempts, np.where(got.whole == 1, deliveries, NONE)

    @property
    def attempted(self) -> Ints:
        """The record of each attempt."""
        return self._named[1]

    @property
    def delivered(self) -> Ints:
        """The record of each delivery; ``NONE`` where it came back damaged."""
        return self._named[2]

    @cached_property
    def committed_reader(self) -> Mask:
        """Of each poll, whether it shows committed records only."""
        committed: Mask = self._of_reader(self.columns.readers.committed, otherwise=1) == 1
        return committed[self.columns.polls.reader]

    @cached_property
    def subscribed(self) -> Mask:
        """Of each poll, whether a group may take its reader's partitions away."""
        subscribed: Mask = self._of_reader(self.columns.readers.subscribed, otherwise=0) == 1
        return subscribed[self.columns.polls.reader]

    @cached_property
    def group(self) -> Ints:
        """Of each poll, the group of its reader, or ``NONE``."""
        return self._of_reader(self.columns.readers.group, otherwise=NONE)[self.columns.polls.reader]

    def _of_reader(self, told: Ints, *, otherwise: int) -> Ints:
        most = max(self.columns.polls.reader.max(initial=0), self.columns.readers.reader.max(initial=0))
        values = np.full(int(most) + 1, otherwise, np.int64)
        values[self.columns.readers.reader] = told
        return values

    @cached_property
    def shown_committed(self) -> Mask:
        """Of each delivery, whether a reader of committed records showed it."""
        return self.committed_reader[self.columns.deliveries.poll]

    @cached_property
    def claimed(self) -> Ints:
        """The ``Fate`` of each transaction as far as its own end tells.

        Without anybody who asked for its commit it is as good as aborted: nothing of it may ever be shown.
        """
        ends = self.columns.ends
        fates = np.full(len(self.columns.names.transactions), Fate.ABORTED, np.int64)
        ok, failed, commits = ends.outcome == Outcome.OK, ends.outcome == Outcome.FAIL, ends.commits == 1
        fates[ends.number[commits & ~failed]] = Fate.UNDECIDED
        fates[ends.number[ok & commits]] = Fate.COMMITTED
        fates[ends.number[(ok & ~commits) | (failed & commits)]] = Fate.ABORTED
        return fates

    @cached_property
    def fates(self) -> Ints:
        """The ``Fate`` of each transaction, those proven committed by what was seen of them included."""
        fates, sends = self.claimed.copy(), self.columns.sends
        seen = np.unique(self.delivered[self.shown_committed & (self.delivered != NONE)])
        possible = ~self._barred(self.claimed)
        ways = np.bincount(self.attempted[possible], minlength=self._count)
        only = possible & (sends.transaction != NONE) & (ways[self.attempted] == 1)
        proven = sends.transaction[only & np.isin(self.attempted, seen)]
        undecided = proven[fates[proven] == Fate.UNDECIDED]
        fates[undecided] = Fate.COMMITTED
        return fates

    @cached_property
    def records(self) -> Records:
        """Every record of the history."""
        sends, ids = self.columns.sends, self._named[0]
        in_order = np.argsort(sends.op, kind="stable")
        transaction = np.full(self._count, NONE, np.int64)
        transaction[self.attempted[in_order]] = sends.transaction[in_order]
        acked = (sends.outcome == Outcome.OK) & (sends.offset != NONE)
        offset = np.full(self._count, NONE, np.int64)
        offset[self.attempted[acked]] = sends.offset[acked]
        invoked = np.full(self._count, NEVER, np.int64)
        np.minimum.at(invoked, self.attempted, sends.invoked)
        attempts = self._tally(np.ones(len(sends.op), np.bool_))
        chances = self._tally(~self._barred(self.fates))
        log, producer, sequence = ids
        return Records(
            log=log,
            producer=producer,
            sequence=sequence,
            attempts=attempts,
            tries=self._tally(sends.outcome != Outcome.FAIL),
            chances=chances,
            offset=offset,
            invoked=invoked,
            transaction=transaction,
            due=self._tally(self._due) > 0,
            barred=(attempts > 0) & (chances == 0),
        )

    def _tally(self, rows: Mask) -> Ints:
        """Of each record, how many of these attempts are its own."""
        return np.bincount(self.attempted[rows], minlength=self._count)

    @property
    def _count(self) -> int:
        return int(self._named[0].shape[1])

    def _barred(self, fates: Ints) -> Mask:
        """Of each attempt, whether it cannot have put a committed record into the log."""
        sends = self.columns.sends
        barred: Mask = (sends.outcome == Outcome.FAIL) | self._within(fates, Fate.ABORTED)
        return barred

    @cached_property
    def _due(self) -> Mask:
        """Of each attempt, whether it certainly did, for a transaction counts as a whole."""
        sends = self.columns.sends
        plain = (sends.transaction == NONE) & (sends.outcome == Outcome.OK)
        whole = self._within(self.fates, Fate.COMMITTED) & (sends.outcome != Outcome.FAIL)
        due: Mask = plain | whole
        return due

    @cached_property
    def settled(self) -> Mask:
        """Of each attempt, whether it belongs to no transaction or to a committed one."""
        plain: Mask = self.columns.sends.transaction == NONE
        return plain | self._within(self.fates, Fate.COMMITTED)

    def _within(self, fates: Ints, fate: Fate) -> Mask:
        within: Mask = pick(fates, self.columns.sends.transaction) == fate
        return within

    @cached_property
    def seen(self) -> Mask:
        """Of each record, whether any reader was handed it whole."""
        found = np.zeros(self._count, np.bool_)
        found[self.delivered[self.delivered != NONE]] = True
        return found

    @cached_property
    def seen_committed(self) -> Mask:
        """Of each record, whether a reader of committed records was handed it whole."""
        found = np.zeros(self._count, np.bool_)
        found[self.delivered[(self.delivered != NONE) & self.shown_committed]] = True
        return found

    @cached_property
    def visible(self) -> Mask:
        """Of each delivery, whether every reader that passes over its place must be handed a record there.

        Either a reader of committed records was, or it is the one copy that a due record can have.
        """
        certain = self.records.due & (self.records.tries == 1)
        visible: Mask = self.shown_committed | ((self.delivered != NONE) & certain[self.delivered])
        return visible

    @cached_property
    def covered(self) -> Spans:
        """Every (log, offset) that some reader's position moved over, as ``at`` numbers them."""
        return self._passed(np.ones(len(self.columns.polls.op), np.bool_))

    @cached_property
    def covered_committed(self) -> Spans:
        """The same for readers of committed records."""
        return self._passed(self.committed_reader)

    def _passed(self, polls: Mask) -> Spans:
        every = self.columns.polls
        return union(at(every.log, every.start)[polls], at(every.log, every.end)[polls])

    @cached_property
    def _last_look(self) -> Mask:
        """Of each poll, whether it began after every attempt at its log had begun."""
        polls, sends = self.columns.polls, self.columns.sends
        last = Largest(sends.log, sends.invoked).of(polls.log)
        looks: Mask = polls.invoked > last + self.columns.settings.skew_ns
        return looks

    @cached_property
    def looked_through(self) -> Mask:
        """Of each log, whether last looks cover it from its start through its fence."""
        return self._through(self._passed(self._last_look))

    @cached_property
    def decides(self) -> Mask:
        """Of each delivery, whether it tells what is left: a last look did, or nobody took a whole one."""
        got = self.columns.deliveries
        left: Mask = self._last_look[got.poll] | ~self.looked_through[got.log]
        return left

    @cached_property
    def left(self) -> Mask:
        """Of each record, whether it was handed out whole by what tells what is left."""
        found = np.zeros(self._count, np.bool_)
        found[self.delivered[(self.delivered != NONE) & self.decides]] = True
        return found

    @cached_property
    def whole_logs(self) -> Mask:
        """Of each log, whether it was read from its start through a fence with nothing open below it."""
        return self._through(self.covered) & self._settled_end

    @cached_property
    def whole_committed(self) -> Mask:
        """The same by readers of committed records alone."""
        return self._through(self.covered_committed) & self._settled_end

    def _through(self, passed: Spans) -> Mask:
        """Of each log, whether *passed* holds it from its start through its fence."""
        fences = self.columns.fences
        through = np.zeros(len(self.columns.names.logs), np.bool_)
        extent = Spans(at(fences.log, fences.first), at(fences.log, fences.end))
        through[fences.log[extent.within(passed) | (fences.first >= fences.end)]] = True
        return through

    @cached_property
    def _settled_end(self) -> Mask:
        """Of each log, whether nothing was open at its fence, and nothing was seen beyond it."""
        fences = self.columns.fences
        settled = np.zeros(len(self.columns.names.logs), np.bool_)
        settled[fences.log[fences.stable >= fences.end]] = True
        return settled & ~self.outgrown

    @cached_property
    def outgrown(self) -> Mask:
        """Of each log, whether a record was handed out at its fence or above.

        Then the fence was taken too early, or the log has lost its end since. An acknowledgement alone says
        nothing of the kind: it may be wrong, and where it is right the record is lost.
        """
        got, fences = self.columns.deliveries, self.columns.fences
        end = np.full(len(self.columns.names.logs), NEVER, np.int64)
        end[fences.log] = fences.end
        beyond = np.zeros(len(end), np.bool_)
        beyond[got.log[got.offset >= end[got.log]]] = True
        return beyond

    @cached_property
    def starts(self) -> Ints:
        """Of each log, the first offset that it still has; 0 where nobody says."""
        start = np.zeros(len(self.columns.names.logs), np.int64)
        start[self.columns.fences.log] = self.columns.fences.first
        return start

    def covers(self, log: Ints, offset: Ints, *, committed: bool = False) -> Mask:
        """Whether each (log, offset) was covered by some reader, or by some reader of committed records."""
        low = at(log, offset)
        return Spans(low, low + 1).within(self.covered_committed if committed else self.covered)


def at(log: Ints, offset: Ints) -> Ints:
    """(log, offset) as one integer, in that order."""
    return (log << _LOG_BITS) + offset
