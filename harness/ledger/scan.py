"""Decoded records to rows of the ledger's ``reads`` table.

Pure arithmetic on columns: no broker, no files, no clock. Invariant: every record
of the input lies in exactly one run, and a run that is not GOOD holds one record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model import ReadState

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_STATES = tuple(ReadState)


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Decoded record values, one entry each; fields that could not be parsed are -1.

    ``state`` holds ``ReadState`` values. ``sentinel`` marks the fence's own records,
    which are no part of the load and never become rows.
    """

    producer: Ints
    partition: Ints
    sequence: Ints
    t_intended: Ints
    state: Ints
    sentinel: Flags

    def __len__(self) -> int:
        return len(self.producer)


FLAWS = ("", "length", "magic", "version", "checksum", "time", "value")
"""What the job may have against a record, in the order in which it looks; empty: nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What record values carry beside their ids, one entry each; what could not be parsed is -1.

    ``flaw`` holds indices of ``FLAWS``. ``control`` marks intact sentinels of any run: the job takes
    them for its clock and nothing else. Ids are those of the frames, whoever's they are.
    """

    producer: Ints
    sequence: Ints
    key: Ints
    event_ms: Ints
    value: Ints
    flaw: Ints
    control: Flags

    def __len__(self) -> int:
        return len(self.flaw)


@dataclass(frozen=True, slots=True)
class Run:
    """One row of ``reads``, in the order of ``harness.ledger.schema.READS``."""

    partition: int
    producer: int
    first_seq: int
    count: int
    first_offset: int
    state: ReadState
    detail: str = ""


def breaks(*steady: Ints, consecutive: tuple[Ints, ...] = ()) -> Ints:
    """The indices at which a run starts: a *steady* column changed, or a *consecutive* one did not step by 1.

    All columns have one length; of no records there are no runs.
    """
    length = len((*steady, *consecutive)[0])
    if not length:
        return np.empty(0, dtype=np.int64)
    cut = np.zeros(length, dtype=np.bool_)
    cut[0] = True
    for column in steady:
        cut[1:] |= column[1:] != column[:-1]
    for column in consecutive:
        cut[1:] |= column[1:] != column[:-1] + 1
    return np.flatnonzero(cut)


def runs(partition: int, offsets: Ints, records: Records) -> Iterator[Run]:
    """The runs of what came back from *partition*, given in log order; sentinels are left out."""
    kept = np.flatnonzero(~records.sentinel)
    offsets, state = offsets[kept], records.state[kept]
    producer, sequence = records.producer[kept], records.sequence[kept]
    claimed = records.partition[kept]
    odd = np.cumsum(state != ReadState.GOOD)  # steps at each odd record, so odd ones never join
    starts = breaks(producer, state, odd, consecutive=(sequence, offsets))
    counts = np.diff(np.append(starts, len(kept)))
    table = (producer[starts], sequence[starts], counts, offsets[starts], state[starts], claimed[starts])
    for who, first, count, offset, how, named in zip(*(column.tolist() for column in table), strict=True):
        yield Run(partition, who, first, count, offset, _STATES[how], _detail(_STATES[how], named))


def _detail(state: ReadState, claimed: int) -> str:
    if state is ReadState.MISROUTED:
        return f"names partition {claimed}" if claimed >= 0 else "names another topic"
    return {
        ReadState.GOOD: "",
        ReadState.CORRUPT: "checksum does not match",
        ReadState.FOREIGN: "not a record of this run",
    }[state]
