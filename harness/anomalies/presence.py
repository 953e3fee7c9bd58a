"""What is there that should not be, and what should be and is not: lost, phantom, aborted_read, damaged.

Facts §2: loss needs coverage. A due record that no reader was handed, or that a whole last look (``facts``)
did not show any more, is *lost* when a reader's position moved over the offset at which it was
acknowledged, or, where that is unknown, when the whole log was read through a fence. So it is when the log
does not reach to where it was acknowledged, or begins above it though nothing there expires. What readers of
uncommitted records alone were handed is lost to those of committed ones, by the same rules. Otherwise a
record is only *unseen*, and the verdict UNKNOWN.
"""

from __future__ import annotations

import numpy as np

from harness.anomalies.facts import Facts, Mask, at
from harness.anomalies.found import Found, hits
from harness.anomalies.largest import Largest
from harness.checkers.guarantees import records as counted
from harness.history.columns import NEVER, NONE, Ints


def lost(facts: Facts) -> Found:
    """Records that had to come back and did not, though somebody looked where they belong."""
    every = facts.records
    missing, hidden = every.due & ~facts.left, every.due & ~facts.seen_committed
    gone = superseded(facts) | expired(facts)
    looked = missing & (looked_for(facts) | _cut_off(facts))
    proven = (looked | (hidden & passed_by_committed(facts))) & ~gone & ~may_have_expired(facts)
    unseen = int((missing & ~proven & ~gone).sum())
    rows, due = np.flatnonzero(proven), int(every.due.sum())
    return Found(
        "lost",
        compared={"due": due, "covered": due - unseen},
        hits=hits(every.log[rows], offset=every.offset[rows], record=rows, op=last_attempt(facts)[rows]),
        detail="it was acknowledged, and no reader was handed it, or not at last",
        held=f"Each of {counted(due, 'due record')} came back.",
        broken=f"{len(rows):,} of {counted(due, 'due record')} lost.",
        doubt=_unsure(facts, unseen),
        excused={_GONE: deleted} if (deleted := int((missing & gone).sum())) else {},
    )


_GONE = "expired, or superseded under compaction"


def _unsure(facts: Facts, unseen: int) -> str:
    if unseen:
        return f"{counted(unseen, 'due record')} not seen, and nobody read where they must lie"
    return "a fence lies below what was handed out" if facts.outgrown.any() else ""


def unfenced(facts: Facts) -> str:
    """Why nothing can be said of all that a history's logs hold, if nothing can: part of one was not read."""
    used = np.union1d(facts.columns.sends.log, facts.columns.polls.log)
    return "" if facts.whole_logs[used].all() else "not every partition was read through a fence"


def phantom(facts: Facts) -> Found:
    """Records that nobody ever attempted."""
    every, got = facts.records, facts.columns.deliveries
    rows = np.flatnonzero((facts.delivered != NONE) & (every.attempts == 0)[facts.delivered])
    return Found(
        "phantom",
        compared={"delivered": len(got.offset)},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="it was delivered, and nobody sent it",
        held=f"Each of {counted(len(got.offset), 'delivered record')} had been sent.",
        broken=f"{counted(len(rows), 'delivered record')} that nobody sent.",
        doubt=unfenced(facts),
    )


def aborted_read(facts: Facts) -> Found:
    """Records that were delivered although no attempt can have put them there (Adya's G1a).

    A refused one must be seen by nobody; a record of a transaction that was aborted, or that nobody asked
    to commit, by no reader of committed records.
    """
    every, got = facts.records, facts.columns.deliveries
    rejected = every.barred & (every.tries == 0)
    known = facts.delivered != NONE
    barred, never = every.barred[facts.delivered], rejected[facts.delivered]
    rows = np.flatnonzero(known & (never | (facts.shown_committed & barred)))
    permitted = int((known & barred & ~never & ~facts.shown_committed).sum())
    return Found(
        "aborted_read",
        compared={"delivered": len(got.offset)},
        hits=hits(
            got.log[rows],
            offset=got.offset[rows],
            record=facts.delivered[rows],
            op=op_of(facts, rows),
            other=last_attempt(facts)[facts.delivered[rows]],
        ),
        detail="it was delivered, though every attempt at it had failed or been aborted",
        held=f"None of {counted(int(every.barred.sum()), 'failed or aborted record')} was delivered.",
        broken=f"{counted(len(rows), 'failed or aborted record')} delivered.",
        doubt=unfenced(facts),
        excused={"read uncommitted": permitted} if permitted else {},
    )


def damaged(facts: Facts) -> Found:
    """Records whose checksum was wrong when they came back."""
    got = facts.columns.deliveries
    rows = np.flatnonzero(got.whole == 0)
    return Found(
        "damaged",
        compared={"delivered": len(got.offset)},
        hits=hits(got.log[rows], offset=got.offset[rows], op=op_of(facts, rows)),
        detail="its checksum was wrong",
        held=f"Each of {counted(len(got.offset), 'delivered record')} is whole.",
        broken=f"{counted(len(rows), 'delivered record')} damaged.",
        doubt=unfenced(facts),
    )


