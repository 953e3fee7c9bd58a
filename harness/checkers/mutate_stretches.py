"""Planted defects that are larger than a record: segments, batches, clocks, loads, fences and transactions.

As ``harness.checkers.mutate``: each takes the evidence of a run and returns that of a run with exactly one
thing wrong, and says ``NoRoom`` where the run has nothing of the kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.checkers import clocks, transactions
from harness.checkers.disturbances import disturbances
from harness.checkers.mutate import Change, Mutation
from harness.checkers.mutate_rows import (
    NoRoom,
    acked_record,
    chosen,
    joined,
    part_of,
    pick,
    shuffled,
    with_fences,
    without,
)
from harness.checkers.timeline import timeline
from harness.clock import NANOS_PER_SECOND
from harness.ledger.evidence import Attempts, Evidence, Ints
from harness.model import Event, FencePassed, LoadEnded, LoadPlanned, Outcome, TransactionSettled
from harness.verdict import Verdict

_HELD_NS = 2 * NANOS_PER_SECOND


def lose_segment(evidence: Evidence, chance: random.Random) -> Evidence:
    """A stretch of a partition's log is gone, an eighth of it, as when a segment file is lost."""
    reads, one = evidence.reads, acked_record(evidence, chance).read
    mine = reads.partition == reads.partition[one]
    length = int((reads.first_offset[mine] + reads.count[mine]).max() - reads.first_offset[mine].min()) // 8
    start = int(reads.first_offset[one])
    gone = mine & (reads.first_offset >= start) & (reads.first_offset <= start + length)
    return replace(evidence, reads=chosen(reads, np.flatnonzero(~gone)))


def lose_batch(evidence: Evidence, chance: random.Random) -> Evidence:
    """A whole batch that was acknowledged is not in the log."""
    attempts, row = evidence.attempts, acked_record(evidence, chance).attempt
    low = int(attempts.first_seq[row])
    return replace(
        evidence,
        reads=without(
            evidence.reads,
            int(attempts.producer[row]),
            int(attempts.partition[row]),
            low,
            low + int(attempts.count[row]),
        ),
    )


def claim(outcome: Outcome, lacking: str) -> Change:
    """A batch that ended as *outcome* and is not in the log is reported as acknowledged."""

    def apply(evidence: Evidence, chance: random.Random) -> Evidence:
        attempts = evidence.attempts
        row = int(pick(chance, np.flatnonzero(attempts.outcome == outcome), lacking))
        low, high = int(attempts.first_seq[row]), int(attempts.first_seq[row] + attempts.count[row])
        producer, partition = int(attempts.producer[row]), int(attempts.partition[row])
        outcomes = attempts.outcome.copy()
        outcomes[row] = int(Outcome.OK)
        absent = without(evidence.reads, producer, partition, low, high)
        return replace(evidence, attempts=replace(attempts, outcome=outcomes), reads=absent)

    return apply


def start_late(evidence: Evidence, chance: random.Random) -> Evidence:
    """A hole in the coverage: a partition was read from the middle of its log on only."""
    reads, row = evidence.reads, acked_record(evidence, chance).read
    partition, start = int(reads.partition[row]), int(reads.first_offset[row] + reads.count[row])
    kept = (reads.partition != partition) | (reads.first_offset >= start)
    shorter = replace(evidence, reads=chosen(reads, np.flatnonzero(kept)))
    return with_fences(
        shorter, lambda f: f.model_copy(update={"first_offset": start}) if f.partition == partition else f
    )


def fence_too_early(evidence: Evidence, _: random.Random) -> Evidence:
    """The log was fenced while the load still ran."""
    passed = evidence.last(FencePassed)
    if passed is None:
        raise NoRoom("no partition was fenced")
    return _events(evidence, LoadEnded, lambda event: {"t": max(event.t, passed.t + 1)})


def skew_clock(evidence: Evidence, chance: random.Random) -> Evidence:
    """One producer's clock stands ten to sixty seconds from the others'."""
    attempts = evidence.attempts
    producer = int(pick(chance, np.unique(attempts.producer), "nothing was attempted"))
    shift = np.where(attempts.producer == producer, _seconds(chance, 10, 60) * chance.choice((-1, 1)), 0)
    # What is less than the pause between the last batch and the load's end cannot be told from the ledger.
    names = ("t_intended", "t_sent", "t_done")
    skewed = replace(attempts, **{name: getattr(attempts, name) + shift for name in names})
    return replace(evidence, attempts=skewed)


def step_clock(evidence: Evidence, chance: random.Random) -> Evidence:
    """A clock was set back between the sending of a batch and its answer."""
    attempts = evidence.attempts
    row = int(pick(chance, np.arange(attempts.rows), "nothing was attempted"))
    done = attempts.t_done.copy()
    done[row] = attempts.t_sent[row] - _seconds(chance, 1, 10)
    return replace(evidence, attempts=replace(attempts, t_done=done))


def delay_answers(evidence: Evidence, _: random.Random) -> Evidence:
    """Every answer of the steady phase came twice the budget later."""
    budget = evidence.started.budgets.latency_p99_ms
    if budget is None:
        raise NoRoom("latency has no budget")
    start, end = timeline(evidence).steady
    attempts = evidence.attempts
    steady = (attempts.t_intended >= start) & (attempts.t_intended < end)
    return _done_later(evidence, np.where(steady, int(2e6 * budget), 0))


def stay_away(evidence: Evidence, chance: random.Random) -> Evidence:
    """From a fault on nothing was answered any more."""
    held = [
        fault.injected_t
        for fault in disturbances(evidence)
        if fault.injected_t is not None and (fault.healed_t or fault.injected_t) - fault.injected_t > _HELD_NS
    ]
    since = pick(chance, held, "no fault held for two seconds")
    attempts = evidence.attempts
    outcome = np.where(attempts.t_intended >= since, int(Outcome.UNKNOWN), attempts.outcome)
    return replace(evidence, attempts=replace(attempts, outcome=outcome))


