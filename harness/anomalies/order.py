"""In which order records came to lie: realtime_offset, nonmono_send, read_before_write.

Only records that were attempted once are compared: of another one nobody knows which attempt lies
where. An attempt without an answer has the offset at which it was seen, if it was seen at one.
"""

from __future__ import annotations

import numpy as np

from harness.anomalies.facts import Facts, at
from harness.anomalies.found import Found, excusing, hits
from harness.anomalies.largest import Largest, running_max
from harness.anomalies.places import copies, epochs_apart, truncates
from harness.anomalies.presence import op_of
from harness.checkers.guarantees import records as counted
from harness.history.columns import NONE, Ints
from harness.model import Outcome


def realtime_offset(facts: Facts) -> Found:
    """Records that lie at or below one that was acknowledged before they were sent."""
    sends, skew = facts.columns.sends, facts.columns.settings.skew_ns
    offset = _offsets(facts)
    rows = np.flatnonzero(offset != NONE)
    known = rows[sends.outcome[rows] == Outcome.OK]
    before = _acknowledged_before(
        (sends.log[known], sends.done[known] + skew, offset[known]), (sends.log[rows], sends.invoked[rows])
    )
    after, bound = int((before != NONE).sum()), before[offset[rows] <= before]
    late = rows[offset[rows] <= before]
    found = Found(
        "realtime_offset",
        compared={"sent after an acknowledgement": after, "located": len(rows)},
        hits=hits(sends.log[late], offset=offset[late], record=facts.attempted[late], op=sends.op[late]),
        detail="a record acknowledged before it was sent lies at this offset or above",
        held=f"Each of {counted(after, 'record')} lies above what was acknowledged before it was sent.",
        broken=f"{counted(len(late), 'record')} below one that was acknowledged before they were sent.",
    )
    held_by = Largest(at(sends.log[known], offset[known]), sends.epoch[known]).of(at(sends.log[late], bound))
    return excusing(found, truncates(facts), epochs_apart(sends.epoch[late], held_by))


def _acknowledged_before(acked: tuple[Ints, Ints, Ints], asked: tuple[Ints, Ints]) -> Ints:
    """The highest offset in each asked log that had been acknowledged before the asked instant."""
    log, done, offset = (
        np.concatenate((column, other))
        for column, other in zip(acked, (*asked, np.full(len(asked[0]), NONE, np.int64)), strict=True)
    )
    question = np.concatenate((np.zeros(len(acked[0]), np.int64), np.ones(len(asked[0]), np.int64)))
    # At the same instant the question comes first: what was done then was not done before.
    order = np.lexsort((-question, done, log))
    reached = running_max(log[order], offset[order])
    answers = np.empty(len(log), np.int64)
    answers[order] = reached
    return answers[len(acked[0]) :]


def nonmono_send(facts: Facts) -> Found:
    """Records of one producer's session that lie below one that it had sent before."""
    sends = facts.columns.sends
    offset = _offsets(facts)
    rows = np.flatnonzero((offset != NONE) & (sends.outcome == Outcome.OK))
    session = at(sends.log[rows], sends.producer[rows])
    order = np.lexsort((sends.op[rows], session))
    rows, session = rows[order], session[order]
    late = rows[offset[rows] <= running_max(np.unique(session, return_inverse=True)[1], offset[rows])]
    found = Found(
        "nonmono_send",
        compared={"located": len(rows)},
        hits=hits(sends.log[late], offset=offset[late], record=facts.attempted[late], op=sends.op[late]),
        detail="its producer had sent one before that lies at this offset or above",
        held=f"Each of {counted(len(rows), 'record')} lies above what its producer had sent before.",
        broken=f"{counted(len(late), 'record')} below one that the same producer had sent before.",
    )
    return excusing(found, "" if facts.columns.settings.idempotent else "producers without idempotence")


def read_before_write(facts: Facts) -> Found:
    """Records that were delivered before anybody had begun to send them: a clock, or this tool, is wrong."""
    every, polls, got = facts.records, facts.columns.polls, facts.columns.deliveries
    rows = np.flatnonzero((facts.delivered != NONE) & (every.attempts > 0)[facts.delivered])
    early = polls.done[got.poll[rows]] + facts.columns.settings.skew_ns
    rows = rows[early < every.invoked[facts.delivered[rows]]]
    return Found(
        "read_before_write",
        compared={"delivered": len(got.offset)},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="it was delivered before its first attempt began",
        held=f"Each of {counted(len(got.offset), 'delivered record')} was sent before.",
        broken=f"{counted(len(rows), 'record')} delivered before they were sent.",
    )


def _offsets(facts: Facts) -> Ints:
    """Of each attempt where it certainly lies; ``NONE`` where nobody knows."""
    every, sends, lie = facts.records, facts.columns.sends, copies(facts)
    seen_at = Largest(lie.record, lie.offset).of(facts.attempted)
    once = np.bincount(lie.record, minlength=every.count)[facts.attempted] == 1
    told = np.where(sends.offset != NONE, sends.offset, np.where(once, seen_at, NONE))
    certain = (every.attempts == 1)[facts.attempted] & (sends.outcome != Outcome.FAIL)
    return np.where(certain, told, NONE)