def misrouted(facts: Facts) -> Found:
    """Records whose payload names another log than the one they lay in (KAFKA-19012)."""
    got = facts.columns.deliveries
    rows = np.flatnonzero((got.sent_to != got.log) & (got.whole == 1))
    return Found(
        "misrouted",
        compared={"delivered": len(got.offset)},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="its payload names another partition",
        held=f"Each of {counted(len(got.offset), 'delivered record')} lay where it had been sent.",
        broken=f"{counted(len(rows), 'delivered record')} in another partition than the one sent to.",
        doubt=unfenced(facts),
    )


def superseded(facts: Facts) -> Mask:
    """Of each record, whether compaction may have dropped it.

    Either a later one of its key was delivered or was a tombstone, or it is one itself. A record whose
    offset nobody knows may have been the earlier one.
    """
    every, got = facts.records, facts.columns.deliveries
    if facts.columns.settings.cleanup != "compact":
        return np.zeros(every.count, np.bool_)
    key = keys_of(facts)
    rows, ends = facts.delivered != NONE, tombstones(facts) & every.due & (every.offset != NONE)
    code = at(every.log, key)
    newest = Largest(
        np.concatenate((at(got.log[rows], key[facts.delivered[rows]]), code[ends])),
        np.concatenate((got.offset[rows], every.offset[ends])),
    ).of(code)
    dropped: Mask = (key != NONE) & ((newest > every.offset) | tombstones(facts))
    return dropped


def keys_of(facts: Facts) -> Ints:
    """The key of each record, or ``NONE``."""
    keys = np.full(facts.records.count, NONE, np.int64)
    keys[facts.attempted] = facts.columns.sends.key
    return keys


def tombstones(facts: Facts) -> Mask:
    """Of each record, whether it says that its key has no value any more."""
    sends, found = facts.columns.sends, np.zeros(facts.records.count, np.bool_)
    found[facts.attempted[sends.tombstone == 1]] = True
    return found


def last_attempt(facts: Facts) -> Ints:
    """The operation that attempted each record last, or ``NONE``."""
    last = np.full(facts.records.count, NONE, np.int64)
    np.maximum.at(last, facts.attempted, facts.columns.sends.op)
    return last


def op_of(facts: Facts, deliveries: Ints) -> Ints:
    """The operation that each of these deliveries came with."""
    return facts.columns.polls.op[facts.columns.deliveries.poll[deliveries]]


def expired(facts: Facts) -> Mask:
    """Of each record, whether retention deleted it: it lay below the log's start, and was not missed."""
    every, place = facts.records, _places(facts)
    below: Mask = (place != NONE) & (place < facts.starts[every.log])
    missed = ~facts.seen & facts.covers(every.log, np.maximum(place, 0))
    return below & ~missed & _expires(facts)


def may_have_expired(facts: Facts) -> Mask:
    """Of each record, whether it may be one of those below the log's start: nobody knows where it lay."""
    unplaced: Mask = (_places(facts) == NONE) & (facts.starts[facts.records.log] > 0)
    return unplaced & _expires(facts)


def _expires(facts: Facts) -> bool:
    return facts.columns.settings.cleanup == "delete"


def _cut_off(facts: Facts) -> Mask:
    """Of each record, whether it was acknowledged where the log does not reach, at its end or its start."""
    every, fences = facts.records, facts.columns.fences
    end = np.full(len(facts.columns.names.logs), NEVER, np.int64)
    end[fences.log] = fences.end
    beyond = (every.offset < facts.starts[every.log]) | (every.offset >= end[every.log])
    cut: Mask = (every.offset != NONE) & beyond
    return cut


def _places(facts: Facts) -> Ints:
    """Where each record lay: where it was acknowledged, else the highest offset at which it was seen."""
    every, got = facts.records, facts.columns.deliveries
    whole = facts.delivered != NONE
    seen = Largest(facts.delivered[whole], got.offset[whole]).of(np.arange(every.count))
    return np.where(every.offset != NONE, every.offset, seen)


def looked_for(facts: Facts) -> Mask:
    """Of each record, whether somebody read where it must lie."""
    every = facts.records
    there: Mask = (every.offset != NONE) & facts.covers(every.log, np.maximum(every.offset, 0))
    return there | facts.whole_logs[every.log]


def passed_by_committed(facts: Facts) -> Mask:
    """Of each record, whether a reader of committed records passed over the one place where it can lie.

    Of one that was tried again nobody knows which of its places is the committed one, unless such a reader
    read the whole log.
    """
    every = facts.records
    known = (every.offset != NONE) & (every.tries == 1)
    there: Mask = known & facts.covers(every.log, np.maximum(every.offset, 0), committed=True)
    return there | facts.whole_committed[every.log]
