"""Planted defects: what every checker must catch, and noise that none may mistake for a defect.

Each mutation takes the evidence of a passing run and returns that of a run with
exactly one thing wrong. ``DEFECTS`` names the finding that must change and the
verdict it must change to; ``NOISE`` must leave every guarantee as it was.
Mutations change the stored rows only, as a defective pipeline or a torn file
would, and are deterministic for a given stream of chance.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from harness.ledger.evidence import Attempts, Evidence, Ints, Reads
from harness.model import Event, Fence, FencePassed, JournalEntry, LoadEnded, Outcome, ReadState, RunEnded
from harness.verdict import Verdict

C = TypeVar("C", Attempts, Reads)
Change = Callable[[Evidence, random.Random], Evidence]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One planted defect: ``caught_by`` must say ``verdict``."""

    name: str
    apply: Change
    caught_by: str
    verdict: Verdict = Verdict.FAIL


def drop_record(evidence: Evidence, chance: random.Random) -> Evidence:
    """One acknowledged record does not come back."""
    row = _acked_read(evidence, chance)
    before, _, after = _cut_out(evidence.reads, row, chance)
    return replace(evidence, reads=_rows(evidence.reads, row, [before, after]))


def duplicate_record(evidence: Evidence, chance: random.Random) -> Evidence:
    """One record lies a second time at the end of its partition."""
    reads = evidence.reads
    row = chance.randrange(len(reads.count))
    _, copy, _ = _cut_out(reads, row, chance)
    end = _end_of(reads, int(reads.partition[row]))
    return _past_the_end(evidence, _rows(reads, None, [replace(copy, first_offset=np.asarray([end]))]))


def swap_records(evidence: Evidence, chance: random.Random) -> Evidence:
    """Two neighbours of one producer change places."""
    reads = evidence.reads
    row = int(chance.choice(np.flatnonzero(reads.count >= 2).tolist()))
    at = chance.randrange(int(reads.count[row]) - 1)
    before, first = _part(reads, row, 0, at), _part(reads, row, at, at + 1)
    second, after = _part(reads, row, at + 1, at + 2), _part(reads, row, at + 2, int(reads.count[row]))
    swapped = [
        replace(second, first_offset=first.first_offset),
        replace(first, first_offset=second.first_offset),
    ]
    return replace(evidence, reads=_rows(reads, row, [before, *swapped, after]))


def damage_record(state: ReadState) -> Change:
    """One record comes back in *state* instead of good."""

    def apply(evidence: Evidence, chance: random.Random) -> Evidence:
        row = chance.randrange(len(evidence.reads.count))
        before, one, after = _cut_out(evidence.reads, row, chance)
        bad = replace(one, state=np.asarray([int(state)]))
        return replace(evidence, reads=_rows(evidence.reads, row, [before, bad, after]))

    return apply


def add_phantom(evidence: Evidence, chance: random.Random) -> Evidence:
    """A record comes back that its producer never attempted nor announced."""
    reads = evidence.reads
    row = chance.randrange(len(reads.count))
    _, stranger, _ = _cut_out(reads, row, chance)
    beyond = int(max(evidence.announced.until_seq.max(initial=0), reads.first_seq.max() + reads.count.max()))
    end = _end_of(reads, int(reads.partition[row]))
    made = replace(stranger, first_seq=np.asarray([beyond + 1]), first_offset=np.asarray([end]))
    return _past_the_end(evidence, _rows(reads, None, [made]))


