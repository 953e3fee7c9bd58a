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
from dataclasses import dataclass, replace

import numpy as np

from harness.checkers.mutate_rows import (
    NoRoom,
    acked_record,
    chosen,
    cut_out,
    end_of,
    fences,
    good_read,
    moved,
    part_of,
    past_the_end,
    pick,
    with_fences,
    with_outcome,
    with_rows,
    without,
)
from harness.journal_entry import JournalEntry
from harness.ledger.evidence import Evidence
from harness.model import Event, LoadEnded, Outcome, ReadState, RunEnded
from harness.verdict import Verdict

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
    one = acked_record(evidence, chance)
    before, _, after = cut_out(evidence.reads, one.read, one.at)
    return replace(evidence, reads=with_rows(evidence.reads, one.read, [before, after]))


def duplicate_record(evidence: Evidence, chance: random.Random) -> Evidence:
    """One record lies a second time at the end of its partition."""
    reads, one = evidence.reads, acked_record(evidence, chance)
    _, copy, _ = cut_out(reads, one.read, one.at)
    end = end_of(reads, int(reads.partition[one.read]))
    return past_the_end(evidence, with_rows(reads, None, [replace(copy, first_offset=np.asarray([end]))]))


def swap_records(evidence: Evidence, chance: random.Random) -> Evidence:
    """Two neighbours of one producer change places."""
    reads, row = evidence.reads, good_read(evidence, chance, least=2)
    at = chance.randrange(int(reads.count[row]) - 1)
    before, first = part_of(reads, row, 0, at), part_of(reads, row, at, at + 1)
    second, after = part_of(reads, row, at + 1, at + 2), part_of(reads, row, at + 2, int(reads.count[row]))
    swapped = [
        replace(second, first_offset=first.first_offset),
        replace(first, first_offset=second.first_offset),
    ]
    return replace(evidence, reads=with_rows(reads, row, [before, *swapped, after]))


def damage_record(state: ReadState) -> Change:
    """One record comes back in *state* instead of good."""

    def apply(evidence: Evidence, chance: random.Random) -> Evidence:
        row, at = _any_record(evidence, chance)
        before, one, after = cut_out(evidence.reads, row, at)
        bad = replace(one, state=np.asarray([int(state)]))
        return replace(evidence, reads=with_rows(evidence.reads, row, [before, bad, after]))

    return apply


def add_phantom(evidence: Evidence, chance: random.Random) -> Evidence:
    """A record comes back that its producer never attempted nor announced."""
    reads = evidence.reads
    row, at = _any_record(evidence, chance)
    _, stranger, _ = cut_out(reads, row, at)
    beyond = int(max(evidence.announced.until_seq.max(initial=0), reads.first_seq.max() + reads.count.max()))
    end = end_of(reads, int(reads.partition[row]))
    made = replace(stranger, first_seq=np.asarray([beyond + 1]), first_offset=np.asarray([end]))
    return past_the_end(evidence, with_rows(reads, None, [made]))


