"""What a group committed: redelivered_committed, commit_ahead, left_behind, inputs_twice, inputs_left_out.

The last completed commit is where a group's next owner begins. A commit without an answer, or one
that overlaps another, leaves several possible; then only what lies below all of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.anomalies.facts import Facts, Fate, Mask
from harness.anomalies.found import Found, excusing, hits
from harness.anomalies.joints import beginnings
from harness.anomalies.largest import running_max
from harness.anomalies.numbered import numbered
from harness.anomalies.progress import committed, consumed
from harness.checkers.guarantees import records as counted
from harness.checkers.spans import Spans, union
from harness.history.columns import NEVER, NONE, WHYS, Ints
from harness.model import Outcome


def redelivered_committed(facts: Facts) -> Found:
    """Polls with which a group's new owner began below what the group had committed."""
    polls, first = facts.columns.polls, _owners(facts)
    owed = np.asarray([_owed(facts, int(poll)) for poll in first], np.int64)
    rows, begun = first[polls.start[first] < owed], int((owed != NONE).sum())
    return Found(
        "redelivered_committed",
        compared={"beginnings": begun},
        hits=hits(polls.log[rows], offset=polls.start[rows], op=polls.op[rows]),
        detail="its group had committed a higher offset before",
        held=f"Each of {counted(begun, 'new owner')} began where its group stood, or above.",
        broken=f"{counted(len(rows), 'new owner')} began below what their group had committed.",
    )


def _owners(facts: Facts) -> Ints:
    """Polls of groups with which a reader began anew where the group stood, not where it was told to."""
    found = beginnings(facts)
    by_hand = (found.why == WHYS.index("seek")) | (found.why == WHYS.index("reset"))
    owners: Ints = found.poll[~by_hand & (facts.group[found.poll] != NONE)]
    return owners


def _owed(facts: Facts, poll: int) -> int:
    """The lowest offset that the group can have stood at when *poll* began; ``NONE`` if it had none."""
    polls = facts.columns.polls
    group, log = int(facts.group[poll]), int(polls.log[poll])
    return _stood(facts, group, log, after=int(polls.invoked[poll]), before=int(polls.done[poll]))


def _stood(facts: Facts, group: int, log: int, *, after: int = NEVER, before: int = NEVER) -> int:
    """The lowest offset at which *group* can have stood at an instant between *after* and *before*."""
    commits = facts.columns.commits
    mine = (commits.group == group) & (commits.log == log)
    begun = mine & (commits.invoked < before) & (commits.outcome != Outcome.FAIL)
    done = begun & (commits.outcome == Outcome.OK) & (commits.done < after)
    if not done.any():
        return NONE
    last = int(commits.invoked[done].max())
    # Whatever ended before the last one began is over; the others may have come after it.
    possible = begun & (np.where(commits.outcome == Outcome.OK, commits.done, last + 1) > last)
    return int(commits.offset[possible].min())


def commit_ahead(facts: Facts) -> Found:
    """Commits beyond what the member had been handed, or beyond what its sink durably holds."""
    commits, handed = facts.columns.commits, _handed(facts)
    asked = commits.outcome != Outcome.FAIL
    unread = asked & (commits.offset > handed)
    unread[unread] = ~_stood_there(facts, np.flatnonzero(unread), borne=asked & ~unread)
    undurable = asked & (commits.durable != NONE) & (commits.offset > commits.durable)
    rows = np.flatnonzero(unread | undurable)
    known = int((asked & ((handed != NEVER) | (commits.durable != NONE))).sum())
    return Found(
        "commit_ahead",
        compared={"commits": known},
        hits=hits(commits.log[rows], offset=commits.offset[rows], op=commits.op[rows]),
        detail="it is beyond what the member had been handed, or what its sink holds",
        held=f"None of {counted(known, 'commit')} was ahead of its member.",
        broken=f"{counted(len(rows), 'commit')} ahead of what their member had been handed or handed on.",
    )