def refuse_attempt(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch that came back was reported as refused."""
    return _with_outcome(evidence, chance.choice(_acked_rows(evidence)), Outcome.FAIL)


def shift_ack(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch lies one offset away from where it was acknowledged."""
    offsets = evidence.attempts.base_offset.copy()
    offsets[chance.choice(_acked_rows(evidence))] += 1
    return replace(evidence, attempts=replace(evidence.attempts, base_offset=offsets))


def truncate_log(evidence: Evidence, chance: random.Random) -> Evidence:
    """A partition lost its tail, as after an unclean election, and the fence was passed on what is left."""
    reads = evidence.reads
    row = _acked_read(evidence, chance)
    partition, cut = int(reads.partition[row]), int(reads.first_offset[row])
    kept = (reads.partition != partition) | (reads.first_offset < cut)
    shorter = replace(evidence, reads=_chosen(reads, np.flatnonzero(kept)))
    return _with_fences(shorter, lambda f: _moved(f, cut - f.end_offset) if f.partition == partition else f)


def stop_before_fence(evidence: Evidence, chance: random.Random) -> Evidence:
    """The reader stopped one record short of the sentinel in one partition."""
    partition = chance.choice(_fences(evidence)).partition
    return _with_fences(
        evidence,
        lambda f: f.model_copy(update={"position": f.sentinel_offset}) if f.partition == partition else f,
    )


def forget_fence(evidence: Evidence, chance: random.Random) -> Evidence:
    """One partition was never fenced."""
    partition = chance.choice(_fences(evidence)).partition
    return _with_fences(evidence, lambda f: None if f.partition == partition else f)


def forget_everything(evidence: Evidence, _: random.Random) -> Evidence:
    """Not one row was written."""
    none = np.empty(0, np.int64)
    return replace(evidence, attempts=_chosen(evidence.attempts, none), reads=_chosen(evidence.reads, none))


def cut_tail(evidence: Evidence, chance: random.Random) -> Evidence:
    """The ledger's files were torn: the last reads of a partition are missing."""
    reads = evidence.reads
    partition = int(chance.choice(reads.partition.tolist()))
    last = int(np.flatnonzero(reads.partition == partition)[-1])
    kept = np.flatnonzero(np.arange(len(reads.count)) != last)
    return replace(evidence, reads=_chosen(reads, kept), tail_cut=True)


def die_early(evidence: Evidence, _: random.Random) -> Evidence:
    """The harness died before the end of the run."""
    return replace(evidence, events=tuple(e for e in evidence.events if not isinstance(e, RunEnded)))


def lose_locust_count(evidence: Evidence, _: random.Random) -> Evidence:
    """Locust counted one request fewer than the ledger holds."""

    def miscount(event: Event) -> Event:
        if not isinstance(event, LoadEnded):
            return event
        return event.model_copy(update={"locust_requests": event.locust_requests - 1})

    return replace(evidence, events=tuple(miscount(event) for event in evidence.events))


def forget_step(step: str) -> Change:
    """The journal of one fault lacks *step*."""

    def apply(evidence: Evidence, chance: random.Random) -> Evidence:
        fault = chance.choice(evidence.journal).fault

        def kept(entry: JournalEntry) -> bool:
            return entry.fault != fault or entry.step != step

        return replace(evidence, journal=tuple(filter(kept, evidence.journal)))

    return apply


DEFECTS = (
    Mutation("a record dropped", drop_record, "no_loss"),
    Mutation("a log truncated", truncate_log, "no_loss"),
    Mutation("a record duplicated", duplicate_record, "no_duplicates"),
    Mutation("two records swapped", swap_records, "order_per_key"),
    Mutation("an acknowledged offset shifted", shift_ack, "order_per_key"),
    Mutation("a phantom added", add_phantom, "no_phantoms"),
    Mutation("an ok turned into a fail", refuse_attempt, "no_phantoms"),
    Mutation("a byte flipped", damage_record(ReadState.CORRUPT), "integrity"),
    Mutation("a record of another run", damage_record(ReadState.FOREIGN), "integrity"),
    Mutation("a record misrouted", damage_record(ReadState.MISROUTED), "integrity"),
    Mutation("a reader that stopped short", stop_before_fence, "no_loss", Verdict.UNKNOWN),
    Mutation("a fence missing", forget_fence, "no_loss", Verdict.UNKNOWN),
    Mutation("an empty ledger", forget_everything, "no_loss", Verdict.UNKNOWN),
    Mutation("a ledger cut", cut_tail, "no_loss", Verdict.UNKNOWN),
    Mutation("a harness that died", die_early, "run_complete", Verdict.UNKNOWN),
    Mutation("a Locust request uncounted", lose_locust_count, "ledger_whole", Verdict.UNKNOWN),
    Mutation("an effect unproven", forget_step("effect-proven"), "faults_observed", Verdict.UNKNOWN),
    Mutation("a healing unproven", forget_step("healing-proven"), "faults_healed", Verdict.UNSAFE),
)


def leave_undecided_seen(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch that came back had timed out."""
    return _with_outcome(evidence, chance.choice(_acked_rows(evidence)), Outcome.UNKNOWN)


def leave_undecided_unseen(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch timed out and its records never were appended."""
    return _never_appended(evidence, chance, Outcome.UNKNOWN)


def refuse_unseen(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch was refused and its records never were appended."""
    return _never_appended(evidence, chance, Outcome.FAIL)


def read_again(evidence: Evidence, chance: random.Random) -> Evidence:
    """A stretch of the log was read twice, cut differently the second time."""
    row = chance.randrange(len(evidence.reads.count))
    pieces = [piece for piece in _cut_out(evidence.reads, row, chance) if len(piece.count)]
    return replace(evidence, reads=_rows(evidence.reads, None, pieces))


def forget_attempt(evidence: Evidence, chance: random.Random) -> Evidence:
    """A worker was killed before it wrote a row; only its announcement says that the records may exist."""
    row = chance.choice(_acked_rows(evidence))
    kept = np.flatnonzero(np.arange(evidence.attempts.rows) != row)
    return replace(evidence, attempts=_chosen(evidence.attempts, kept))


def forget_offset(evidence: Evidence, chance: random.Random) -> Evidence:
    """An acknowledgement did not name an offset."""
    offsets = evidence.attempts.base_offset.copy()
    offsets[chance.choice(_acked_rows(evidence))] = -1
    return replace(evidence, attempts=replace(evidence.attempts, base_offset=offsets))


def split_read(evidence: Evidence, chance: random.Random) -> Evidence:
    """A run of records was written down in pieces."""
    row = chance.randrange(len(evidence.reads.count))
    return replace(evidence, reads=_rows(evidence.reads, row, list(_cut_out(evidence.reads, row, chance))))


NOISE: dict[str, Change] = {
    "undecided and there": leave_undecided_seen,
    "undecided and not there": leave_undecided_unseen,
    "refused and not there": refuse_unseen,
    "read twice": read_again,
    "announced only, and there": forget_attempt,
    "acknowledged without an offset": forget_offset,
    "a run in pieces": split_read,
}


def _never_appended(evidence: Evidence, chance: random.Random, outcome: Outcome) -> Evidence:
    """The last batch of a partition ended as *outcome* and is not in the log."""
    attempts, reads = evidence.attempts, evidence.reads
    partition = int(chance.choice(reads.partition.tolist()))
    last = int(np.flatnonzero(attempts.partition == partition)[-1])
    gone = (reads.producer == attempts.producer[last]) & (reads.partition == partition)
    gone &= reads.first_seq >= attempts.first_seq[last]
    count = int(reads.count[gone].sum())
    shorter = replace(evidence, reads=_chosen(reads, np.flatnonzero(~gone)))
    shorter = _with_fences(shorter, lambda f: _moved(f, -count) if f.partition == partition else f)
    return _with_outcome(shorter, last, outcome)


def _with_outcome(evidence: Evidence, row: int, outcome: Outcome) -> Evidence:
    attempts = evidence.attempts
    outcomes, offsets = attempts.outcome.copy(), attempts.base_offset.copy()
    outcomes[row], offsets[row] = int(outcome), -1
    return replace(evidence, attempts=replace(attempts, outcome=outcomes, base_offset=offsets))


def _acked_rows(evidence: Evidence) -> list[int]:
    rows = np.flatnonzero(evidence.attempts.outcome == Outcome.OK)
    return [int(row) for row in rows]


def _acked_read(evidence: Evidence, chance: random.Random) -> int:
    """A row of reads whose records were all acknowledged."""
    attempts, reads = evidence.attempts, evidence.reads
    batch = chance.choice(_acked_rows(evidence))
    inside = (reads.producer == attempts.producer[batch]) & (reads.partition == attempts.partition[batch])
    inside &= reads.first_seq < attempts.first_seq[batch] + attempts.count[batch]
    inside &= reads.first_seq >= attempts.first_seq[batch]
    return int(np.flatnonzero(inside)[0])


def _end_of(reads: Reads, partition: int) -> int:
    rows = reads.partition == partition
    return int((reads.first_offset[rows] + reads.count[rows]).max())


def _past_the_end(evidence: Evidence, reads: Reads) -> Evidence:
    """*evidence* with *reads*, and fences moved to where they end now."""
    grown = replace(evidence, reads=reads)
    return _with_fences(grown, lambda f: _moved(f, max(0, _end_of(reads, f.partition) - f.end_offset)))


def _fences(evidence: Evidence) -> tuple[Fence, ...]:
    passed = evidence.last(FencePassed)
    return passed.fences if passed else ()


def _with_fences(evidence: Evidence, change: Callable[[Fence], Fence | None]) -> Evidence:
    changed = tuple(fence for old in _fences(evidence) if (fence := change(old)) is not None)
    events = tuple(
        event.model_copy(update={"fences": changed}) if isinstance(event, FencePassed) else event
        for event in evidence.events
    )
    return replace(evidence, events=events)


def _moved(fence: Fence, by: int) -> Fence:
    names = ("end_offset", "committed_end_offset", "sentinel_offset", "position")
    return fence.model_copy(update={name: getattr(fence, name) + by for name in names})


def _cut_out(reads: Reads, row: int, chance: random.Random) -> tuple[Reads, Reads, Reads]:
    """What comes before, at, and after one record of a row."""
    count = int(reads.count[row])
    at = chance.randrange(count)
    return _part(reads, row, 0, at), _part(reads, row, at, at + 1), _part(reads, row, at + 1, count)


def _part(reads: Reads, row: int, start: int, end: int) -> Reads:
    """Records *start* to *end* of a row; no row at all when that is none."""
    one = _chosen(reads, np.asarray([row] if start < end else [], np.int64))
    return replace(
        one,
        first_seq=one.first_seq + start,
        first_offset=one.first_offset + start,
        count=np.full(len(one.count), end - start, np.int64),
    )


def _rows(reads: Reads, instead_of: int | None, pieces: list[Reads]) -> Reads:
    """*reads* with *pieces* in the place of one row, or at the end."""
    place = len(reads.count) if instead_of is None else instead_of
    skip = place if instead_of is None else place + 1
    parts = [_chosen(reads, np.arange(place)), *pieces, _chosen(reads, np.arange(skip, len(reads.count)))]
    names = [field.name for field in fields(reads)]
    return replace(reads, **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def _chosen(columns: C, rows: Ints) -> C:
    """The given rows of a table of columns."""
    names = [field.name for field in fields(columns)]
    return replace(columns, **{name: getattr(columns, name)[rows] for name in names})
