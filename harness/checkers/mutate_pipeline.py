"""Planted defects of a pipeline: what the checkers of its results must catch, and noise that they must bear.

Like ``harness.checkers.mutate``: each mutation takes the evidence of a passing run and gives that of a
run with exactly one thing wrong, here with the id of the record that a witness has to name,
where it is about a record.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from harness.checkers.accounts import Accounts, accounts, fingerprint
from harness.checkers.mutate_rows import NoRoom, chosen, joined, pick, shuffled
from harness.ledger.evidence import Archive, Evidence, Inputs, Ints, Placed
from harness.model import HopRead, PipelinePlanned
from harness.verdict import Verdict

_NONE = "the run's pipeline has nothing of the kind"


@dataclass(frozen=True, slots=True)
class Planted:
    """Evidence with a defect. ``record`` is the id that must be named; empty: there is no one record."""

    evidence: Evidence
    record: str = ""


Plant = Callable[[Evidence, random.Random], Planted]


@dataclass(frozen=True, slots=True)
class PipelineMutation:
    """One planted defect: ``caught_by`` must say ``verdict``."""

    name: str
    apply: Plant
    caught_by: str
    verdict: Verdict = Verdict.FAIL


def change_members(change: Callable[[Ints, Accounts, random.Random], tuple[Ints, int]]) -> Plant:
    """A window's result is made of other records than it should be; *change* gives them and the odd one."""

    def apply(evidence: Evidence, chance: random.Random) -> Planted:
        books = _books(evidence)
        number = int(pick(chance, np.flatnonzero(books.windows.count > 2), _NONE))
        members, odd = change(books.windows.members_of(number), books, chance)
        row = _result_of(evidence, books, number)
        return Planted(_with_result(evidence, row, _made(books, members)), books.record(odd))

    return apply


def drop_one(members: Ints, _: Accounts, chance: random.Random) -> tuple[Ints, int]:
    """One record of the window is not in its result."""
    at = pick(chance, range(len(members)), _NONE)
    return np.delete(members, at), int(members[at])


def drop_two(members: Ints, _: Accounts, chance: random.Random) -> tuple[Ints, int]:
    """Two records are not."""
    gone = chance.sample(range(len(members)), 2)
    return np.delete(members, gone), int(members[gone[0]])


def double_one(members: Ints, _: Accounts, chance: random.Random) -> tuple[Ints, int]:
    """One record is in it twice."""
    odd = int(pick(chance, members, _NONE))
    return np.append(members, odd), odd


def exchange_one(members: Ints, books: Accounts, chance: random.Random) -> tuple[Ints, int]:
    """A record of another window of the key is in it, instead of one of its own."""
    inputs = books.inputs
    others = books.valid & (inputs.key == inputs.key[members[0]])
    others[members] = False
    odd = int(pick(chance, np.flatnonzero(others), _NONE))
    return np.append(members[1:], odd), odd


def add_from(place: str) -> Plant:
    """A record that was late or refused is in a window as well."""

    def apply(evidence: Evidence, chance: random.Random) -> Planted:
        books = _books(evidence)
        odd = int(pick(chance, np.flatnonzero((books.late if place == "late" else books.dead) > 0), _NONE))
        same = np.flatnonzero((books.windows.key == books.inputs.key[odd]) & (books.windows.count > 1))
        number = int(pick(chance, same, _NONE))
        members = np.append(books.windows.members_of(number), odd)
        row = _result_of(evidence, books, number)
        return Planted(_with_result(evidence, row, _made(books, members)), books.record(odd))

    return apply


def change_result(name: str) -> Plant:
    """One number of a result is off by one."""

    def apply(evidence: Evidence, chance: random.Random) -> Planted:
        row = pick(chance, range(len(evidence.results.key)), _NONE)
        value = int(getattr(evidence.results, name)[row])
        return Planted(_with_result(evidence, row, {name: value + 1}))

    return apply


def lose_window(evidence: Evidence, chance: random.Random) -> Planted:
    """A window has no result."""
    row = pick(chance, range(len(evidence.results.key)), _NONE)
    books = _books(evidence)
    windows, results = books.windows, evidence.results
    mine = (windows.key == results.key[row]) & (windows.window_ms == results.window_ms[row])
    first = min(windows.members_of(int(np.flatnonzero(mine)[0])).tolist())
    kept = np.delete(np.arange(len(results.key)), row)
    return Planted(replace(evidence, results=chosen(results, kept)), books.record(first))


