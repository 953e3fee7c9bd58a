"""The ledger as interval arithmetic: what was attempted, how it ended, and what came back where.

Sequences are dense per (producer, partition), so each such pair, a *lane*, gets
a stretch of one integer line of its own and every record is one *position* on
it. Loss, duplicates and phantoms are then set operations on ``Spans``.

A run of records at consecutive offsets has one *diagonal*, offset minus
position. Two reads of a record are the same copy exactly when their diagonals
agree, and an acknowledgement is right exactly when some copy shares its
diagonal. That turns "which offset" into set arithmetic as well: in the *plane*
each distinct diagonal has a line of positions of its own.

Invariant: lanes are ordered by (partition, producer) and one position between
two lanes belongs to nobody, so no span ever crosses from one lane to the next.
What was read but never attempted nor announced is kept apart in ``strange``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.checkers.spans import Spans, covered_twice, pieces, union
from harness.errors import EvidenceError
from harness.ledger.evidence import Announced, Attempts, Evidence, Ints, Reads
from harness.model import Outcome, ReadState

Mask = npt.NDArray[np.bool_]

_MOST = 2**62


@dataclass(frozen=True, eq=False, slots=True)
class Lanes:
    """Every (partition, producer) pair and where its sequences lie on the line."""

    partition: Ints
    producer: Ints
    base: Ints
    limit: Ints
    """One past the last position a lane's attempts and announcements reach."""

    @property
    def length(self) -> int:
        """One past the last position of the line."""
        return int(self.limit[-1]) + 1 if len(self.limit) else 1

    def find(self, partition: Ints, producer: Ints) -> tuple[Ints, Mask]:
        """The lane of each row, and whether there is one (if not, the lane is meaningless)."""
        wanted = _lane_code(partition, producer)
        if not len(self.base):
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
        codes = _lane_code(self.partition, self.producer)
        lane = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        return lane, codes[lane] == wanted

    def of_partitions(self, partitions: Iterable[int]) -> Spans:
        """Every position of the given partitions."""
        chosen = np.isin(self.partition, np.asarray(sorted(partitions), np.int64))
        return union(self.base[chosen], self.limit[chosen])

    def identify(self, position: int) -> tuple[int, int, int]:
        """The (producer, partition, sequence) of a position."""
        lane = int(np.searchsorted(self.base, position, side="right")) - 1
        return int(self.producer[lane]), int(self.partition[lane]), position - int(self.base[lane])


@dataclass(frozen=True, eq=False, slots=True)
class Placed:
    """Runs of records at known offsets: ``diagonal`` is offset minus position."""

    low: Ints
    high: Ints
    diagonal: Ints

    def chosen(self, rows: Mask) -> Placed:
        """The runs at these rows alone."""
        return Placed(self.low[rows], self.high[rows], self.diagonal[rows])

    def offsets_of(self, position: int) -> list[int]:
        """Every offset at which the record at *position* lies, ascending."""
        holds = (self.low <= position) & (position < self.high)
        return sorted(position + int(diagonal) for diagonal in self.diagonal[holds])


@dataclass(frozen=True, eq=False, slots=True)
class Strange:
    """Runs that were read although nobody attempted or announced them."""

    partition: Ints
    producer: Ints
    first_seq: Ints
    count: Ints
    first_offset: Ints


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """One run's records as sets of positions.

    ``known`` is attempted or announced. ``placed`` are acknowledgements that named an offset,
    ``located`` those of them that a copy confirms. ``copies`` are the distinct (record, offset)
    pairs that came back, ``doubled`` what lies at several offsets; ``rereads`` counts what came back
    again at the same offset.
    """

    lanes: Lanes
    acked: Spans
    failed: Spans
    unknown: Spans
    known: Spans
    placed: Placed
    located: Spans
    copies: Placed
    doubled: Spans
    seen: Spans
    strange: Strange
    records_read: int
    rereads: int


