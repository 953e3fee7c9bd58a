"""``every_record_placed``: each record of the source log ended in exactly one place, and in the right one.

The places: a window, the late records, the dead letters; a copy of a record that was seen before is
dropped. Wrong are

* a record in no place, once all of them were read whole: its window has no result or lacks it, or it
  is flawed and nobody refused it;
* a record in two places: its window has it twice or more than it should, or it was also set aside;
* a record in the wrong one: refused without a flaw or for another, late although flawed, in a window
  although it was late or flawed;
* a place that names a record which the log does not have.

What a window lacks or has too much is counted by its result and named by its fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from harness.checkers.accounts import DEAD, Accounts, complete
from harness.checkers.compared import NONE, Compared
from harness.checkers.guarantees import Count, judged, records, sentence
from harness.checkers.suspects import suspects
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Ints

NAME = "every_record_placed"
_PLACES = ("source", "late", "dead-letters", "results")


@dataclass(frozen=True, eq=False, slots=True)
class Placement:
    """What is wrong, by kind. Inputs are rows of the table; results are rows of theirs.

    ``short`` and ``over`` are how many records each of ``wrong``'s results lacks or has too many.
    """

    lost: Ints
    unrefused: Ints
    set_aside_twice: Ints
    wrongly_refused: Ints
    misnamed: Ints
    wrong: Ints
    short: Ints
    over: Ints
    strangers: Ints

    @property
    def nowhere(self) -> int:
        """Records in no place."""
        return len(self.lost) + len(self.unrefused) + int(self.short.sum())

    @property
    def twice(self) -> int:
        """Records in two places, or in a window that is not theirs."""
        return len(self.set_aside_twice) + int(self.over.sum())

    @property
    def misplaced(self) -> int:
        """Records in the wrong place, and places of records that there are not."""
        return len(self.wrongly_refused) + len(self.misnamed) + len(self.strangers)


def check_placement(compared: Compared) -> Finding:
    """Count the records that are in no place, in two, or in the wrong one."""
    accounts = compared.accounts
    found = place(compared)
    unread = complete(accounts.evidence, *_PLACES)
    parts = (
        f"{records(found.nowhere)} in no place" if found.nowhere else "",
        f"{records(found.twice)} in two" if found.twice else "",
        f"{records(found.misplaced)} in a wrong one" if found.misplaced else "",
    )
    many = len(accounts.hashes)
    count = Count(
        compared=tally(compared) | {"in no place": found.nowhere, "in two places": found.twice},
        violations=found.nowhere + found.twice + found.misplaced,
        held=f"Each of {records(many)} is in exactly one place.",
        broken=sentence((f"of {records(many)}", *parts)),
        doubt=unread,
        witnesses=tuple(islice(_witnesses(compared, found), MAX_WITNESSES)),
    )
    return judged(NAME, accounts.evidence, count)


def tally(compared: Compared) -> dict[str, int]:
    """How many inputs are where, as far as it is known."""
    accounts = compared.accounts
    windows = accounts.windows
    open_ = int(windows.count[compared.missing].sum()) if compared.unread else 0
    return {
        "inputs": len(accounts.hashes),
        "in windows": int(windows.count[compared.seen].sum()),
        "late": int((accounts.late > 0).sum()),
        "refused": int((accounts.dead > 0).sum()),
        "dropped as copies": int((accounts.copy & (accounts.late == 0)).sum()),
        "without a result yet": open_,
    }


def place(compared: Compared) -> Placement:
    """Find every record that is not where it should be."""
    accounts = compared.accounts
    late, dead, valid = accounts.late, accounts.dead, accounts.valid
    none = np.empty(0, np.int64)
    whole = not complete(accounts.evidence, "source", "late", "dead-letters")
    unrefused = np.flatnonzero(~valid & (dead == 0) & (late == 0)) if whole else none
    wrong, short, over = _wrong_windows(compared)
    return Placement(
        lost=none if compared.unread else _members(accounts, compared.missing),
        unrefused=unrefused,
        set_aside_twice=np.flatnonzero(late + dead > 1),
        wrongly_refused=np.flatnonzero((valid & (dead > 0)) | (~valid & (late > 0))),
        misnamed=_misnamed(accounts),
        wrong=wrong,
        short=short,
        over=over,
        strangers=none if complete(accounts.evidence, "source") else accounts.strangers,
    )


def _members(accounts: Accounts, numbers: Ints) -> Ints:
    """The records of these windows that were not set aside: one that was refused is not lost."""
    found = [accounts.windows.members_of(number) for number in numbers.tolist()]
    rows = np.concatenate(found) if found else np.empty(0, np.int64)
    return np.sort(rows[accounts.dead[rows] == 0])


def _misnamed(accounts: Accounts) -> Ints:
    """The flawed inputs that were refused for another reason than their flaw."""
    placed, inputs = accounts.evidence.placed, accounts.inputs
    rows = np.flatnonzero((placed.place == DEAD).astype(np.bool_))
    if not len(rows):
        return rows
    where = zip(placed.partition[rows].tolist(), placed.offset[rows].tolist(), strict=True)
    said = dict(zip(where, placed.reason[rows].tolist(), strict=True))
    flawed = np.flatnonzero(~accounts.valid & (accounts.dead > 0)).tolist()
    places = ((int(inputs.partition[row]), int(inputs.offset[row])) for row in flawed)
    other = [row for row, at in zip(flawed, places, strict=True) if said[at] != inputs.flaw[row]]
    return np.asarray(other, np.int64)


def _wrong_windows(compared: Compared) -> tuple[Ints, Ints, Ints]:
    """The results that are wrong and have no right one beside them, what each lacks and has too much."""
    windows, results, wrong = compared.accounts.windows, compared.results, compared.wrong
    number = compared.window[wrong]
    alone = (number == NONE) | (_at(compared.proven.astype(np.int64), number) == 0)
    wrong, number = wrong[alone], number[alone]
    due = np.where(number == NONE, 0, _at(windows.count, number))
    others = np.where(number == NONE, 0, _at(windows.fingerprint, number)) != results.fingerprint[wrong]
    change = results.count[wrong] - due
    exchanged = (others & (change == 0)).astype(np.int64)
    refused = _refused_of(compared, wrong, number, change)
    return wrong, np.maximum(-change, 0) + exchanged - refused, np.maximum(change, 0) + exchanged


def _refused_of(compared: Compared, wrong: Ints, number: Ints, change: Ints) -> Ints:
    """How many of the records that each result lacks were refused, and so are counted as that."""
    accounts = compared.accounts
    found = np.zeros(len(wrong), np.int64)
    if not (accounts.valid & (accounts.dead > 0)).any():
        return found
    for at in np.flatnonzero((change < 0) & (number != NONE)).tolist():
        members = accounts.windows.members_of(int(number[at]))
        found[at] = min(-int(change[at]), int((accounts.dead[members] > 0).sum()))
    return found


def _at(column: Ints, number: Ints) -> Ints:
    """The entries of *column*; of anything where it is empty."""
    return column[np.maximum(number, 0)] if len(column) else np.zeros(len(number), column.dtype)


def _witnesses(compared: Compared, found: Placement) -> Iterator[Witness]:
    accounts = compared.accounts
    for rows, why in (
        (found.set_aside_twice, "is set aside more than once"),
        (found.wrongly_refused, ""),
        (found.misnamed, "is refused for another reason than its flaw"),
        (found.unrefused, "was not refused"),
        (found.lost, "is in no window: its window has no result"),
    ):
        for row in rows[:MAX_WITNESSES].tolist():
            yield _witness(accounts, row, why or _wrong_place(accounts, row))
    for row in found.strangers[:MAX_WITNESSES].tolist():
        yield _stranger(accounts, row)
    for row in found.wrong[found.short + found.over > 0][:MAX_WITNESSES].tolist():
        yield from _by_fingerprint(compared, row)


def _wrong_place(accounts: Accounts, row: int) -> str:
    if accounts.valid[row]:
        return "is refused, and nothing is wrong with it"
    return f"is among the late ones, and has to be refused ({accounts.inputs.flaw[row]})"


def _witness(accounts: Accounts, row: int, why: str) -> Witness:
    inputs = accounts.inputs
    flaw = f" (flaw: {inputs.flaw[row]})" if inputs.flaw[row] else ""
    return Witness(
        record=accounts.record(row) if inputs.producer[row] >= 0 else "",
        partition=int(inputs.partition[row]),
        offsets=(int(inputs.offset[row]),),
        detail=f"the record{flaw} {why}",
    )


def _stranger(accounts: Accounts, row: int) -> Witness:
    placed = accounts.evidence.placed
    return Witness(
        partition=int(placed.partition[row]),
        offsets=(int(placed.offset[row]),),
        detail=f"{placed.place[row]}, for {placed.reason[row]}: the source log has no such record",
    )


def _by_fingerprint(compared: Compared, row: int) -> Iterator[Witness]:
    """The records that a wrong result lacks or has too many; its place when they cannot be named."""
    accounts, results, number = compared.accounts, compared.results, int(compared.window[row])
    found = suspects(
        accounts, None if number == NONE else number, int(results.count[row]), int(results.fingerprint[row])
    )
    place_ = f"the result of key {results.key[row]}, window {results.window_ms[row]}"
    for one in found.lacking:
        yield _witness(accounts, one, f"is in no place: {place_} lacks it")
    for one in found.extra:
        yield _witness(accounts, one, f"is in {place_}, beside where it belongs")
    if not (found.lacking or found.extra):
        yield Witness(
            partition=int(results.partition[row]),
            offsets=(int(results.offset[row]),),
            detail=f"{place_} lacks or has records that cannot be named",
        )