def repeat_window(evidence: Evidence, chance: random.Random) -> Planted:
    """A result is there a second time, word for word."""
    row = pick(chance, range(len(evidence.results.key)), _NONE)
    return Planted(_with_another(evidence, row, {}))


def contradict_window(evidence: Evidence, chance: random.Random) -> Planted:
    """A window has a second, other result."""
    row = pick(chance, range(len(evidence.results.key)), _NONE)
    return Planted(_with_another(evidence, row, {"sum": int(evidence.results.sum[row]) + 1}))


def invent_window(evidence: Evidence, chance: random.Random) -> Planted:
    """There is a result of a window in which nothing happened."""
    row = pick(chance, range(len(evidence.results.key)), _NONE)
    return Planted(
        _with_another(evidence, row, {"window_ms": int(evidence.results.window_ms.max()) + 60_000})
    )


def reset_totals(evidence: Evidence, chance: random.Random) -> Planted:
    """From some result of a key on, its totals begin anew."""
    results = evidence.results
    key = int(pick(chance, results.key, _NONE))
    mine = np.flatnonzero(results.key == key)
    mine = mine[np.argsort(results.offset[mine])]
    after = mine[pick(chance, range(1, len(mine)), _NONE) :]
    counts, sums = results.total_count.copy(), results.total_sum.copy()
    counts[after] = np.cumsum(results.count[after])
    sums[after] = np.cumsum(results.sum[after])
    return Planted(replace(evidence, results=replace(results, total_count=counts, total_sum=sums)))


def forget_place(place: str) -> Plant:
    """A record that was set aside is nowhere."""

    def apply(evidence: Evidence, chance: random.Random) -> Planted:
        row = _place(evidence, place, chance)
        kept = np.delete(np.arange(len(evidence.placed.offset)), row)
        lost = replace(evidence, placed=chosen(evidence.placed, kept))
        return Planted(lost, _named(evidence, row))

    return apply


def repeat_place(place: str) -> Plant:
    """A record was set aside twice."""

    def apply(evidence: Evidence, chance: random.Random) -> Planted:
        row = _place(evidence, place, chance)
        again = np.append(np.arange(len(evidence.placed.offset)), row)
        return Planted(replace(evidence, placed=chosen(evidence.placed, again)), _named(evidence, row))

    return apply


def misname_refusal(evidence: Evidence, chance: random.Random) -> Planted:
    """A record was refused for what is not wrong with it."""
    row = _place(evidence, "dead", chance)
    reason = evidence.placed.reason.copy()
    reason[row] = "checksum"
    return Planted(replace(evidence, placed=replace(evidence.placed, reason=reason)), _named(evidence, row))


def refuse_sound(evidence: Evidence, chance: random.Random) -> Planted:
    """A record of a window was refused as well, though nothing is wrong with it."""
    books = _books(evidence)
    odd = int(pick(chance, books.windows.members, _NONE))
    inputs = evidence.inputs
    return Planted(
        _with_place(evidence, "dead", int(inputs.partition[odd]), int(inputs.offset[odd])), books.record(odd)
    )


def invent_refusal(evidence: Evidence, chance: random.Random) -> Planted:
    """A record was refused that the log does not have."""
    partition = int(pick(chance, evidence.inputs.partition, _NONE))
    return Planted(_with_place(evidence, "dead", partition, int(evidence.inputs.offset.max()) + 1_000))


def leave_unread(hop: str, then: Plant) -> Plant:
    """What *then* does, and *hop* was not read to its end: it may be no defect at all."""

    def apply(evidence: Evidence, chance: random.Random) -> Planted:
        return Planted(_with_hop(then(evidence, chance).evidence, hop, {"complete": False}))

    return apply


def nothing(evidence: Evidence, _: random.Random) -> Planted:
    """Nothing is wrong."""
    return Planted(evidence)


def garble_line(evidence: Evidence, _: random.Random) -> Planted:
    """A line of the results topic is no result."""
    return Planted(_with_hop(evidence, "results", {"counts": {"results": 1, "unreadable": 1}}))


