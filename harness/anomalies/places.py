"""Where records lie: duplicate_log, ack_offset_mismatch, inconsistent_offset, divergent_readers, epochs.

A log gives each offset to one record, and each record one offset, unless it was attempted again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.anomalies.facts import Facts, Mask, at
from harness.anomalies.found import Found, Hits, excusing, hits
from harness.anomalies.largest import running_max
from harness.anomalies.presence import op_of, unfenced
from harness.checkers.guarantees import records as counted
from harness.history.columns import NONE, Ints
from harness.model import Outcome

TRUNCATION = "the log may be truncated (acks below all, or unclean election)"


def truncates(facts: Facts) -> str:
    """The rule that permits a log to be truncated, if the settings do."""
    settings = facts.columns.settings
    return TRUNCATION if settings.acks != "all" or settings.unclean_election else ""


@dataclass(frozen=True, eq=False, slots=True)
class Copies:
    """Distinct (record, log, offset) of whole deliveries, by record and offset; ``op`` where first seen.

    ``epoch`` is the leader's, as told there, or ``NONE``.
    """

    record: Ints
    log: Ints
    offset: Ints
    op: Ints
    epoch: Ints


def copies(facts: Facts, *, committed: bool = False) -> Copies:
    """Every place where a record was seen to lie; *committed*: by readers of committed records."""
    got = facts.columns.deliveries
    whole = np.flatnonzero((facts.delivered != NONE) & (facts.shown_committed | (not committed)))
    triple = np.stack((facts.delivered[whole], got.log[whole], got.offset[whole]))
    (record, log, offset), first = np.unique(triple, axis=1, return_index=True)
    return Copies(record, log, offset, op_of(facts, whole[first]), got.epoch[whole[first]])


def duplicate_log(facts: Facts) -> Found:
    """Records that lie at more offsets than attempts can have put them, committed ones among them."""
    every, lie = facts.records, copies(facts)
    lying = np.bincount(lie.record, minlength=every.count)
    settled = np.bincount(copies(facts, committed=True).record, minlength=every.count)
    again = np.concatenate(([False], lie.record[1:] == lie.record[:-1]))
    repeated = again & (every.attempts[lie.record] > 0)
    many = (lying > np.maximum(every.tries, 1)) | (settled > np.maximum(every.chances, 1))
    beyond = repeated & many[lie.record]
    resent = int((repeated & ~beyond).sum())
    rows = np.flatnonzero(beyond)
    found = Found(
        "duplicate_log",
        compared={"copies": len(lie.record)},
        hits=hits(lie.log[rows], offset=lie.offset[rows], record=lie.record[rows], op=lie.op[rows]),
        detail="the same record lies at an earlier offset too",
        held=f"Each of {counted(len(lie.record), 'record')} lies at one offset.",
        broken=f"{counted(len(rows), 'record')} again at another offset, though sent once.",
        doubt=unfenced(facts),
        excused={"attempted again": resent} if resent else {},
    )
    return excusing(found, _may_repeat(facts))


def _may_repeat(facts: Facts) -> str:
    settings = facts.columns.settings
    if settings.at_least_once:
        return "at-least-once"
    return "" if settings.idempotent else "producers without idempotence"


def ack_offset_mismatch(facts: Facts) -> Found:
    """Records that lie elsewhere than where they were acknowledged.

    Of one that was tried once it is enough to have seen it there; another one's place must have been read.
    """
    every, lie, sends = facts.records, copies(facts), facts.columns.sends
    acked = np.flatnonzero((sends.outcome == Outcome.OK) & (sends.offset != NONE) & facts.settled)
    there = at(facts.attempted[acked], sends.offset[acked])
    confirmed = np.isin(there, at(lie.record, lie.offset))
    once = (every.tries == 1)[facts.attempted[acked]]
    elsewhere = once | facts.covers(sends.log[acked], sends.offset[acked])
    rows = acked[~confirmed & elsewhere & facts.seen[facts.attempted[acked]]]
    return Found(
        "ack_offset_mismatch",
        compared={"acknowledged offsets": int(confirmed.sum())},
        hits=hits(
            sends.log[rows], offset=sends.offset[rows], record=facts.attempted[rows], op=sends.op[rows]
        ),
        detail="it was acknowledged here and lies elsewhere",
        held=f"Each of {counted(int(confirmed.sum()), 'record')} lies where it was acknowledged.",
        broken=f"{counted(len(rows), 'record')} of {every.count:,} not at the acknowledged offset.",
    )


def inconsistent_offset(facts: Facts) -> Found:
    """Offsets that were given to two records: by what was read, and by acknowledgements."""
    lie, sends = copies(facts), facts.columns.sends
    acked = np.flatnonzero((sends.outcome == Outcome.OK) & (sends.offset != NONE) & facts.settled)
    taken = _Taken(
        np.concatenate((lie.log, sends.log[acked])),
        np.concatenate((lie.offset, sends.offset[acked])),
        np.concatenate((lie.record, facts.attempted[acked])),
        np.concatenate((lie.op, sends.op[acked])),
        np.concatenate((lie.epoch, sends.epoch[acked])),
    )
    twice, apart = taken.twice()
    found = Found(
        "inconsistent_offset",
        compared={"offsets": taken.count},
        hits=twice,
        detail="another record holds this offset too",
        held=f"Each of {taken.count:,} offsets holds one record.",
        broken=f"{twice.count:,} of {taken.count:,} offsets given to several records.",
    )
    return excusing(found, truncates(facts), apart)


def divergent_readers(facts: Facts) -> Found:
    """Offsets at which two readers were handed different records."""
    lie = copies(facts)
    taken = _Taken(lie.log, lie.offset, lie.record, lie.op, lie.epoch)
    twice, apart = taken.twice()
    found = Found(
        "divergent_readers",
        compared={"offsets": taken.count},
        hits=twice,
        detail="another reader was handed another record here",
        held=f"All readers agree on each of {taken.count:,} offsets.",
        broken=f"Readers disagree on {twice.count:,} of {taken.count:,} offsets.",
    )
    return excusing(found, truncates(facts), apart)


class _Taken:
    """Which records hold each (log, offset), in which leader epoch."""

    def __init__(self, log: Ints, offset: Ints, record: Ints, op: Ints, epoch: Ints) -> None:
        order = np.lexsort((op, record, offset, log))
        self.log, self.offset, self.record, self.op, self.epoch = (
            each[order] for each in (log, offset, record, op, epoch)
        )
        self.place = at(self.log, self.offset)

    @property
    def count(self) -> int:
        return len(np.unique(self.place))

    def twice(self) -> tuple[Hits, Mask]:
        """The first row of each further record at an offset, ``other`` being the one before it.

        And of each, whether a truncation can have come between the two.
        """
        same = self.place[1:] == self.place[:-1]
        rows = np.flatnonzero(same & (self.record[1:] != self.record[:-1])) + 1
        found = hits(
            self.log[rows],
            offset=self.offset[rows],
            record=self.record[rows],
            op=self.op[rows],
            other=self.op[rows - 1],
        )
        return found, epochs_apart(self.epoch[rows], self.epoch[rows - 1])


def epochs_apart(one: Ints, other: Ints) -> Mask:
    """Whether two records may be of different leader epochs: a log is truncated only by a new leader."""
    apart: Mask = (one != other) | (one == NONE)
    return apart


def epoch_regression(facts: Facts) -> Found:
    """Records whose leader epoch is below that of an earlier offset: nothing permits it."""
    got = facts.columns.deliveries
    told = np.flatnonzero(got.epoch != NONE)
    order = told[np.lexsort((got.offset[told], got.log[told]))]
    before = running_max(got.log[order], got.epoch[order])
    rows = order[got.epoch[order] < before]
    return Found(
        "epoch_regression",
        compared={"epochs": len(told)},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="its leader epoch is below that of an earlier offset",
        held=f"The leader epochs of {counted(len(told), 'record')} never fall.",
        broken=f"The leader epoch falls at {counted(len(rows), 'record')}.",
    )
