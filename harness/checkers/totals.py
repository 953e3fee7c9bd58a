"""``state_kept``: a key's running totals grow by exactly what its windows hold.

Every result carries the totals of its key over all windows so far. From one result of a key to the
next they must grow by the later one's own count and sum; from nothing, for a key's first. Totals
that grew by less lost state: the job came back with less than it had said. Totals that
grew by more are right when results between were lost, by exactly what those windows held: that
is for ``results_exact`` to count. A result said again word for word is passed over; one that
contradicts an earlier result of its window is taken to replace it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.checkers.accounts import Mask, codes
from harness.checkers.compared import Compared
from harness.checkers.guarantees import Count, judged, records, sentence
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Ints

NAME = "state_kept"


@dataclass(frozen=True, eq=False, slots=True)
class _Steps:
    """Results in the order of their keys' emission, and what each should and does add to the totals.

    ``window_before`` is that of the result before, or -1 for a key's first.
    """

    row: Ints
    key: Ints
    window_before: Ints
    counts_over: Ints
    sums_over: Ints
    """By how much the totals grew more than the result itself; less when negative."""


def check_totals(compared: Compared) -> Finding:
    """Count the results whose totals do not follow from those before."""
    steps = _steps(compared)
    back = (steps.counts_over < 0) | (steps.sums_over < 0)
    ahead = ~back & ((steps.counts_over > 0) | (steps.sums_over > 0))
    ahead[ahead] = ~_explained(compared, steps, np.flatnonzero(ahead))
    unread = compared.unread
    proven = back | (ahead if not unread else np.zeros_like(ahead))
    fell, leapt = int(back.sum()), int((proven & ~back).sum())
    keys = len(np.unique(steps.key))
    parts = (
        f"the totals fell back {records(fell, 'time')}" if fell else "",
        f"grew by more than the windows hold {records(leapt, 'time')}" if leapt else "",
    )
    count = Count(
        compared={"results": len(steps.row), "keys": keys},
        violations=fell + leapt,
        held=f"The running totals of {records(keys, 'key')} follow from {records(len(steps.row), 'result')}.",
        broken=sentence(parts),
        doubt=unread,
        witnesses=tuple(
            _witness(compared, steps, at) for at in np.flatnonzero(proven)[:MAX_WITNESSES].tolist()
        ),
    )
    return judged(NAME, compared.accounts.evidence, count)


def _steps(compared: Compared) -> _Steps:
    results = compared.results
    rows = np.flatnonzero(~compared.identical)
    rows = rows[np.lexsort((results.offset[rows], results.partition[rows], results.key[rows]))]
    key = results.key[rows]
    first = np.concatenate((np.ones(min(1, len(rows)), np.bool_), key[1:] != key[:-1]))
    before = [np.where(first, 0, np.roll(column[rows], 1)) for column in _totals(compared)]
    _replace(compared, rows, before)
    counts, sums = (column[rows] for column in _totals(compared))
    window = np.where(first, -1, np.roll(results.window_ms[rows], 1))
    return _Steps(
        row=rows,
        key=key,
        window_before=window,
        counts_over=counts - before[0] - results.count[rows],
        sums_over=sums - before[1] - results.sum[rows],
    )


def _totals(compared: Compared) -> tuple[Ints, Ints]:
    return compared.results.total_count, compared.results.total_sum


def _replace(compared: Compared, rows: Ints, before: list[Ints]) -> None:
    """Where a result replaces an earlier one of its window, the totals before are those before that one."""
    code = compared.code[rows]
    contested = np.unique(compared.code[compared.again[~compared.identical[compared.again]]])
    known: dict[int, tuple[int, int]] = {}
    for at in np.flatnonzero(np.isin(code, contested)).tolist():
        base = known.setdefault(int(code[at]), (int(before[0][at]), int(before[1][at])))
        before[0][at], before[1][at] = base


def _explained(compared: Compared, steps: _Steps, at: Ints) -> Mask:
    """Which steps grew by exactly what windows without a result, between theirs and the one before, hold."""
    windows, missing = compared.accounts.windows, compared.missing
    if not len(missing) or not len(at):
        return np.zeros(len(at), np.bool_)
    rows = steps.row[at]
    code = codes(
        np.concatenate((windows.key[missing], steps.key[at], steps.key[at])),
        np.concatenate(
            (windows.window_ms[missing], steps.window_before[at] + 1, compared.results.window_ms[rows])
        ),
    )
    lost, low, high = np.split(code, [len(missing), len(missing) + len(at)])
    bounds = np.searchsorted(lost, low), np.searchsorted(lost, high)
    fits = np.ones(len(at), np.bool_)
    for held, over in ((windows.count, steps.counts_over), (windows.sum, steps.sums_over)):
        summed = np.concatenate(([0], np.cumsum(held[missing])))
        fits &= summed[bounds[1]] - summed[bounds[0]] == over[at]
    return fits


def _witness(compared: Compared, steps: _Steps, at: int) -> Witness:
    results, row = compared.results, int(steps.row[at])
    told = (int(results.total_count[row]), int(results.total_sum[row]))
    due = (told[0] - int(steps.counts_over[at]), told[1] - int(steps.sums_over[at]))
    return Witness(
        partition=int(results.partition[row]),
        offsets=(int(results.offset[row]),),
        detail=f"key {results.key[row]}, window {results.window_ms[row]}: totals {told[0]} and {told[1]} "
        f"instead of {due[0]} and {due[1]}",
    )
