"""How far a reader was behind what it could have been handed: lag, where the settings bound it.

After jepsen's realtime lag, and as careful: a poll is as old as the oldest record that was certainly
visible when it was asked for, and that its position did not reach. A reader that has not caught up yet
since it began is behind by its own choice. What an open transaction below holds back is not visible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.anomalies.facts import Facts, Mask, at
from harness.anomalies.found import Found, hits
from harness.anomalies.joints import beginnings
from harness.anomalies.largest import running_max
from harness.anomalies.pick import pick
from harness.checkers.guarantees import records as counted
from harness.clock import NANOS_PER_SECOND
from harness.history.columns import NEVER, NONE, Ints
from harness.model import Outcome


def lag(facts: Facts) -> Found | None:
    """Polls of readers that had kept up, behind by more than the settings permit; None if they permit all."""
    fresh = facts.columns.settings.fresh_ns
    if fresh is None:
        return None
    polls, age = facts.columns.polls, _ages(facts)
    follows = _kept_up(facts, age)
    rows = np.flatnonzero(follows & (age > fresh))
    worst = int(age[follows].max(initial=0)) / NANOS_PER_SECOND
    return Found(
        "lag",
        compared={"polls of readers that had kept up": int(follows.sum())},
        hits=hits(polls.log[rows], offset=polls.end[rows], op=polls.op[rows]),
        detail="what lies here had been visible for longer than that",
        held=f"No reader that had kept up fell behind by more than {worst:.3g} s.",
        broken=f"{counted(len(rows), 'poll')} too far behind, the worst by {worst:.3g} s.",
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Visible:
    """Acknowledged records by (log, offset), and since when this one or one above it was visible."""

    place: Ints
    since: Ints

    def beyond(self, log: Ints, offset: Ints) -> Ints:
        """Since when something at *offset* of *log* or above it was visible; ``NEVER``: nothing was."""
        first = np.searchsorted(self.place, at(log, offset))
        inside = first < np.searchsorted(self.place, at(log + 1, np.zeros(len(log), np.int64)))
        return np.where(inside, np.append(self.since, NEVER)[first], NEVER)


def _ages(facts: Facts) -> Ints:
    """Of each poll, for how long it had been behind when it was asked for; 0 where it was not."""
    polls = facts.columns.polls
    seen = [_visible(facts, committed=committed).beyond(polls.log, polls.end) for committed in (False, True)]
    since = np.where(facts.committed_reader, seen[1], seen[0])
    return np.maximum(polls.invoked - facts.columns.settings.skew_ns - since, 0)


def _visible(facts: Facts, *, committed: bool) -> _Visible:
    sends = facts.columns.sends
    rows = np.flatnonzero((sends.outcome == Outcome.OK) & (sends.offset != NONE))
    place = at(sends.log[rows], sends.offset[rows])
    order = np.argsort(place, kind="stable")
    rows, place = rows[order], place[order]
    since = sends.done[rows]
    if committed:
        since = np.maximum(since, _released(facts, rows))
    return _Visible(place, _least_from_here(sends.log[rows], since))


def _released(facts: Facts, rows: Ints) -> Ints:
    """When everything at or below each of *rows* was decided; ``NEVER`` for what a commit does not show."""
    sends, ended = facts.columns.sends, _ended(facts)
    inside = sends.transaction[rows] != NONE
    own = np.where(inside, pick(ended, sends.transaction[rows]), 0)
    # A transaction whose record has no known place may hold back its whole log.
    astray = (sends.transaction != NONE) & (sends.offset == NONE)
    held = np.zeros(len(facts.columns.names.logs), np.int64)
    np.maximum.at(held, sends.log[astray], pick(ended, sends.transaction[astray]))
    below = _most_up_to_here(sends.log[rows], own)
    shown: Mask = facts.settled[rows]
    return np.where(shown, np.maximum(below, held[sends.log[rows]]), NEVER)


def _ended(facts: Facts) -> Ints:
    """When each transaction was certainly over; ``NEVER`` if nobody tells."""
    ends = facts.columns.ends
    ended = np.full(len(facts.columns.names.transactions), NEVER, np.int64)
    over = ends.outcome == Outcome.OK
    ended[ends.number[over]] = ends.done[over]
    return ended


def _most_up_to_here(log: Ints, values: Ints) -> Ints:
    """Of each row the largest value of its log's rows up to it; rows of a log lie together."""
    return np.maximum(values, running_max(log, values))


def _least_from_here(log: Ints, values: Ints) -> Ints:
    """Of each row the smallest value of its log's rows from it on."""
    return NEVER - _most_up_to_here(log[::-1], NEVER - values[::-1])[::-1]


def _kept_up(facts: Facts, age: Ints) -> Mask:
    """Of each poll, whether its reader had been up to date before, since it last began."""
    polls = facts.columns.polls
    order = np.lexsort((polls.op, polls.log, polls.reader))
    begun = np.zeros(len(order), np.int64)
    begun[beginnings(facts).poll] = 1
    stretch = np.cumsum(begun[order])
    kept = np.zeros(len(order), np.bool_)
    kept[order] = running_max(stretch, (age[order] == 0).astype(np.int64)) == 1
    return kept
