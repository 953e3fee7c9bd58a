"""The job's window results beside those that the source log makes of them.

A result is *right* when it says exactly what its window must hold. One that does not is *wrong for
certain* only when the log and the late records were read whole; with late records unread, a
result that holds less may be right, one that holds more or others is wrong all the same. That
no result came is known only when the results were read whole, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.checkers.accounts import Accounts, Mask, codes, complete, fingerprint
from harness.ledger.evidence import Ints, Results

NONE = -1

_SAID = ("count", "sum", "min", "max", "fingerprint")
_SAME = (*("key", "window_ms"), *_SAID, "total_count", "total_sum")


@dataclass(frozen=True)
class Compared:
    """Results held against the accounts.

    ``window`` is the number of each result's window among the expected ones, or ``NONE``. ``code``
    is equal for results of one key and window, those that no input supports included. ``right`` are
    results, ``seen`` and ``proven`` are expected windows: with any result, with a right one.
    """

    accounts: Accounts
    window: Ints
    code: Ints
    right: Mask
    seen: Mask
    proven: Mask

    @property
    def results(self) -> Results:
        """The results, as read."""
        return self.accounts.evidence.results

    @cached_property
    def unread_inputs(self) -> str:
        """Why the expected windows may be wrong themselves; empty: they are right."""
        return complete(self.accounts.evidence, "source", "late")

    @cached_property
    def unread(self) -> str:
        """Why a window without a result may still have one; empty: it has none."""
        return complete(self.accounts.evidence, "source", "late", "results")

    @cached_property
    def wrong(self) -> Ints:
        """The results that are wrong for certain, one per key and window."""
        return self._first_of(~self.right & self._certain)

    @cached_property
    def doubtful(self) -> int:
        """How many windows have a result that would be wrong if all records were known."""
        return len(self._first_of(~self.right & ~self._certain))

    @cached_property
    def missing(self) -> Ints:
        """The expected windows without any result; lost if ``unread`` is empty, else perhaps still open."""
        return np.flatnonzero(~self.seen)

    @cached_property
    def again(self) -> Ints:
        """The results whose window had one before, in the order of the topic."""
        return _repeats(self.results, self.code)

    @cached_property
    def identical(self) -> Mask:
        """Which results say word for word what an earlier one of their window said."""
        columns = [getattr(self.results, name) for name in _SAME]
        same = np.zeros(len(self.code), np.bool_)
        same[_repeats(self.results, codes(*columns))] = True
        return same

    @cached_property
    def _certain(self) -> Mask:
        if complete(self.accounts.evidence, "source"):
            return np.zeros(len(self.window), np.bool_)
        if not self.unread_inputs:
            return np.ones(len(self.window), np.bool_)
        return np.logical_not(self._may_be_part)

    @property
    def _may_be_part(self) -> Mask:
        """Results that some of their window's records, but not all, could make."""
        results, windows, at = self.results, self.accounts.windows, np.maximum(self.window, 0)
        if not len(windows):
            return np.zeros(len(self.window), np.bool_)
        fits = (self.window != NONE) & (results.count < windows.count[at]) & (results.sum <= windows.sum[at])
        inside: Mask = fits & (results.min >= windows.min[at]) & (results.max <= windows.max[at])
        return inside

    def _first_of(self, chosen: Mask) -> Ints:
        """One result of each key and window among the chosen."""
        rows = np.flatnonzero(chosen)
        first: Ints = np.sort(rows[np.unique(self.code[rows], return_index=True)[1]])
        return first


def compare(accounts: Accounts) -> Compared:
    """Hold every result against the window that it is of."""
    windows, results = accounts.windows, accounts.evidence.results
    many = len(windows)
    code = codes(
        np.concatenate((windows.key, results.key)), np.concatenate((windows.window_ms, results.window_ms))
    )
    expected, found = code[:many], code[many:]
    window = np.full(len(found), NONE, np.int64)
    if many:
        at = np.minimum(np.searchsorted(expected, found), many - 1)
        window = np.where(expected[at] == found, at, NONE)
    right = _right(accounts, window)
    seen, proven = np.zeros((2, many), np.bool_)
    seen[window[window != NONE]] = True
    proven[window[right]] = True
    return Compared(accounts, window, found, right, seen, proven)


def _right(accounts: Accounts, window: Ints) -> Mask:
    windows, results = accounts.windows, accounts.evidence.results
    right: Mask = np.not_equal(window, NONE)
    if not len(windows):
        return right
    for name in _SAID:
        right &= getattr(results, name) == getattr(windows, name)[np.maximum(window, 0)]
    for row in _unsure(accounts, window, right).tolist():
        right[row] = _right_with_copies(accounts, int(window[row]), row)
    return right


def _unsure(accounts: Accounts, window: Ints, right: Mask) -> Ints:
    """Results that differ in a window in which a forgotten copy may have been counted again."""
    copies = np.flatnonzero(accounts.forgotten & (accounts.late == 0))
    if not len(copies):
        return copies
    windows = accounts.windows
    pairs = (
        np.concatenate((windows.key, accounts.inputs.key[copies])),
        np.concatenate((windows.window_ms, accounts.window_of(copies))),
    )
    code = codes(*pairs)
    touched = np.isin(code[: len(windows)], code[len(windows) :])
    return np.flatnonzero(~right & (window != NONE) & touched[np.maximum(window, 0)])


def _right_with_copies(accounts: Accounts, number: int, row: int) -> bool:
    """Whether a result is right when every forgotten copy of its window was counted again."""
    windows, results, inputs = accounts.windows, accounts.evidence.results, accounts.inputs
    copies = np.flatnonzero(accounts.forgotten & (accounts.late == 0) & (inputs.key == windows.key[number]))
    copies = copies[accounts.window_of(copies) == windows.window_ms[number]]
    members = np.concatenate((windows.members_of(number), copies))
    values, hashes = inputs.value[members], accounts.hashes[members]
    made = (len(members), values.sum(), values.min(), values.max(), fingerprint(hashes))
    return all(int(getattr(results, name)[row]) == int(one) for name, one in zip(_SAID, made, strict=True))


def _repeats(results: Results, code: Ints) -> Ints:
    """The rows whose code an earlier row of the topic has, in the topic's order."""
    order = np.lexsort((results.offset, results.partition, code))
    ordered = code[order]
    repeated = np.zeros(len(code), np.bool_)
    repeated[order[1:][ordered[1:] == ordered[:-1]]] = True
    rows = np.flatnonzero(repeated)
    return rows[np.lexsort((results.offset[rows], results.partition[rows]))]
