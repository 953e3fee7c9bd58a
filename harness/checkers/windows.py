"""``results_exact``, ``results_single``: each window has one result, and it is what the log makes of it.

``results_exact`` holds every result against its window (``harness.checkers.compared``) and every
window against the results. ``results_single`` counts results of a window that had one already: said
again word for word, as a job that delivers at least once may, or another one, which
leaves nobody knowing which to believe.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checkers.accounts import Accounts, complete
from harness.checkers.compared import NONE, Compared
from harness.checkers.guarantees import Count, judged, records, sentence
from harness.checkers.suspects import suspects
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.model import HopRead

EXACT, SINGLE = "results_exact", "results_single"

_NAMED = 3
"""So many records of a lost window are named."""


def check_exact(compared: Compared) -> Finding:
    """Count the windows whose result is wrong or lost."""
    accounts, missing = compared.accounts, len(compared.missing)
    lost = 0 if compared.unread else missing
    wrong, unreadable = len(compared.wrong), unreadable_results(accounts)
    many = len(accounts.windows)
    parts = (
        f"{wrong:,} wrong" if wrong else "",
        f"{lost:,} lost" if lost else "",
        f"{unreadable:,} unreadable" if unreadable else "",
    )
    count = Count(
        compared={
            "windows": many,
            "results": len(compared.window),
            "records in windows": int(accounts.windows.count.sum()),
        },
        violations=wrong + lost + unreadable,
        held=f"{records(many, 'window')} and their results agree: count, sum, least, greatest and ids.",
        broken=sentence((f"of {records(many, 'window')}", *parts)),
        doubt=_doubt(compared, missing),
        witnesses=(*_wrong(compared), *_lost(compared, lost)),
    )
    return judged(EXACT, accounts.evidence, count)


def check_single(compared: Compared) -> Finding:
    """Count the results of windows that had one already."""
    accounts, again = compared.accounts, compared.again
    same = int(compared.identical[again].sum())
    parts = (
        f"{records(same, 'result')} given again word for word" if same else "",
        f"{records(len(again) - same, 'result')} contradicting an earlier one" if len(again) > same else "",
    )
    count = Count(
        compared={"results": len(compared.window)},
        violations=len(again),
        held=f"Each of {records(len(compared.window), 'result')} is the only one of its window.",
        broken=sentence(parts),
        doubt=complete(accounts.evidence, "results"),
        witnesses=tuple(_repeated(compared, row) for row in again[:MAX_WITNESSES].tolist()),
    )
    return judged(SINGLE, accounts.evidence, count)


def unreadable_results(accounts: Accounts) -> int:
    """How many lines of the results topic are no results."""
    told = [e for e in accounts.evidence.events if isinstance(e, HopRead) and e.hop == "results"]
    return told[-1].counts.get("unreadable", 0) if told else 0


def _doubt(compared: Compared, missing: int) -> str:
    waiting = f"{records(missing, 'window')} without a result" if missing else ""
    unsure = f"{records(compared.doubtful, 'result')} unlike the log" if compared.doubtful else ""
    return sentence((waiting, unsure, compared.unread))[:-1] if compared.unread else ""


def _wrong(compared: Compared) -> Iterator[Witness]:
    accounts, results = compared.accounts, compared.results
    for row in compared.wrong[:MAX_WITNESSES].tolist():
        number = int(compared.window[row])
        found = suspects(
            accounts,
            None if number == NONE else number,
            int(results.count[row]),
            int(results.fingerprint[row]),
        )
        named = [*found.lacking, *found.extra]
        said = [f"lacks {accounts.record(one)}" for one in found.lacking]
        said += [f"has {accounts.record(one)} {_why_extra(accounts, one, number)}" for one in found.extra]
        yield Witness(
            record=accounts.record(named[0]) if named else "",
            partition=int(results.partition[row]),
            offsets=(int(results.offset[row]),),
            detail=": ".join((_difference(compared, row), *([", ".join(said)] if said else []))),
        )


def _why_extra(accounts: Accounts, row: int, number: int) -> str:
    if not accounts.valid[row]:
        return "although it is to be refused"
    if accounts.late[row]:
        return "although it was late"
    inside = number != NONE and row in accounts.windows.members_of(number)
    return "twice" if inside or accounts.copy[row] else "of another window"


def _difference(compared: Compared, row: int) -> str:
    """Where a result differs from its window, in words."""
    results, windows, number = compared.results, compared.accounts.windows, int(compared.window[row])
    place = f"key {results.key[row]}, window {results.window_ms[row]}"
    if number == NONE:
        return f"{place}: {records(int(results.count[row]))} where there should be none"
    names = ("count", "sum", "min", "max", "fingerprint")
    pairs = [(name, getattr(results, name)[row], getattr(windows, name)[number]) for name in names]
    told = ", ".join(f"{name} {said} instead of {due}" for name, said, due in pairs if said != due)
    return f"{place}: {told}"


def _lost(compared: Compared, lost: int) -> Iterator[Witness]:
    accounts = compared.accounts
    windows, inputs = accounts.windows, accounts.inputs
    for number in compared.missing[: min(lost, MAX_WITNESSES)].tolist():
        rows = sorted(windows.members_of(number).tolist(), key=lambda row: int(inputs.offset[row]))[:_NAMED]
        yield Witness(
            record=accounts.record(rows[0]),
            partition=int(inputs.partition[rows[0]]),
            offsets=tuple(int(inputs.offset[row]) for row in rows),
            detail=f"key {windows.key[number]}, window {windows.window_ms[number]}: no result for "
            f"{records(int(windows.count[number]))}: {', '.join(accounts.record(row) for row in rows)}",
        )


def _repeated(compared: Compared, row: int) -> Witness:
    results = compared.results
    first = int((compared.code == compared.code[row]).argmax())
    how = "the same again" if compared.identical[row] else "another result"
    return Witness(
        partition=int(results.partition[row]),
        offsets=(int(results.offset[row]),),
        detail=f"key {results.key[row]}, window {results.window_ms[row]}: {how}, first at offset "
        f"{results.offset[first]} of partition {results.partition[first]}",
    )