def forget_all(evidence: Evidence, _: random.Random) -> Planted:
    """Not one row was written."""
    none = np.empty(0, np.int64)
    return Planted(
        replace(
            evidence,
            inputs=chosen(evidence.inputs, none),
            results=chosen(evidence.results, none),
            placed=chosen(evidence.placed, none),
        )
    )


_EXACT, _SINGLE, _PLACED, _KEPT = "results_exact", "results_single", "every_record_placed", "state_kept"
_DROPPED = change_members(drop_one)

DEFECTS = (
    PipelineMutation("a record missing in its window", _DROPPED, _EXACT),
    PipelineMutation("a record missing, seen as in no place", _DROPPED, _PLACED),
    PipelineMutation("two records missing", change_members(drop_two), _EXACT),
    PipelineMutation("a record twice in its window", change_members(double_one), _EXACT),
    PipelineMutation("a record twice, seen as in two places", change_members(double_one), _PLACED),
    PipelineMutation("a record of another window", change_members(exchange_one), _EXACT),
    PipelineMutation("a wrong minimum", change_result("min"), _EXACT),
    PipelineMutation("a wrong maximum", change_result("max"), _EXACT),
    PipelineMutation("a wrong sum", change_result("sum"), _EXACT),
    PipelineMutation("a wrong fingerprint", change_result("fingerprint"), _EXACT),
    PipelineMutation("a window lost", lose_window, _EXACT),
    PipelineMutation("a window lost, its records in no place", lose_window, _PLACED),
    PipelineMutation("a window of nothing", invent_window, _EXACT),
    PipelineMutation("a line that is no result", garble_line, _EXACT),
    PipelineMutation("a window given twice", repeat_window, _SINGLE),
    PipelineMutation("a window contradicted", contradict_window, _SINGLE),
    PipelineMutation("totals that begin anew", reset_totals, _KEPT),
    PipelineMutation("totals too large", change_result("total_sum"), _KEPT),
    PipelineMutation("a late record in a window", add_from("late"), _PLACED),
    PipelineMutation("a refused record in a window", add_from("dead"), _PLACED),
    PipelineMutation("a late record nowhere", forget_place("late"), _PLACED),
    PipelineMutation("a flawed record nowhere", forget_place("dead"), _PLACED),
    PipelineMutation("a late record twice", repeat_place("late"), _PLACED),
    PipelineMutation("a refused record twice", repeat_place("dead"), _PLACED),
    PipelineMutation("a refusal for another reason", misname_refusal, _PLACED),
    PipelineMutation("a sound record refused", refuse_sound, _PLACED),
    PipelineMutation("a refusal of no record", invent_refusal, _PLACED),
    PipelineMutation("results unread", leave_unread("results", lose_window), _EXACT, Verdict.UNKNOWN),
    PipelineMutation("late records unread", leave_unread("late", _DROPPED), _EXACT, Verdict.UNKNOWN),
    PipelineMutation("more than there is, all unread", leave_unread("results", add_from("late")), _EXACT),
    PipelineMutation("the log unread", leave_unread("source", _DROPPED), _EXACT, Verdict.UNKNOWN),
    PipelineMutation(
        "dead letters unread", leave_unread("dead-letters", forget_place("dead")), _PLACED, Verdict.UNKNOWN
    ),
    PipelineMutation("results not wholly read", leave_unread("results", nothing), _SINGLE, Verdict.UNKNOWN),
    PipelineMutation("totals not wholly read", leave_unread("results", nothing), _KEPT, Verdict.UNKNOWN),
    PipelineMutation("no rows at all", forget_all, _EXACT, Verdict.UNKNOWN),
    PipelineMutation("no rows, no places", forget_all, _PLACED, Verdict.UNKNOWN),
)


def append_copies(evidence: Evidence, chance: random.Random) -> Evidence:
    """Records lie in the log a second time, soon after, and the job dropped them."""
    inputs = evidence.inputs
    sound = np.flatnonzero(inputs.flaw == "").tolist()
    if len(sound) < 5:
        raise NoRoom(_NONE)
    rows = np.asarray(chance.sample(sound, 5))
    copies = chosen(inputs, rows)
    copies = replace(copies, offset=copies.offset + int(inputs.offset.max()) + 1)
    archived = _archived(evidence, copies) if len(evidence.objects.object) else evidence
    return replace(archived, inputs=joined(inputs, copies))


