"""What planted defects are made of: a record is chosen, rows are cut, fences are moved.

Nothing here is a defect by itself. Every choice is drawn from a stream of chance, and a ledger
that has nothing to choose from says so with ``NoRoom``: then the defect cannot be planted in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from harness.ledger.evidence import (
    Archive,
    Attempts,
    Evidence,
    Inputs,
    Ints,
    Objects,
    Placed,
    Reads,
    Results,
)
from harness.model import Fence, FencePassed, Outcome, ReadState

C = TypeVar("C", Attempts, Reads, Archive, Objects, Inputs, Results, Placed)
T = TypeVar("T")

_TRIES = 200


class NoRoom(Exception):
    """The ledger has nothing of what is to be changed; says what, as a clause."""


def pick(chance: random.Random, candidates: Sequence[T] | Ints, lacking: str) -> T:
    """One of *candidates*.

    Raises:
        NoRoom: there is none; *lacking* says of what.
    """
    if not len(candidates):
        raise NoRoom(lacking)
    return candidates[chance.randrange(len(candidates))]


@dataclass(frozen=True, slots=True)
class Chosen:
    """An acknowledged record that came back once: its row of ``attempts``, of ``reads``, its place there."""

    attempt: int
    read: int
    at: int


def acked_record(evidence: Evidence, chance: random.Random, *, named: bool = False) -> Chosen:
    """An acknowledged record that came back at one offset; *named*: and was told that offset.

    Raises:
        NoRoom: there is none, or it is not found in 200 draws.
    """
    attempts, reads = evidence.attempts, evidence.reads
    rows = np.flatnonzero((attempts.outcome == Outcome.OK) & (attempts.base_offset >= (0 if named else -1)))
    for _ in range(_TRIES):
        row = int(pick(chance, rows, "no batch was acknowledged"))
        sequence = int(attempts.first_seq[row]) + chance.randrange(int(attempts.count[row]))
        holds = (reads.producer == attempts.producer[row]) & (reads.partition == attempts.partition[row])
        holds &= (reads.first_seq <= sequence) & (sequence < reads.first_seq + reads.count)
        found = np.flatnonzero(holds & (reads.state == ReadState.GOOD))
        if len(found) == 1:
            return Chosen(row, int(found[0]), sequence - int(reads.first_seq[found[0]]))
    raise NoRoom("no acknowledged record came back exactly once")


def good_read(evidence: Evidence, chance: random.Random, *, least: int = 1) -> int:
    """A row of ``reads`` of at least so many sound records."""
    reads = evidence.reads
    rows = np.flatnonzero((reads.state == ReadState.GOOD) & (reads.count >= least))
    return int(pick(chance, rows, f"no run of {least} sound records was read"))


def without(reads: Reads, producer: int, partition: int, low: int, high: int) -> Reads:
    """*reads* less the records *low* to *high* of one producer and partition."""
    mine = (reads.producer == producer) & (reads.partition == partition) & (reads.state == ReadState.GOOD)
    hit = np.flatnonzero(mine & (reads.first_seq < high) & (reads.first_seq + reads.count > low))
    pieces = []
    for row in hit.tolist():
        first, count = int(reads.first_seq[row]), int(reads.count[row])
        pieces += [part_of(reads, row, 0, low - first), part_of(reads, row, high - first, count)]
    return joined(chosen(reads, np.delete(np.arange(len(reads.count)), hit)), *pieces)


def joined(*parts: C) -> C:
    """The rows of several tables of columns, one after another."""
    names = [field.name for field in fields(parts[0])]
    return replace(parts[0], **{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def with_outcome(evidence: Evidence, row: int, outcome: Outcome) -> Evidence:
    """The attempt at *row* ended as *outcome*, which names no offset."""
    attempts = evidence.attempts
    outcomes, offsets = attempts.outcome.copy(), attempts.base_offset.copy()
    outcomes[row], offsets[row] = int(outcome), -1
    return replace(evidence, attempts=replace(attempts, outcome=outcomes, base_offset=offsets))


def end_of(reads: Reads, partition: int) -> int:
    """One past the last offset of *partition* that was read."""
    rows = reads.partition == partition
    return int((reads.first_offset[rows] + reads.count[rows]).max(initial=0))


def past_the_end(evidence: Evidence, reads: Reads) -> Evidence:
    """*evidence* with *reads*, and fences moved to where they end now."""
    grown = replace(evidence, reads=reads)
    return with_fences(grown, lambda f: moved(f, max(0, end_of(reads, f.partition) - f.end_offset)))


def fences(evidence: Evidence) -> tuple[Fence, ...]:
    """What the last fence proved."""
    passed = evidence.last(FencePassed)
    return passed.fences if passed else ()


def with_fences(evidence: Evidence, change: Callable[[Fence], Fence | None]) -> Evidence:
    """Every fence changed, or left out where *change* gives None."""
    changed = tuple(fence for old in fences(evidence) if (fence := change(old)) is not None)
    events = tuple(
        event.model_copy(update={"fences": changed}) if isinstance(event, FencePassed) else event
        for event in evidence.events
    )
    return replace(evidence, events=events)


def moved(fence: Fence, by: int) -> Fence:
    """*fence* so many offsets further on."""
    names = ("end_offset", "committed_end_offset", "sentinel_offset", "position")
    return fence.model_copy(update={name: getattr(fence, name) + by for name in names})


def cut_out(reads: Reads, row: int, at: int) -> tuple[Reads, Reads, Reads]:
    """What comes before, at, and after one record of a row."""
    count = int(reads.count[row])
    return part_of(reads, row, 0, at), part_of(reads, row, at, at + 1), part_of(reads, row, at + 1, count)


def part_of(reads: Reads, row: int, start: int, end: int) -> Reads:
    """Records *start* to *end* of a row; no row at all when that is none."""
    start = max(0, start)
    one = chosen(reads, np.asarray([row] if start < end else [], np.int64))
    return replace(
        one,
        first_seq=one.first_seq + start,
        first_offset=one.first_offset + start,
        count=np.full(len(one.count), end - start, np.int64),
    )


def with_rows(reads: Reads, instead_of: int | None, pieces: list[Reads]) -> Reads:
    """*reads* with *pieces* in the place of one row, or at the end."""
    place = len(reads.count) if instead_of is None else instead_of
    skip = place if instead_of is None else place + 1
    return joined(chosen(reads, np.arange(place)), *pieces, chosen(reads, np.arange(skip, len(reads.count))))


def chosen(columns: C, rows: Ints) -> C:
    """The given rows of a table of columns."""
    names = [field.name for field in fields(columns)]
    return replace(columns, **{name: getattr(columns, name)[rows] for name in names})


def shuffled(many: int, chance: random.Random) -> Ints:
    """The numbers below *many* in another order."""
    order = list(range(many))
    chance.shuffle(order)
    return np.asarray(order, np.int64)