def refuse_attempt(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch that came back was reported as refused."""
    return with_outcome(evidence, acked_record(evidence, chance).attempt, Outcome.FAIL)


def shift_ack(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch lies one offset away from where it was acknowledged."""
    offsets = evidence.attempts.base_offset.copy()
    offsets[acked_record(evidence, chance, named=True).attempt] += 1
    return replace(evidence, attempts=replace(evidence.attempts, base_offset=offsets))


def truncate_log(evidence: Evidence, chance: random.Random) -> Evidence:
    """A partition lost its tail, as after an unclean election, and the fence was passed on what is left."""
    reads = evidence.reads
    row = acked_record(evidence, chance).read
    partition, cut = int(reads.partition[row]), int(reads.first_offset[row])
    kept = (reads.partition != partition) | (reads.first_offset < cut)
    shorter = replace(evidence, reads=chosen(reads, np.flatnonzero(kept)))
    return with_fences(shorter, lambda f: moved(f, cut - f.end_offset) if f.partition == partition else f)


def stop_before_fence(evidence: Evidence, chance: random.Random) -> Evidence:
    """The reader stopped one record short of the sentinel in one partition."""
    partition = _fenced(evidence, chance)
    return with_fences(
        evidence,
        lambda f: f.model_copy(update={"position": f.sentinel_offset}) if f.partition == partition else f,
    )


def forget_fence(evidence: Evidence, chance: random.Random) -> Evidence:
    """One partition was never fenced."""
    partition = _fenced(evidence, chance)
    return with_fences(evidence, lambda f: None if f.partition == partition else f)


def forget_everything(evidence: Evidence, _: random.Random) -> Evidence:
    """Not one row was written."""
    none = np.empty(0, np.int64)
    return replace(evidence, attempts=chosen(evidence.attempts, none), reads=chosen(evidence.reads, none))


def cut_tail(evidence: Evidence, chance: random.Random) -> Evidence:
    """The ledger's files were torn: the last reads of a partition are missing."""
    reads = evidence.reads
    row = acked_record(evidence, chance).read
    gone = (reads.partition == reads.partition[row]) & (reads.first_offset >= reads.first_offset[row])
    return replace(evidence, reads=chosen(reads, np.flatnonzero(~gone)), tail_cut=True)


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
        told = [entry for entry in evidence.journal if entry.step == step]
        fault = pick(chance, told, f"no fault's {step.replace('-', ' was ')}").fault

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
    return with_outcome(evidence, acked_record(evidence, chance).attempt, Outcome.UNKNOWN)


def leave_undecided_unseen(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch timed out and its records never were appended."""
    return _never_appended(evidence, chance, Outcome.UNKNOWN)


def refuse_unseen(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch was refused and its records never were appended."""
    return _never_appended(evidence, chance, Outcome.FAIL)


def read_again(evidence: Evidence, chance: random.Random) -> Evidence:
    """A stretch of the log was read twice, cut differently the second time."""
    row, at = _any_record(evidence, chance)
    pieces = [piece for piece in cut_out(evidence.reads, row, at) if len(piece.count)]
    return replace(evidence, reads=with_rows(evidence.reads, None, pieces))


def forget_attempt(evidence: Evidence, chance: random.Random) -> Evidence:
    """A worker was killed before it wrote a row; only its announcement says that the records may exist."""
    row, announced = acked_record(evidence, chance).attempt, evidence.announced
    attempts = evidence.attempts
    mine = (announced.producer == attempts.producer[row]) & (announced.partition == attempts.partition[row])
    if int(announced.until_seq[mine].max(initial=0)) < int(attempts.first_seq[row] + attempts.count[row]):
        raise NoRoom("the batch was not announced")
    kept = np.flatnonzero(np.arange(attempts.rows) != row)
    return replace(evidence, attempts=chosen(evidence.attempts, kept))


def forget_offset(evidence: Evidence, chance: random.Random) -> Evidence:
    """An acknowledgement did not name an offset."""
    offsets = evidence.attempts.base_offset.copy()
    offsets[acked_record(evidence, chance, named=True).attempt] = -1
    return replace(evidence, attempts=replace(evidence.attempts, base_offset=offsets))


def split_read(evidence: Evidence, chance: random.Random) -> Evidence:
    """A run of records was written down in pieces."""
    row, at = _any_record(evidence, chance)
    return replace(evidence, reads=with_rows(evidence.reads, row, list(cut_out(evidence.reads, row, at))))


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
    """The last batch of a producer in a partition ended as *outcome* and is not in the log."""
    attempts = evidence.attempts
    row = acked_record(evidence, chance).attempt
    producer, partition = int(attempts.producer[row]), int(attempts.partition[row])
    lane = np.flatnonzero((attempts.producer == producer) & (attempts.partition == partition))
    last = int(lane[np.argmax(attempts.first_seq[lane])])
    low, high = int(attempts.first_seq[last]), int(attempts.first_seq[last] + attempts.count[last])
    shorter = without(evidence.reads, producer, partition, low, high)
    return with_outcome(replace(evidence, reads=shorter), last, outcome)


def _any_record(evidence: Evidence, chance: random.Random) -> tuple[int, int]:
    """A row of sound reads and a record's place in it."""
    row = good_read(evidence, chance)
    return row, chance.randrange(int(evidence.reads.count[row]))


def _fenced(evidence: Evidence, chance: random.Random) -> int:
    return pick(chance, fences(evidence), "no partition was fenced").partition
