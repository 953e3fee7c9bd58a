"""The books of the job, kept a second time: what its windows must hold, from the source log alone.

The job takes every record that has no flaw, drops those whose id it has seen, sets those aside
that come after their window, and sums up the rest by key and tumbling window. All of that but
lateness follows from the log; which records were late is the job's to say, for it depends on
when it read what, so they are taken from ``placed``. A record's copy further behind it than the
job remembers ids may be counted again or not: both are right.

Invariant: every input without a flaw that is neither late nor a copy is in exactly one of the
expected windows. Ten million inputs are two sorts and a few sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.ledger.evidence import Evidence, Inputs, Ints, Placed
from harness.ledger.fingerprint import MODULUS, id_hashes
from harness.model import HopRead, PipelinePlanned

Mask = npt.NDArray[np.bool_]

LATE, DEAD = "late", "dead"
_MASK = np.uint64(MODULUS - 1)
_NARROW = 1 << 31
_NOWHERE = -1


@dataclass(frozen=True, eq=False, slots=True)
class Windows:
    """Windows by (key, start), ascending. The members of number n are ``members[starts[n]:starts[n+1]]``."""

    key: Ints
    window_ms: Ints
    count: Ints
    sum: Ints
    min: Ints
    max: Ints
    fingerprint: Ints
    members: Ints
    starts: Ints

    def __len__(self) -> int:
        return len(self.key)

    def members_of(self, number: int) -> Ints:
        """The inputs, as rows of the table, in one window."""
        return self.members[self.starts[number] : self.starts[number + 1]]


@dataclass(frozen=True)
class Accounts:
    """The inputs of one run, each with what became of it as far as the log and ``placed`` say.

    ``late`` and ``dead`` are how often an input was placed there. ``copy`` marks inputs whose id came
    before; ``forgotten`` those of them that came when the job may have forgotten it.
    """

    evidence: Evidence
    plan: PipelinePlanned
    hashes: Ints
    late: Ints
    dead: Ints
    copy: Mask
    forgotten: Mask
    strangers: Ints
    """The rows of ``placed`` that name no input."""
    windows: Windows

    @property
    def inputs(self) -> Inputs:
        """The source log."""
        return self.evidence.inputs

    @cached_property
    def valid(self) -> Mask:
        """The inputs that the job has to take."""
        return _valid(self.inputs)

    def window_of(self, rows: Ints) -> Ints:
        """The start of the window in which each of these inputs belongs, milliseconds since 1970."""
        return _window(self.inputs.event_ms[rows], self.plan.window_ms)

    def record(self, row: int) -> str:
        """The id of an input."""
        inputs = self.inputs
        return f"{inputs.producer[row]}/{inputs.partition[row]}/{inputs.sequence[row]}"


def accounts(evidence: Evidence, plan: PipelinePlanned) -> Accounts:
    """Keep the books of *evidence*; O(n log n) in the inputs."""
    inputs, placed = evidence.inputs, evidence.placed
    hashes = id_hashes(inputs.producer, inputs.partition, inputs.sequence)
    valid = _valid(inputs)
    late, dead, strangers = _placed(inputs, placed)
    copy = _copies(inputs, hashes, valid)
    counted = np.flatnonzero(valid & (late == 0) & ~copy)
    return Accounts(
        evidence=evidence,
        plan=plan,
        hashes=hashes,
        late=late,
        dead=dead,
        copy=copy,
        forgotten=_forgotten(inputs, copy, hashes, plan.dedup_ttl_ms),
        strangers=strangers,
        windows=_windows(inputs, hashes, counted, plan.window_ms),
    )


def complete(evidence: Evidence, *hops: str) -> str:
    """Why not all of these hops were read to their end; empty when they were."""
    for hop in hops:
        told = next((e for e in reversed(evidence.events) if isinstance(e, HopRead) and e.hop == hop), None)
        if told is None:
            return f"{_NAMES[hop]} not read"
        if not told.complete:
            return f"{_NAMES[hop]} not read to their end" + (f" ({told.detail})" if told.detail else "")
        if unreadable := told.counts.get("unreadable", 0):
            return f"{unreadable:,} lines of {hop} are unreadable"
    return "the ledger's tail was cut" if evidence.tail_cut else ""


_NAMES = {
    "source": "the source log's records were",
    "results": "the window results were",
    "late": "the late records were",
    "dead-letters": "the dead letters were",
}


def codes(*columns: Ints) -> Ints:
    """One number per row, in the order of the columns' tuples; rows are equal where their numbers are."""
    code = _rank(columns[0])
    for column in columns[1:]:
        more = _rank(column)
        width = int(more.max(initial=0)) + 1
        code = code * width + more if int(code.max(initial=0)) < _NARROW else _rank(code, 0) * width + more
    return code