def history(evidence: Evidence) -> History:
    """The records of *evidence* as sets; O(rows log rows), a few hundred bytes per row at the peak.

    Raises:
        EvidenceError: a row cannot be right, e.g. a negative sequence.
    """
    attempts, announced = evidence.attempts, evidence.announced
    _require_sane(attempts, announced, evidence.reads)
    lanes = _lanes(attempts, announced)
    low = lanes.base[lanes.find(attempts.partition, attempts.producer)[0]] + attempts.first_seq
    by_outcome = [_ended(attempts, low, outcome) for outcome in Outcome]
    ok, failed, unknown = by_outcome
    lane, _ = lanes.find(announced.partition, announced.producer)
    reserved = union(lanes.base[lane], lanes.base[lane] + announced.until_seq)
    attempted = ok | failed | unknown
    known = attempted | reserved
    read, strange = _read(evidence.reads, lanes, known)
    acks = _acks(attempts, low)
    copies, located = _matched(read, acks, lanes.length)
    return History(
        lanes=lanes,
        acked=ok,
        failed=failed - ok - unknown,
        unknown=unknown | (reserved - attempted),
        known=known,
        placed=acks,
        located=located,
        copies=copies,
        doubled=covered_twice(copies.low, copies.high),
        seen=union(copies.low, copies.high),
        strange=strange,
        records_read=_size(read) + int(strange.count.sum()),
        rereads=_size(read) - _size(copies),
    )


def attempted_twice(evidence: Evidence) -> int:
    """How many record ids the ledger says were attempted more than once: a defect of the harness."""
    attempts = evidence.attempts
    lanes = _lanes(attempts, evidence.announced)
    low = lanes.base[lanes.find(attempts.partition, attempts.producer)[0]] + attempts.first_seq
    return int(attempts.count.sum()) - union(low, low + attempts.count).count()


def _lane_code(partition: Ints, producer: Ints) -> Ints:
    # Both columns are 32 bits wide in the ledger, so one 64-bit word orders and names a lane.
    return (partition << 32) + producer


def _lanes(attempts: Attempts, announced: Announced) -> Lanes:
    tables = (attempts, announced)
    codes = np.concatenate([_lane_code(table.partition, table.producer) for table in tables])
    ends = np.concatenate((attempts.first_seq + attempts.count, announced.until_seq))
    lanes = np.unique(codes)
    lane = np.searchsorted(lanes, codes)
    length = np.zeros(len(lanes), np.int64)
    np.maximum.at(length, lane, ends)
    if len(lanes) and int(length.max()) > _MOST // (2 * len(lanes)):
        raise _impossible("a sequence", int(length.max()))
    limit = np.cumsum(length + 1) - 1
    return Lanes(lanes >> 32, lanes & 0xFFFF_FFFF, limit - length, limit)


def _ended(attempts: Attempts, low: Ints, outcome: Outcome) -> Spans:
    rows = attempts.outcome == outcome
    return union(low[rows], low[rows] + attempts.count[rows])


def _acks(attempts: Attempts, low: Ints) -> Placed:
    rows = (attempts.outcome == Outcome.OK) & (attempts.base_offset >= 0)
    return Placed(low[rows], low[rows] + attempts.count[rows], attempts.base_offset[rows] - low[rows])


def _read(reads: Reads, lanes: Lanes, known: Spans) -> tuple[Placed, Strange]:
    """The good reads of what was attempted or announced, and those of anything else."""
    good = np.flatnonzero(reads.state == ReadState.GOOD)
    lane, found = lanes.find(reads.partition[good], reads.producer[good])
    inside, base = good[found], lanes.base[lane[found]]
    limit = lanes.limit[lane[found]]
    row, low, high = _cut(base + reads.first_seq[inside], reads.count[inside], limit, known)
    placed = Placed(low, high, (reads.first_offset[inside] - base - reads.first_seq[inside])[row])
    # A piece beyond the lane's limit may lie on the next lane's positions, but never is its own.
    ours = Spans(low, high).within(known) & (high <= limit[row])
    skip = low - (base + reads.first_seq[inside])[row]
    nobody = good[~found]
    others, skips, counts = _rejoined(inside[row[~ours]], skip[~ours], (high - low)[~ours])
    rows = np.concatenate((nobody, others))
    skips = np.concatenate((np.zeros(len(nobody), np.int64), skips))
    counts = np.concatenate((reads.count[nobody], counts))
    return placed.chosen(ours), _strange(reads, rows, skips, counts)


