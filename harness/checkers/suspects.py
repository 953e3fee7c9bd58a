"""Which records a wrong window lacks or has too many, from the difference of two fingerprints.

A fingerprint is a sum of 61-bit hashes, so the difference of what a window should and does hold
names the one record that is missing or too many, or the two, by a search that is as good
as certain: by chance it errs once in 2^61 / records.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.checkers.accounts import Accounts
from harness.ledger.evidence import Ints
from harness.ledger.fingerprint import MODULUS

_MASK = np.uint64(MODULUS - 1)
_MOST_PAIRS = 100_000
"""A window of more records is searched for single ones only."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """The inputs, as rows, that a result lacks, and those that it has too many."""

    lacking: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()


def suspects(accounts: Accounts, number: int | None, count: int, fingerprint: int) -> Suspects:
    """What explains a result of *count* and *fingerprint* in the place of window *number*.

    Up to two records; nothing when that does not do. *number* is None for a result that has no window.
    """
    windows = accounts.windows
    members = np.empty(0, np.int64) if number is None else windows.members_of(number)
    due = (0, 0) if number is None else (int(windows.count[number]), int(windows.fingerprint[number]))
    fewer, gap = due[0] - count, (due[1] - fingerprint) % MODULUS
    match fewer:
        case 1 | 2:
            return Suspects(lacking=_named(accounts, members, fewer, gap))
        case -1:
            extra = -gap % MODULUS
            return Suspects(extra=_named(accounts, members, 1, extra) or _anywhere(accounts, extra))
        case -2:
            return Suspects(extra=_named(accounts, _kin(accounts, members), 2, -gap % MODULUS))
        case 0 if gap:
            return _exchanged(accounts, members, gap)
        case _:
            return Suspects()


def _named(accounts: Accounts, rows: Ints, many: int, gap: int) -> tuple[int, ...]:
    """One or two of *rows* whose hashes sum up to *gap*."""
    hashes = accounts.hashes[rows]
    if many == 1:
        return tuple(rows[hashes == gap][:1].tolist())
    if len(rows) > _MOST_PAIRS:
        return ()
    rests = ((np.uint64(gap) - hashes.view(np.uint64)) & _MASK).view(np.int64)
    for first in np.flatnonzero(np.isin(rests, hashes)).tolist():
        second = rows[hashes == rests[first]][:1].tolist()
        return (int(rows[first]), *second)
    return ()


def _anywhere(accounts: Accounts, gap: int) -> tuple[int, ...]:
    """Any input with this hash: late, refused, a copy, or of another window."""
    return tuple(np.flatnonzero(accounts.hashes == gap)[:1].tolist())


def _kin(accounts: Accounts, members: Ints) -> Ints:
    """The records of a window with every other of its key, counted or not, some of them flawed."""
    if not len(members):
        return members
    inputs = accounts.inputs
    return np.flatnonzero(inputs.key == inputs.key[members[0]])


def _exchanged(accounts: Accounts, members: Ints, gap: int) -> Suspects:
    """One record in the place of another of the same key."""
    kin = _kin(accounts, members)
    if max(len(kin), len(members)) > _MOST_PAIRS:
        return Suspects()
    hashes = accounts.hashes[members]
    others = ((hashes.view(np.uint64) - np.uint64(gap)) & _MASK).view(np.int64)
    for first in np.flatnonzero(np.isin(others, accounts.hashes[kin])).tolist():
        extra = kin[accounts.hashes[kin] == others[first]][:1].tolist()
        return Suspects((int(members[first]),), tuple(extra))
    return Suspects()
