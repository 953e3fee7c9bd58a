"""What a transaction must be: whole, unseen before its commit, alone in its incarnation, and ended.

torn_transaction, precommitted_read, own_read, zombie_write, hanging_transaction, read_cycle,
inputs_twice and inputs_left_out (exactly-once consumption).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.anomalies.cycles import in_cycles
from harness.anomalies.facts import Facts, Fate, Mask
from harness.anomalies.found import Found, Hits, hits
from harness.anomalies.largest import running_max
from harness.anomalies.numbered import numbered
from harness.anomalies.pick import pick
from harness.anomalies.places import copies
from harness.anomalies.presence import (
    expired,
    last_attempt,
    looked_for,
    may_have_expired,
    op_of,
    passed_by_committed,
    superseded,
)
from harness.checkers.guarantees import records as counted
from harness.history.columns import NONE, Ints
from harness.model import Outcome

_UNCOMMITTED = "read uncommitted"


def torn_transaction(facts: Facts) -> Found:
    """Committed transactions some of whose records are there, and others are not where they must be."""
    every, told = facts.records, _told(facts)
    number, record = told.number, told.record
    gone = superseded(facts) | expired(facts) | may_have_expired(facts)
    due = told.holds & told.committed[number] & ~gone[record]
    missing, hidden = due & ~facts.seen[record], due & ~facts.seen_committed[record]
    looked, short, whole = looked_for(facts)[record], _short(facts, told), facts.whole_logs.all()
    absent = (missing & looked) | (hidden & passed_by_committed(facts)[record])
    torn = absent & (told.present > 0)[number]
    rows, ends = record[torn], facts.columns.ends.number
    broken = np.union1d(number[torn], ends[short & whole])
    # Where not every log was read through, what nobody told of may lie where nobody read.
    unsure = np.setdiff1d(np.union1d(number[missing & ~looked], ends[short & ~whole]), broken)
    committed = int(told.committed.sum())
    return Found(
        "torn_transaction",
        compared={"committed": committed, "records": int(told.committed[number].sum())},
        hits=_joined(
            hits(every.log[rows], offset=every.offset[rows], record=rows, op=last_attempt(facts)[rows]),
            _undeclared(facts, short & whole),
        ),
        detail=_flawed(facts, "its transaction is committed, and not whole"),
        held=f"None of {counted(committed, 'committed transaction')} is torn.",
        broken=f"{counted(len(broken), 'committed transaction')} torn.",
        doubt=_UNREAD.format(counted(len(unsure), "committed transaction")) if len(unsure) else "",
    )


_UNREAD = "{} not seen whole, and nobody read where the rest must lie"


@dataclass(frozen=True, eq=False, slots=True)
class _Told:
    """Distinct (transaction, record) that were attempted; ``holds``: an attempt did not fail.

    By transaction: ``count`` records were attempted, ``present`` of them were seen, and it is ``committed``
    and holds something.
    """

    number: Ints
    record: Ints
    holds: Mask
    count: Ints
    present: Ints
    committed: Mask


def _told(facts: Facts) -> _Told:
    sends, total = facts.columns.sends, len(facts.columns.names.transactions)
    inside = np.flatnonzero(sends.transaction != NONE)
    pairs = np.stack((sends.transaction[inside], facts.attempted[inside]))
    (number, record), place = np.unique(pairs, axis=1, return_inverse=True)
    holds = np.bincount(place.reshape(-1), sends.outcome[inside] != Outcome.FAIL, len(number)) > 0
    count = np.bincount(number, minlength=total)
    present = np.bincount(number[holds & facts.seen[record]], minlength=total)
    some = (count > 0) | (_declared(facts) > 0)
    return _Told(number, record, holds, count, present, some & (facts.fates == Fate.COMMITTED))


def _declared(facts: Facts) -> Ints:
    """How many records each transaction is said to hold; ``NONE`` where nobody says so."""
    declared = np.full(len(facts.columns.names.transactions), NONE, np.int64)
    declared[facts.columns.ends.number] = facts.columns.ends.records
    return declared


def _short(facts: Facts, told: _Told) -> Mask:
    """Of each end, whether it commits more records than anybody told of: those are not seen."""
    ends = facts.columns.ends
    short: Mask = told.committed[ends.number] & (ends.records > told.count[ends.number])
    return short


def _undeclared(facts: Facts, rows: Mask) -> Hits:
    return hits(np.full(int(rows.sum()), NONE, np.int64), op=facts.columns.ends.op[rows])


def precommitted_read(facts: Facts) -> Found:
    """Records shown to a reader of committed records before anybody had asked for the commit."""
    every, polls, got = facts.records, facts.columns.polls, facts.columns.deliveries
    part = (facts.delivered != NONE) & (every.transaction[facts.delivered] != NONE)
    once = part & (every.attempts == 1)[facts.delivered]
    rows = np.flatnonzero(once)
    asked = commit_asked(facts)[every.transaction[facts.delivered[rows]]]
    early = polls.done[got.poll[rows]] + facts.columns.settings.skew_ns < asked
    shown = facts.shown_committed[rows]
    known = int((shown & (asked >= 0)).sum())
    permitted, rows = int((early & ~shown).sum()), rows[early & shown]
    return Found(
        "precommitted_read",
        compared={"delivered from transactions": known},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="it was shown before its transaction's commit began",
        held="No record was shown before its transaction's commit began.",
        broken=f"{counted(len(rows), 'record')} shown before their transaction's commit began.",
        excused={_UNCOMMITTED: permitted} if permitted else {},
    )


def commit_asked(facts: Facts) -> Ints:
    """When somebody asked for each transaction's commit; ``-1`` (before everything) if nobody tells."""
    ends = facts.columns.ends
    asked = np.full(len(facts.columns.names.transactions), -1, np.int64)
    commits = ends.commits == 1
    asked[ends.number[commits]] = ends.invoked[commits]
    return asked