def _cut(low: Ints, count: Ints, limit: Ints, known: Spans) -> tuple[Ints, Ints, Ints]:
    """Runs cut where they leave or enter what is known, so that each piece is one or the other."""
    high = low + count
    whole = Spans(low, high).within(known) & (high <= limit)
    kept, torn = np.flatnonzero(whole), np.flatnonzero(~whole)
    marks = np.unique(np.concatenate((known.low, known.high, limit[torn])))
    row, start, end = pieces(low[torn], high[torn], marks)
    return (
        np.concatenate((kept, torn[row])),
        np.concatenate((low[kept], start)),
        np.concatenate((high[kept], end)),
    )


def _rejoined(row: Ints, skip: Ints, count: Ints) -> tuple[Ints, Ints, Ints]:
    """Pieces of one row that follow each other, as one: where they were cut is the doing of other lanes."""
    apart = (row[1:] != row[:-1]) | (skip[1:] != skip[:-1] + count[:-1])
    first = np.flatnonzero(np.concatenate((np.ones(min(1, len(row)), np.bool_), apart)))
    return row[first], skip[first], np.add.reduceat(count, first) if len(first) else count


def _strange(reads: Reads, rows: Ints, skip: Ints, count: Ints) -> Strange:
    """*count* records of each row, behind its first *skip*."""
    return Strange(
        partition=reads.partition[rows],
        producer=reads.producer[rows],
        first_seq=reads.first_seq[rows] + skip,
        count=count,
        first_offset=reads.first_offset[rows] + skip,
    )


def _matched(read: Placed, acks: Placed, length: int) -> tuple[Placed, Spans]:
    """The distinct copies among *read*, and the positions of *acks* that one of them confirms."""
    diagonals, rank = np.unique(np.concatenate((read.diagonal, acks.diagonal)), return_inverse=True)
    stride = length + 1
    if len(diagonals) > _MOST // stride:
        raise _impossible("the ledger's extent", len(diagonals) * stride)
    read_shift, acks_shift = np.split(rank * stride, [len(read.low)])
    copies = union(read.low + read_shift, read.high + read_shift)
    acked = union(acks.low + acks_shift, acks.high + acks_shift)
    line = copies.low // stride
    shift = line * stride
    placed = Placed(copies.low - shift, copies.high - shift, diagonals[line])
    return placed, _on_the_line(_common(acked, copies), stride)


def _common(acked: Spans, copies: Spans) -> Spans:
    # Nearly every acknowledged batch lies whole in one run; only the others need a sweep.
    whole = acked.within(copies)
    return acked.chosen(whole) | (acked.chosen(~whole) & copies)


def _on_the_line(plane: Spans, stride: int) -> Spans:
    """The positions of points of the plane, whatever their diagonals."""
    shift = plane.low // stride * stride
    return union(plane.low - shift, plane.high - shift)


def _size(runs: Placed) -> int:
    return int((runs.high - runs.low).sum())


def _require_sane(attempts: Attempts, announced: Announced, reads: Reads) -> None:
    good = reads.state == ReadState.GOOD
    columns = (
        ("attempts.producer", attempts.producer),
        ("attempts.first_seq", attempts.first_seq),
        ("attempts.count", attempts.count),
        ("announced.until_seq", announced.until_seq),
        ("reads.producer", reads.producer[good]),
        ("reads.first_seq", reads.first_seq[good]),
        ("reads.count", reads.count),
    )
    for name, values in columns:
        if len(values) and int(values.min()) < 0:
            raise _impossible(name, int(values.min()))


def _impossible(what: str, value: int) -> EvidenceError:
    return EvidenceError(
        "the ledger cannot be judged", why=f"{what} is {value}", fix="restore the run's ledger folder"
    )