def _stood_there(facts: Facts, rows: Ints, *, borne: Mask) -> Mask:
    """Of each of these commits, whether its group stood there or beyond already.

    A member that was given it there may say so again. Only *borne* commits, whose members had been handed
    as much, and the inputs of transactions show that: commits that nobody read up to bear no others.
    """
    commits, skew = facts.columns.commits, facts.columns.settings.skew_ns
    stood = committed(facts).chosen(borne) | consumed(facts)
    log, group, offset, asked = (
        each[rows] for each in (commits.log, commits.group, commits.offset, commits.invoked)
    )
    return np.asarray(
        [
            (
                (stood.log == on) & (stood.group == by) & (stood.offset >= at) & (stood.invoked <= t + skew)
            ).any()
            for on, by, at, t in zip(log, group, offset, asked, strict=True)
        ],
        np.bool_,
    )


def _handed(facts: Facts) -> Ints:
    """How far each commit's member had come in that log; ``NEVER``: its position had been set by hand since.

    One that was handed nothing had come nowhere: it stands at 0.
    """
    polls, moves, commits = facts.columns.polls, facts.columns.moves, facts.columns.commits
    by_hand = (moves.why == WHYS.index("seek")) | (moves.why == WHYS.index("reset"))
    reader, log, op = (
        np.concatenate([getattr(each, name) for each in (polls, moves, commits)])
        for name in ("reader", "log", "op")
    )
    end, polled, moved = (
        np.concatenate((poll, move, np.full(len(commits.op), NONE, np.int64)))
        for poll, move in (
            (polls.end, np.full(len(moves.op), NONE, np.int64)),
            (polls.op, np.full(len(moves.op), NONE, np.int64)),
            (np.full(len(polls.op), NONE, np.int64), np.where(by_hand, moves.op, NONE)),
        )
    )
    member = numbered(reader, log)
    order = np.lexsort((op, member))
    reached, last, set_at = (running_max(member[order], each[order]) for each in (end, polled, moved))
    handed = np.empty(len(op), np.int64)
    handed[order] = np.where(set_at > last, NEVER, np.maximum(reached, 0))
    return handed[len(op) - len(commits.op) :]


def left_behind(facts: Facts) -> Found:
    """Visible offsets between where a group began and where it stood last that no member was handed."""
    stretches = list(_passed(facts))
    missing = [_not_handed_to(facts, *each) for each in stretches]
    log = np.repeat(np.asarray([log for _, log, _, _ in stretches], np.int64), [len(m) for m in missing])
    compacts = facts.columns.settings.cleanup == "compact"
    return excusing(
        Found(
            "left_behind",
            compared={"offsets passed": sum(until - first for *_, first, until in stretches)},
            hits=hits(log, offset=np.concatenate([np.zeros(0, np.int64), *missing])),
            detail="its group committed a higher offset, and no member was handed it",
            held="What lies below the last commit of a group was handed to one of its members.",
            broken=f"{counted(len(log), 'visible record')} below a group's last commit, handed to no member.",
        ),
        "compaction may have dropped it" if compacts else "",
    )


def _passed(facts: Facts) -> Iterator[tuple[int, int, int, int]]:
    """Group, log, where its members began to read, and where it stood last; nobody set a position between."""
    polls, commits, moves = facts.columns.polls, facts.columns.commits, facts.columns.moves
    by_hand = (moves.why == WHYS.index("seek")) | (moves.why == WHYS.index("reset"))
    for group, log in sorted(set(zip(commits.group.tolist(), commits.log.tolist(), strict=True))):
        mine = (facts.group == group) & (polls.log == log)
        moved = by_hand & (moves.log == log) & np.isin(moves.reader, polls.reader[mine])
        until = _stood(facts, group, log)
        if mine.any() and not moved.any() and until > (first := int(polls.start[mine].min())):
            yield group, log, first, until