def own_read(facts: Facts) -> Found:
    """Transactions that were handed a record which they had sent themselves."""
    every, polls, got = facts.records, facts.columns.polls, facts.columns.deliveries
    within = polls.transaction[got.poll]
    known = (facts.delivered != NONE) & (within != NONE)
    rows = np.flatnonzero(known & (every.transaction[facts.delivered] == within))
    permitted = ~facts.shown_committed[rows]
    rows, excused = rows[~permitted], int(permitted.sum())
    return Found(
        "own_read",
        compared={"delivered inside transactions": int((known & facts.shown_committed).sum())},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="the transaction that polled it had sent it",
        held="No transaction was handed what it had sent itself.",
        broken=f"{counted(len(rows), 'record')} handed to the transaction that sent them.",
        excused={_UNCOMMITTED: excused} if excused else {},
    )


def zombie_write(facts: Facts) -> Found:
    """Visible records of an old incarnation of a transactional id above those of a newer one."""
    lie, (writer, incarnation) = copies(facts), _writers(facts)
    number = facts.records.transaction[lie.record]
    visible = (pick(facts.fates, number) == Fate.COMMITTED) & (pick(writer, number) != NONE)
    record, log, offset = lie.record[visible], lie.log[visible], lie.offset[visible]
    by, session = writer[number[visible]], incarnation[number[visible]]
    group = numbered(log, by)
    order = np.lexsort((offset, group))
    late = order[session[order] < running_max(group[order], session[order])]
    return Found(
        "zombie_write",
        compared={"records of known writers": len(record), "transactional ids": len(np.unique(by))},
        hits=hits(log[late], offset=offset[late], record=record[late], op=last_attempt(facts)[record[late]]),
        detail="a newer incarnation of its transactional id had written below it",
        held="No incarnation wrote after a newer one of its transactional id.",
        broken=f"{counted(len(late), 'record')} written after a newer incarnation had begun.",
    )


def _writers(facts: Facts) -> tuple[Ints, Ints]:
    """The writer and incarnation of each transaction, ``NONE`` where nobody tells."""
    ends, total = facts.columns.ends, len(facts.columns.names.transactions)
    writer, incarnation = np.full(total, NONE, np.int64), np.full(total, NONE, np.int64)
    writer[ends.number], incarnation[ends.number] = ends.writer, ends.incarnation
    return writer, incarnation


def hanging_transaction(facts: Facts) -> Found:
    """Logs whose last stable offset stayed below their end after all producers had stopped."""
    fences = facts.columns.fences
    rows = np.flatnonzero(fences.stable < fences.end)
    return Found(
        "hanging_transaction",
        compared={"fences": len(fences.op)},
        hits=hits(fences.log[rows], offset=fences.stable[rows], op=fences.op[rows]),
        detail="readers of committed records see nothing from here on",
        held=f"Nothing is left open in {counted(len(fences.op), 'partition')}.",
        broken=f"{counted(len(rows), 'partition')} with a transaction left open.",
    )


def read_cycle(facts: Facts) -> Found:
    """Transactions that read each other's records in a circle (Adya's G1c, by reads alone)."""
    every, polls, got = facts.records, facts.columns.polls, facts.columns.deliveries
    reads = polls.transaction[got.poll]
    known = (facts.delivered != NONE) & (reads != NONE) & facts.shown_committed
    wrote = np.where(known, every.transaction[facts.delivered], NONE)
    rows = np.flatnonzero(known & (wrote != NONE) & (wrote != reads))
    between = len(rows)
    circle = in_cycles(wrote[rows], reads[rows], len(facts.columns.names.transactions))
    rows = rows[circle[wrote[rows]] & circle[reads[rows]]]
    return Found(
        "read_cycle",
        compared={"reads between transactions": between},
        hits=hits(
            got.log[rows], offset=got.offset[rows], record=facts.delivered[rows], op=op_of(facts, rows)
        ),
        detail="its transaction reads, directly or through others, what the reader wrote",
        held="No transactions read each other's records in a circle.",
        broken=f"{counted(len(rows), 'record')} read in a circle of transactions.",
    )


def _joined(first: Hits, second: Hits) -> Hits:
    names = ("log", "offset", "record", "op", "other")
    return Hits(*(np.concatenate((getattr(first, name), getattr(second, name))) for name in names))


def _flawed(facts: Facts, detail: str) -> str:
    """With a protocol that has the flaw of KIP-890, say so: it explains, and excuses nothing."""
    flawed = facts.columns.settings.transaction_version < 2
    return f"{detail} (a known flaw before KIP-890)" if flawed else detail
