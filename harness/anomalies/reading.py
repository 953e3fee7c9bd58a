"""What a reader was handed on its way: poll_skip, nonmono_poll, inside one poll and between two.

A reader that moved its position over an offset must have been handed what is visible there. Whatever
any reader of the same isolation was handed at an offset is visible there, and to readers of committed
records the one copy of a record that must exist; what nobody was handed is a matter of ``lost``. A position
that does not join on to where the last poll ended is an anomaly unless somebody set it; readers that
subscribe may lose a partition between two polls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.anomalies.facts import Facts, Mask, at
from harness.anomalies.found import Found, Hits, hits
from harness.anomalies.joints import Joints, joints
from harness.anomalies.largest import running_max
from harness.anomalies.places import copies
from harness.anomalies.presence import op_of, superseded
from harness.checkers.guarantees import records as counted
from harness.history.columns import Ints

_COMPACTION = "compaction may have dropped it"
_SUBSCRIBED = "a rebalance may have moved the partition"


def int_poll_skip(facts: Facts) -> Found:
    """Visible offsets that a poll's position moved over without handing them out."""
    skipped = _skipped(facts, _Stretches.polled(facts))
    excused, count = _compacted(facts, skipped), len(facts.columns.polls.op)
    left = skipped.chosen(~excused)
    return Found(
        "int_poll_skip",
        compared={"polls": count},
        hits=left,
        detail="the poll's position moved over it, and did not hand it out",
        held=f"Each of {counted(count, 'poll')} handed out all that is visible where it went.",
        broken=f"{left.count:,} visible offsets passed over inside a poll.",
        excused={_COMPACTION: int(excused.sum())} if excused.any() else {},
    )


def _compacted(facts: Facts, skipped: Hits) -> Mask:
    """Of each of these places, whether compaction may drop what lies there: never the last value of a key."""
    lie, droppable = copies(facts), superseded(facts)
    kept = np.unique(at(lie.log, lie.offset)[~droppable[lie.record]])
    may = facts.columns.settings.cleanup == "compact"
    return ~np.isin(at(skipped.log, skipped.offset), kept) & may


def poll_skip(facts: Facts) -> Found:
    """Visible offsets between where one poll ended and the next one of its reader began."""
    joined = joints(facts)
    ahead = joined.start > joined.end
    skipped = _skipped(facts, _Stretches.between(facts, joined, ahead))
    excused = facts.subscribed[_poll_at(facts, skipped.op)]
    return Found(
        "poll_skip",
        compared={"polls in a row": len(joined.poll)},
        hits=skipped.chosen(~excused),
        detail="the next poll began above it",
        held=f"Each of {counted(len(joined.poll), 'poll')} began where the one before had ended, or below.",
        broken=f"{int((~excused).sum()):,} visible offsets skipped between polls.",
        excused={_SUBSCRIBED: int(excused.sum())} if excused.any() else {},
    )


def nonmono_poll(facts: Facts) -> Found:
    """Polls that began below where the one before had ended, although nobody had set the position."""
    polls, joined = facts.columns.polls, joints(facts)
    back = joined.start < joined.end
    excused = back & facts.subscribed[joined.poll]
    rows = joined.poll[back & ~excused]
    return Found(
        "nonmono_poll",
        compared={"polls in a row": len(joined.poll)},
        hits=hits(polls.log[rows], offset=polls.start[rows], op=polls.op[rows]),
        detail="the poll before had ended above it",
        held=f"No position went back between {counted(len(joined.poll), 'poll')}.",
        broken=f"{counted(len(rows), 'poll')} began below where the one before had ended.",
        excused={_SUBSCRIBED: int(excused.sum())} if excused.any() else {},
    )


def int_nonmono_poll(facts: Facts) -> Found:
    """Records handed out behind a later one of the same poll, or from outside of where it went."""
    polls, got = facts.columns.polls, facts.columns.deliveries
    outside = (got.offset < polls.start[got.poll]) | (got.offset >= polls.end[got.poll])
    behind = got.offset <= running_max(got.poll, got.offset)
    rows = np.flatnonzero(outside | behind)
    return Found(
        "int_nonmono_poll",
        compared={"delivered": len(got.offset)},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="it was handed out behind a later one, or from outside of where the poll went",
        held=f"Each of {counted(len(got.offset), 'record')} was handed out in the order of offsets.",
        broken=f"{counted(len(rows), 'record')} handed out in the wrong order.",
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Stretches:
    """Stretches of logs that a reader passed over, and the poll with which it did."""

    poll: Ints
    low: Ints
    high: Ints

    @staticmethod
    def polled(facts: Facts) -> _Stretches:
        polls = facts.columns.polls
        return _Stretches(np.arange(len(polls.op)), at(polls.log, polls.start), at(polls.log, polls.end))

    @staticmethod
    def between(facts: Facts, joints: Joints, rows: Mask) -> _Stretches:
        poll, log = joints.poll[rows], facts.columns.polls.log[joints.poll[rows]]
        return _Stretches(poll, at(log, joints.end[rows]), at(log, joints.start[rows]))


def _skipped(facts: Facts, over: _Stretches) -> Hits:
    """Visible offsets in each stretch that its poll did not hand out."""
    found = [_unseen(facts, over, committed=committed) for committed in (True, False)]
    joined = [np.concatenate([getattr(each, name) for each in found]) for name in ("log", "offset", "op")]
    return hits(joined[0], offset=joined[1], op=joined[2])


def _unseen(facts: Facts, over: _Stretches, *, committed: bool) -> Hits:
    """The same for readers of one isolation."""
    got = facts.columns.deliveries
    mine = facts.committed_reader[over.poll] == committed
    poll, low, high = over.poll[mine], over.low[mine], over.high[mine]
    # What readers of committed records were handed, or must be, is visible to all; the rest to the others.
    shown = facts.visible | (not committed)
    visible = np.unique(at(got.log[shown], got.offset[shown]))
    first, last = np.searchsorted(visible, low), np.searchsorted(visible, high)
    stretch = np.repeat(np.arange(len(poll)), last - first)
    within = np.arange(len(stretch)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
    place = visible[first[stretch] + within] if len(stretch) else visible[:0]
    return _not_handed_out(facts, poll[stretch], place)


def _not_handed_out(facts: Facts, poll: Ints, place: Ints) -> Hits:
    """Of the (poll, place) pairs those that the poll did not deliver."""
    polls, got = facts.columns.polls, facts.columns.deliveries
    places, rank = np.unique(np.concatenate((place, at(got.log, got.offset))), return_inverse=True)
    asked, handed = np.split(rank, [len(place)])
    stride = len(places) + 1
    absent = ~np.isin(poll * stride + asked, got.poll * stride + handed)
    log = polls.log[poll[absent]]
    return hits(log, offset=place[absent] - at(log, np.zeros(len(log), np.int64)), op=polls.op[poll[absent]])


def _poll_at(facts: Facts, op: Ints) -> Ints:
    """The row of the poll with each of these operations."""
    return np.searchsorted(facts.columns.polls.op, op)