def _not_handed_to(facts: Facts, group: int, log: int, first: int, until: int) -> Ints:
    """The offsets in [first, until) of *log* that are visible, and that no member was handed."""
    got = facts.columns.deliveries
    within = (got.log == log) & (first <= got.offset) & (got.offset < until)
    own = within & (facts.group[got.poll] == group)
    return np.setdiff1d(got.offset[within & facts.shown_committed], got.offset[own])


def inputs_twice(facts: Facts) -> Found:
    """Input offsets that two committed transactions of one group consumed."""
    log, group, first, until, op = _consumed(facts)
    reached = running_max(numbered(group, log), until)
    rows = np.flatnonzero(first < np.minimum(reached, until))
    found = Found(
        "inputs_twice",
        compared={"committed inputs": len(first)},
        hits=hits(log[rows], offset=first[rows], op=op[rows]),
        detail="another committed transaction consumed it too",
        held=f"No offset of {counted(len(first), 'committed input')} was consumed twice.",
        broken=f"{counted(len(rows), 'committed input')} consumed again.",
    )
    return excusing(found, _AT_LEAST_ONCE if facts.columns.settings.at_least_once else "")


def inputs_left_out(facts: Facts) -> Found:
    """Visible input offsets below what a group committed that nothing of it can have consumed."""
    log, group, first, until, op = _consumed(facts)
    low = running_max(numbered(group, log), until)
    opens = np.flatnonzero(low == NONE)
    low[opens] = [
        _began(facts, *pair) for pair in zip(group[opens].tolist(), log[opens].tolist(), strict=True)
    ]
    rows = np.flatnonzero(first > low)
    rows = rows[
        [_leaves_out(facts, int(group[r]), int(log[r]), int(low[r]), int(first[r])) for r in rows.tolist()]
    ]
    return Found(
        "inputs_left_out",
        compared={"committed inputs": len(first)},
        hits=hits(log[rows], offset=low[rows], op=op[rows]),
        detail="from here up to this transaction's input nobody consumed what is visible",
        held=f"None of {counted(len(first), 'committed input')} leaves anything out.",
        broken=f"{counted(len(rows), 'hole')} below committed inputs.",
    )


_AT_LEAST_ONCE = "at-least-once"


def _consumed(facts: Facts) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Log, group, first, until and operation of each input of a committed transaction, in order."""
    inputs = facts.columns.inputs
    rows = np.flatnonzero(facts.fates[inputs.number] == Fate.COMMITTED)
    rows = rows[np.lexsort((inputs.until[rows], inputs.first[rows], inputs.log[rows], inputs.group[rows]))]
    return inputs.log[rows], inputs.group[rows], inputs.first[rows], inputs.until[rows], inputs.op[rows]


def _began(facts: Facts, group: int, log: int) -> int:
    """Where *group* began to consume *log*: where a member first stood, else at the start of the log."""
    polls, inputs, fences = facts.columns.polls, facts.columns.inputs, facts.columns.fences
    mine = inputs.number[(inputs.group == group) & (inputs.log == log)]
    stood = polls.start[(polls.log == log) & ((facts.group == group) | np.isin(polls.transaction, mine))]
    start = int(fences.first[fences.log == log].max(initial=0))
    return int(stood.min()) if len(stood) else start


def _leaves_out(facts: Facts, group: int, log: int, low: int, high: int) -> bool:
    """Whether something visible in [low, high) was certainly not consumed, nor passed by a commit."""
    got, inputs, commits = facts.columns.deliveries, facts.columns.inputs, facts.columns.commits
    there = np.unique(got.offset[(got.log == log) & facts.shown_committed])
    passed = commits.offset[
        (commits.group == group) & (commits.log == log) & (commits.outcome != Outcome.FAIL)
    ]
    low = int(passed[passed <= high].max(initial=low))
    mine = (inputs.group == group) & (inputs.log == log) & (facts.fates[inputs.number] == Fate.UNDECIDED)
    maybe = union(inputs.first[mine], inputs.until[mine])
    out = (low <= there) & (there < high) & ~Spans(there, there + 1).within(maybe)
    return bool(out.any())
