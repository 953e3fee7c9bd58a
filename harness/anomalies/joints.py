"""How the polls of one reader over one log follow each other, and where its position was set between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.anomalies.facts import Facts
from harness.history.columns import NONE, Ints


@dataclass(frozen=True, eq=False, slots=True)
class Joints:
    """Polls that follow another one of their reader and log with nobody having set the position.

    ``start`` is where it began, ``end`` where the one before had ended.
    """

    poll: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True, eq=False, slots=True)
class Beginnings:
    """Polls that follow none of their reader and log, or a move: ``why`` of that move, or ``NONE``."""

    poll: Ints
    why: Ints


def joints(facts: Facts) -> Joints:
    """Every poll that has to join on to the one before."""
    polls, (poll, before, _) = facts.columns.polls, _followed(facts)
    joined = (poll != NONE) & (before != NONE)
    return Joints(poll[joined], polls.start[poll[joined]], polls.end[before[joined]])


def beginnings(facts: Facts) -> Beginnings:
    """Every poll that begins anew."""
    poll, before, why = _followed(facts)
    anew = (poll != NONE) & (before == NONE)
    return Beginnings(poll[anew], why[anew])


def _followed(facts: Facts) -> tuple[Ints, Ints, Ints]:
    """Polls and moves by reader, log and time: the poll, the poll right before it, the move right before it.

    Each is ``NONE`` where there is none.
    """
    polls, moves = facts.columns.polls, facts.columns.moves
    reader, log, op = (
        np.concatenate((getattr(polls, name), getattr(moves, name))) for name in ("reader", "log", "op")
    )
    poll = np.concatenate((np.arange(len(polls.op)), np.full(len(moves.op), NONE, np.int64)))
    why = np.concatenate((np.full(len(polls.op), NONE, np.int64), moves.why))
    order = np.lexsort((op, log, reader))
    reader, log, poll, why = reader[order], log[order], poll[order], why[order]
    same = np.concatenate(([False], (reader[1:] == reader[:-1]) & (log[1:] == log[:-1])))[: len(poll)]
    before, moved = np.roll(poll, 1), np.roll(why, 1)
    return poll, np.where(same, before, NONE), np.where(same, moved, NONE)