def thin_load(evidence: Evidence, _: random.Random) -> Evidence:
    """Most batches were never attempted: so many that the load is below half of its floor."""
    if not any(isinstance(event, LoadPlanned) and event.rate > 0 for event in evidence.events):
        raise NoRoom("no load of a given rate was planned")
    floor = evidence.started.budgets.load_reached
    if floor <= 0:
        raise NoRoom("the load has no floor")
    kept = np.arange(0, evidence.attempts.rows, int(2 / floor) + 1)
    return replace(evidence, attempts=chosen(evidence.attempts, kept))


def hang_transaction(evidence: Evidence, chance: random.Random) -> Evidence:
    """A transaction was torn: behind its end a record of it lies open, and readers stand still."""
    settled = [event for event in evidence.events if isinstance(event, TransactionSettled)]
    if transactions.NAME not in {each.name for each in evidence.started.guarantees}:
        settled = []
    hung = pick(chance, settled, "no transaction was aborted in it")
    return _events(evidence, TransactionSettled, lambda e: {"stable": e.end - 1} if e is hung else {})


DEFECTS = (
    Mutation("a whole batch lost", lose_batch, "no_loss"),
    Mutation("a whole segment lost", lose_segment, "no_loss"),
    Mutation("a refused batch claimed", claim(Outcome.FAIL, "no batch was refused"), "no_loss"),
    Mutation("an undecided batch claimed", claim(Outcome.UNKNOWN, "no batch was undecided"), "no_loss"),
    Mutation("a hole in the coverage", start_late, "no_loss", Verdict.UNKNOWN),
    Mutation("a fence before the load's end", fence_too_early, "no_loss", Verdict.UNKNOWN),
    Mutation("a torn transaction left open", hang_transaction, transactions.NAME),
    Mutation("a clock skewed", skew_clock, clocks.NAME, Verdict.UNKNOWN),
    Mutation("a clock set back", step_clock, clocks.NAME, Verdict.UNKNOWN),
    Mutation("every answer delayed", delay_answers, "latency_p99"),
    Mutation("a service that stays away", stay_away, "recovery"),
    Mutation("most of the load not sent", thin_load, "load_reached"),
)


def read_in_another_order(evidence: Evidence, chance: random.Random) -> Evidence:
    """The rows of the tables are in another order, as with several writers."""
    attempts, reads = evidence.attempts, evidence.reads
    return replace(
        evidence,
        attempts=chosen(attempts, shuffled(attempts.rows, chance)),
        reads=chosen(reads, shuffled(len(reads.count), chance)),
    )


def end_mixed(evidence: Evidence, chance: random.Random) -> Evidence:
    """A batch ended mixed, so it has two rows; all of it was acknowledged."""
    attempts, row = evidence.attempts, acked_record(evidence, chance).attempt
    count = int(attempts.count[row])
    cut = chance.randrange(count)
    kept = chosen(attempts, np.delete(np.arange(attempts.rows), row))
    return replace(evidence, attempts=joined(kept, *_halves(attempts, row, cut)))


def skip_offsets(evidence: Evidence, chance: random.Random) -> Evidence:
    """The end of a log holds markers that are no records: its fence lies further on."""
    reads = evidence.reads
    partition = int(reads.partition[acked_record(evidence, chance).read])
    names = ("end_offset", "committed_end_offset", "sentinel_offset", "position")
    more = chance.randrange(1, 5)
    return with_fences(
        evidence,
        lambda f: (
            f.model_copy(update={n: getattr(f, n) + more for n in names}) if f.partition == partition else f
        ),
    )


def read_all_again(evidence: Evidence, chance: random.Random) -> Evidence:
    """A reader was restarted and read half of a partition a second time, in other pieces."""
    reads = evidence.reads
    partition = reads.partition[acked_record(evidence, chance).read]
    rows = [row for row in np.flatnonzero(reads.partition == partition).tolist() if chance.random() < 0.5]
    pieces = []
    for row in rows:
        cut = chance.randrange(int(reads.count[row]))
        pieces += [part_of(reads, row, 0, cut), part_of(reads, row, cut, int(reads.count[row]))]
    return replace(evidence, reads=joined(reads, *pieces))


NOISE: dict[str, Change] = {
    "ledger rows in another order": read_in_another_order,
    "a batch that ended in pieces": end_mixed,
    "markers at the end of a log": skip_offsets,
    "half a partition read twice": read_all_again,
}


def _halves(attempts: Attempts, row: int, cut: int) -> list[Attempts]:
    one = chosen(attempts, np.asarray([row]))
    rest = int(attempts.count[row]) - cut
    offset = one.base_offset + np.where(one.base_offset >= 0, cut, 0)
    second = replace(one, first_seq=one.first_seq + cut, count=np.asarray([rest]), base_offset=offset)
    return [replace(one, count=np.asarray([cut])), second] if cut else [second]


def _done_later(evidence: Evidence, by: Ints) -> Evidence:
    attempts = evidence.attempts
    return replace(evidence, attempts=replace(attempts, t_done=attempts.t_done + by))


def _events(evidence: Evidence, kind: type[Event], change: Callable[[Event], dict[str, object]]) -> Evidence:
    events = tuple(
        event.model_copy(update=change(event)) if isinstance(event, kind) else event
        for event in evidence.events
    )
    return replace(evidence, events=events)


def _seconds(chance: random.Random, low: int, high: int) -> int:
    return round(chance.uniform(low, high) * NANOS_PER_SECOND)