def fingerprint(hashes: Ints) -> int:
    """The fingerprint of the records with these hashes."""
    return int(hashes.view(np.uint64).sum(dtype=np.uint64) & _MASK)


def _rank(values: Ints, width: int = _NARROW) -> Ints:
    """Numbers below 2^31 in the order of *values*."""
    if not len(values):
        return values
    low = int(values.min())
    if int(values.max()) - low < width:
        return values - low
    ranks: Ints = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return ranks


def _valid(inputs: Inputs) -> Mask:
    valid: Mask = (inputs.flaw == "").astype(np.bool_)
    return valid


def _window(event_ms: Ints, window_ms: int) -> Ints:
    return event_ms // window_ms * window_ms


def _placed(inputs: Inputs, placed: Placed) -> tuple[Ints, Ints, Ints]:
    """How often each input was placed late and dead, and the rows of *placed* that name none."""
    late, dead = np.zeros((2, len(inputs.offset)), np.int64)
    if not len(placed.offset):
        return late, dead, np.empty(0, np.int64)
    row = _find(inputs, placed)
    known = row != _NOWHERE
    for counts, place in ((late, LATE), (dead, DEAD)):
        np.add.at(counts, row[known & (placed.place == place).astype(np.bool_)], 1)
    return late, dead, np.flatnonzero(~known)


def _find(inputs: Inputs, placed: Placed) -> Ints:
    """The input that each row of *placed* names; -1 for none."""
    many = len(inputs.offset)
    code = codes(
        np.concatenate((inputs.partition, placed.partition)), np.concatenate((inputs.offset, placed.offset))
    )
    ours, wanted = code[:many], code[many:]
    if not many:
        return np.full(len(wanted), _NOWHERE, np.int64)
    order = np.argsort(ours)
    at = order[np.minimum(np.searchsorted(ours, wanted, sorter=order), many - 1)]
    return np.where(ours[at] == wanted, at, _NOWHERE)


def _copies(inputs: Inputs, hashes: Ints, valid: Mask) -> Mask:
    """The valid inputs whose id an earlier one has."""
    copy = np.zeros(len(hashes), np.bool_)
    ordered = np.sort(hashes[valid])
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return copy
    rows = np.flatnonzero(valid & np.isin(hashes, repeated))
    names = (inputs.sequence[rows], inputs.partition[rows], inputs.producer[rows])
    rows = rows[np.lexsort((inputs.offset[rows], *names))]
    same = np.ones(len(rows) - 1, np.bool_)
    for column in (inputs.producer, inputs.partition, inputs.sequence):
        same &= column[rows][1:] == column[rows][:-1]
    copy[rows[1:][same]] = True
    return copy


def _forgotten(inputs: Inputs, copy: Mask, hashes: Ints, ttl_ms: int) -> Mask:
    """The copies that came when the job may have forgotten the record.

    The log has no clock but its records' event times: the newest so far in a partition tells about when
    a record was appended. The job's own clock is another one, so half of its time already counts.
    """
    found = np.zeros(len(copy), np.bool_)
    for partition in np.unique(inputs.partition[copy]).tolist():
        rows = np.flatnonzero(inputs.partition == partition)
        rows = rows[np.argsort(inputs.offset[rows], kind="stable")]
        clock = np.maximum.accumulate(inputs.event_ms[rows])
        first: dict[int, int] = {}
        wanted = np.flatnonzero(np.isin(hashes[rows], hashes[rows][copy[rows]]))
        for at in wanted.tolist():
            seen = first.setdefault(int(hashes[rows[at]]), int(clock[at]))
            found[rows[at]] = copy[rows[at]] and int(clock[at]) - seen > ttl_ms // 2
    return found


def _windows(inputs: Inputs, hashes: Ints, counted: Ints, window_ms: int) -> Windows:
    """Sum up the inputs at these rows."""
    if not len(counted):
        none = np.empty(0, np.int64)
        return Windows(none, none, none, none, none, none, none, none, np.zeros(1, np.int64))
    key, start = inputs.key[counted], _window(inputs.event_ms[counted], window_ms)
    code = codes(key, start // window_ms)
    order = np.argsort(code)
    code = code[order]
    starts = np.flatnonzero(np.concatenate(([True], code[1:] != code[:-1])))
    members = counted[order]
    value = inputs.value[members]
    hashed = np.add.reduceat(hashes[members].view(np.uint64), starts) & _MASK
    return Windows(
        key=key[order[starts]],
        window_ms=start[order[starts]],
        count=np.diff(np.append(starts, len(members))),
        sum=np.add.reduceat(value, starts),
        min=np.minimum.reduceat(value, starts),
        max=np.maximum.reduceat(value, starts),
        fingerprint=hashed.view(np.int64),
        members=members,
        starts=np.append(starts, len(members)),
    )