def shuffle_rows(evidence: Evidence, chance: random.Random) -> Evidence:
    """The tables' rows are in another order, as with several writers."""
    inputs, results, placed = evidence.inputs, evidence.results, evidence.placed
    if not len(inputs.offset):
        raise NoRoom(_NONE)
    return replace(
        evidence,
        inputs=chosen(inputs, shuffled(len(inputs.offset), chance)),
        results=chosen(results, shuffled(len(results.offset), chance)),
        placed=chosen(placed, shuffled(len(placed.offset), chance)),
    )


NOISE: dict[str, Callable[[Evidence, random.Random], Evidence]] = {
    "copies in the log": append_copies,
    "rows in another order": shuffle_rows,
}


def _archived(evidence: Evidence, more: Inputs) -> Evidence:
    """*evidence* with *more* at the end of the first object: the archive keeps every place of the log."""
    objects, archive, many = evidence.objects, evidence.archive, len(more.offset)
    lines = objects.lines.copy()
    added = Archive(
        object=np.full(many, objects.object[0]),
        first_line=lines[0] + 1 + np.arange(many),
        partition=more.partition,
        first_offset=more.offset,
        count=np.ones(many, np.int64),
    )
    lines[0] += many
    return replace(evidence, objects=replace(objects, lines=lines), archive=joined(archive, added))


def _books(evidence: Evidence) -> Accounts:
    plan = evidence.last(PipelinePlanned)
    assert plan is not None, "a pipeline's evidence"
    return accounts(evidence, plan)


def _made(books: Accounts, members: Ints) -> dict[str, int]:
    """What a result of these inputs says."""
    values = books.inputs.value[members]
    return {
        "count": len(members),
        "sum": int(values.sum()),
        "min": int(values.min()),
        "max": int(values.max()),
        "fingerprint": fingerprint(books.hashes[members]),
    }


def _result_of(evidence: Evidence, books: Accounts, number: int) -> int:
    results, windows = evidence.results, books.windows
    mine = (results.key == windows.key[number]) & (results.window_ms == windows.window_ms[number])
    return int(np.flatnonzero(mine)[0])


def _with_result(evidence: Evidence, row: int, said: dict[str, int]) -> Evidence:
    """*evidence* whose result at *row* says this."""
    changed = {}
    for name, value in said.items():
        column = getattr(evidence.results, name).copy()
        column[row] = value
        changed[name] = column
    return replace(evidence, results=replace(evidence.results, **changed))


def _with_another(evidence: Evidence, row: int, said: dict[str, int]) -> Evidence:
    """*evidence* with a copy of a result at the end of its partition, which says this."""
    results = evidence.results
    again = chosen(results, np.append(np.arange(len(results.key)), row))
    end = int(results.offset[results.partition == results.partition[row]].max()) + 1
    return _with_result(replace(evidence, results=again), len(results.key), said | {"offset": end})


def _place(evidence: Evidence, place: str, chance: random.Random) -> int:
    return int(pick(chance, np.flatnonzero(evidence.placed.place == place), _NONE))


def _named(evidence: Evidence, row: int) -> str:
    """The id of the record that a row of ``placed`` is about."""
    inputs, placed = evidence.inputs, evidence.placed
    mine = (inputs.partition == placed.partition[row]) & (inputs.offset == placed.offset[row])
    one = int(np.flatnonzero(mine)[0])
    return f"{inputs.producer[one]}/{inputs.partition[one]}/{inputs.sequence[one]}"


def _with_place(evidence: Evidence, place: str, partition: int, offset: int) -> Evidence:
    one = Placed(
        np.asarray([place], np.object_),
        np.asarray(["value"], np.object_),
        np.asarray([partition]),
        np.asarray([offset]),
    )
    return replace(evidence, placed=joined(evidence.placed, one))


def _with_hop(evidence: Evidence, hop: str, update: dict[str, object]) -> Evidence:
    events = tuple(
        event.model_copy(update=update) if isinstance(event, HopRead) and event.hop == hop else event
        for event in evidence.events
    )
    return replace(evidence, events=events)
