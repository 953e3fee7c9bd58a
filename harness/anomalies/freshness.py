"""What had to wait for longer than the settings permit: lag, of readers, of groups and of whole logs.

After jepsen's realtime lag, and as careful: what waits is a record that was certainly acknowledged and, if
it belongs to a transaction, certainly committed. It is found waiting in three ways:

* A poll ends below it, and its reader had kept up since it last began. One that has not is behind by its own
  choice, unless it asked for what comes next all that time and was handed nothing.
* Its group was at a lower offset, and nobody asked for a commit beyond that.
* A transaction lay open below it. That holds it back from readers; whoever bounds how old it may be is told
  of that too, so an open transaction excuses no reader.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.anomalies.facts import Facts, Fate, Mask, at
from harness.anomalies.found import Found, hits
from harness.anomalies.joints import beginnings
from harness.anomalies.largest import running_max
from harness.anomalies.numbered import numbered
from harness.anomalies.pick import pick
from harness.anomalies.progress import of_commits, of_inputs
from harness.anomalies.transactions import commit_asked
from harness.checkers.guarantees import records as counted
from harness.clock import NANOS_PER_SECOND
from harness.history.columns import NEVER, NONE, Ints
from harness.model import Outcome


@dataclass(frozen=True, eq=False, slots=True)
class _Waits:
    """Places of a log at which somebody stood, and for how long what lies there or above had to wait."""

    log: Ints
    offset: Ints
    op: Ints
    waited: Ints


def lag(facts: Facts) -> Found | None:
    """Readers, groups and logs that left waiting what the settings bound; None if they bound nothing."""
    fresh = facts.columns.settings.fresh_ns
    if fresh is None:
        return None
    every = (_readers(facts), _groups(facts), _held_back(facts))
    log, offset, op, waited = (
        np.concatenate([getattr(each, name) for each in every]) for name in ("log", "offset", "op", "waited")
    )
    rows = np.flatnonzero(waited > fresh)
    worst = f"{max(int(waited.max(initial=0)), 0) / NANOS_PER_SECOND:.3g} s"
    return Found(
        "lag",
        compared={"places": len(waited)} | _parts(*every),
        hits=hits(log[rows], offset=offset[rows], op=op[rows]),
        detail="what lies here or above had waited for longer than that",
        held=f"Nothing had to wait for longer than {worst}.",
        broken=f"{counted(len(rows), 'place')} where something waited for too long, the worst for {worst}.",
    )


def _parts(readers: _Waits, groups: _Waits, held: _Waits) -> dict[str, int]:
    """How many of the places are whose."""
    return {"polls": len(readers.op), "commits": len(groups.op), "open transactions": len(held.op)}


def _readers(facts: Facts) -> _Waits:
    """Polls that had to show what they did not, for their readers had kept up or stood there asking."""
    polls, since = facts.columns.polls, _since(facts)
    skew = facts.columns.settings.skew_ns
    age = np.maximum(polls.invoked - skew - since, 0)
    kept_up, stood = _kept_up(facts, age), _stood(facts)
    # A poll without an answer says nothing; one that was asked too early may have missed it.
    asked = (stood != NEVER) & (polls.done < NEVER) & (age > 0)
    waited = np.where(asked, polls.done - np.maximum(stood, since + skew), 0)
    rows = np.flatnonzero(kept_up | asked)
    most = np.maximum(np.where(kept_up, age, 0), waited)[rows]
    return _Waits(polls.log[rows], polls.end[rows], polls.op[rows], most)


def _groups(facts: Facts) -> _Waits:
    """Commits that brought a group further than it was, and what waited from there on until the next of them.

    The last one's stretch goes on to the end of the history. A commit without an answer may have taken effect
    at once.
    """
    step = of_commits(facts) | of_inputs(facts)
    group = numbered(step.group, step.log)
    order = np.lexsort((step.invoked, group))
    further = order[step.offset[order] > running_max(group[order], step.offset[order])]
    step, group = step.chosen(further), group[further]
    after = np.append(step.invoked[1:], _last(facts))[: len(group)]
    until = np.where(np.append(group[1:] == group[:-1], False)[: len(group)], after, _last(facts))
    began = np.where(step.done < NEVER, step.done, step.invoked)
    since = _visible(facts, committed=True).beyond(step.log, step.offset)
    waited = until - facts.columns.settings.skew_ns - np.maximum(began, since)
    return _Waits(step.log, step.offset, step.op, waited)


def _held_back(facts: Facts) -> _Waits:
    """Of each log that a committed transaction lay open in, what waited above until its commit began."""
    sends = facts.columns.sends
    known = (sends.outcome == Outcome.OK) & (sends.offset != NONE)
    asked = pick(commit_asked(facts), sends.transaction)
    rows = np.flatnonzero(known & (pick(facts.fates, sends.transaction) == Fate.COMMITTED) & (asked >= 0))
    since = _visible(facts, committed=True).beyond(sends.log[rows], sends.offset[rows])
    waited = asked[rows] - facts.columns.settings.skew_ns - np.maximum(sends.done[rows], since)
    order = np.argsort(-waited, kind="stable")
    _, first = np.unique(numbered(sends.transaction[rows], sends.log[rows])[order], return_index=True)
    longest = order[first]
    rows = rows[longest]
    return _Waits(sends.log[rows], sends.offset[rows], sends.op[rows], waited[longest])


def _last(facts: Facts) -> int:
    """The last instant that the history tells of."""
    columns = facts.columns
    tables = (columns.sends, columns.polls, columns.ends, columns.commits)
    told = np.concatenate([np.append(each.invoked, each.done) for each in tables] + [columns.moves.t])
    return int(told[told < NEVER].max(initial=0))


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


def _since(facts: Facts) -> Ints:
    """Of each poll since when something was visible to its reader where it ended, or above; or ``NEVER``."""
    polls = facts.columns.polls
    seen = [_visible(facts, committed=committed).beyond(polls.log, polls.end) for committed in (False, True)]
    return np.where(facts.committed_reader, seen[1], seen[0])


def _visible(facts: Facts, *, committed: bool) -> _Visible:
    sends = facts.columns.sends
    rows = np.flatnonzero((sends.outcome == Outcome.OK) & (sends.offset != NONE))
    place = at(sends.log[rows], sends.offset[rows])
    order = np.argsort(place, kind="stable")
    rows, place = rows[order], place[order]
    since = sends.done[rows]
    if committed:
        own = np.maximum(since, pick(_ended(facts), sends.transaction[rows]))
        since = np.where(facts.settled[rows], own, NEVER)
    return _Visible(place, _least_from_here(sends.log[rows], since))


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


def _stood(facts: Facts) -> Ints:
    """Of each poll that was handed nothing since when its reader had asked there in vain; else ``NEVER``."""
    polls = facts.columns.polls
    order = np.lexsort((polls.op, polls.log, polls.reader))
    start, empty = polls.start[order], (polls.start == polls.end)[order]
    anew = np.ones(len(order), np.bool_)
    anew[1:] = ~(empty[1:] & empty[:-1] & (start[1:] == start[:-1]))
    anew |= np.isin(order, beginnings(facts).poll)
    opened = np.flatnonzero(anew)[np.cumsum(anew) - 1]
    stood = np.empty(len(order), np.int64)
    stood[order] = np.where(empty, polls.invoked[order][opened], NEVER)
    return stood
