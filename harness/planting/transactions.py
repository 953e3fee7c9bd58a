"""Defects of transactions, of what they carry over, of keys and of sums."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from random import Random
from typing import NamedTuple

from harness.checkers.mutate_rows import NoRoom, pick
from harness.checkers.trial import Defect
from harness.history.operations import Delivered, Poll
from harness.planting.records import committed_polls, for_all, unexcused
from harness.planting.told import Place, Told

_NONE_SHOWN = "no committed transaction was read back"


def members(told: Told) -> dict[str, list[Place]]:
    """The places of sure records by their transaction."""
    found: defaultdict[str, list[Place]] = defaultdict(list)
    for place in sorted(told.sure):
        if name := told.sent(place).transaction:
            found[name].append(place)
    return dict(found)


def tear(told: Told, chance: Random) -> Told:
    """Nobody is handed one record of a committed transaction, and others of it are there."""
    return told.withheld([pick(chance, _parts(told), "no committed transaction has two records")])


def tear_for_some(told: Told, chance: Random) -> Told:
    """Readers of committed records are not handed one record of a committed transaction."""
    return told.withheld([for_all(told, _parts(told), chance)], committed_polls(told))


def _parts(told: Told) -> list[Place]:
    """Places of records that have to stay, of transactions with several records."""
    kept = {*told.kept}
    whole = [places for places in members(told).values() if len(places) > 1]
    return [place for places in whole for place in places if place in kept]


def declare_more(told: Told, chance: Random) -> Told:
    """A committed transaction says that it holds more records than anybody sent."""
    names = [name for name in sorted(members(told)) if told.end(name).records is not None]
    if not all(map(told.looked_through, _logs(told))):
        raise NoRoom("not every log was read through a fence")
    end = told.end(pick(chance, names, "no committed transaction says how many records it holds"))
    return told.changed(told.ends[end.transaction], records=(end.records or 0) + 1)


def _logs(told: Told) -> set[tuple[str, int]]:
    return {place.log for place in told.handed} | {name[1:3] for name in told.sends}


def abort_shown(told: Told, chance: Random) -> Told:
    """A transaction whose records readers of committed records were handed was told as aborted."""
    name = pick(chance, sorted(_shown_committed(told)), _NONE_SHOWN)
    return told.changed(told.ends[name], end="abort", outcome="ok")


def _shown_committed(told: Told) -> dict[str, list[Place]]:
    """Transactions of which readers of committed records were handed a record, and where."""
    some = {name: [p for p in places if _polls(told, p)] for name, places in members(told).items()}
    return {name: places for name, places in some.items() if places}


def _polls(told: Told, place: Place) -> list[int]:
    return [at for at in told.handed[place] if told.shows_committed(at)]


def show_aborted(told: Told, chance: Random) -> Told:
    """A reader of committed records is handed a record of an aborted transaction."""
    covering = [(at, record) for place, record in _aborted(told) for at in _over(told, place)]
    at, record = pick(chance, covering, "no aborted record lies where readers of committed records read")
    records = sorted((*told.polls[at].records, record), key=lambda one: one.offset)
    return told.changed(at, records=tuple(records))


def _aborted(told: Told) -> list[tuple[Place, Delivered]]:
    """Records of aborted transactions whose place was answered, and where no other one lies."""
    found = []
    for (producer, topic, partition, sequence), at in told.sends.items():
        send, place = told.send(at[0]), Place(topic, partition, told.send(at[0]).offset or 0)
        ended = told.end(send.transaction) if send.transaction in told.ends else None
        if len(at) > 1 or send.offset is None or send.outcome != "ok" or ended is None:
            continue
        if ended.end == "abort" and ended.outcome == "ok":
            found.append((place, Delivered(offset=place.offset, producer=producer, sequence=sequence)))
    return found


def _over(told: Told, place: Place) -> list[int]:
    """Polls of readers of committed records that passed over *place*, and handed nothing out there."""
    return [
        at
        for at in told.of_log(place.log)
        if told.shows_committed(at)
        and told.polls[at].position[0] <= place.offset < told.polls[at].position[1]
        and at not in told.handed.get(place, [])
    ]


def claim_abort(told: Told, chance: Random) -> Told:
    """A transaction that was aborted, and of which nobody saw a record, was told as committed."""

    def counts(name: str) -> bool:
        sends = [told.send(at[0]) for at in told.sends.values() if told.send(at[-1]).transaction == name]
        return any(
            send.outcome == "ok" and send.key is None and told.looked_through((send.topic, send.partition))
            for send in sends
        )

    absent = [
        name
        for name in sorted(told.ends)
        if (end := told.end(name)).end == "abort" and end.outcome == "ok" and name not in told.shown
        and counts(name)
    ]  # fmt: skip
    name = pick(chance, absent, "no aborted transaction without keys left nothing behind")
    return told.changed(told.ends[name], end="commit")


def commit_late(told: Told, chance: Random) -> Told:
    """A transaction's commit was asked for long after its records had been handed out."""
    name = pick(chance, sorted(_shown_committed(told)), _NONE_SHOWN)
    return told.changed(told.ends[name], t=(told.late, told.late + 1))


def read_own(told: Told, chance: Random) -> Told:
    """A transaction is handed a record that it sent."""
    shown = _shown_committed(told)
    name = pick(chance, sorted(shown), _NONE_SHOWN)
    return told.joined(_read_within(told, shown[name], chance, name, told.stranger))


def read_in_a_circle(told: Told, chance: Random) -> Told:
    """Two transactions are handed each other's records."""
    shown = _shown_committed(told)
    names = sorted(shown)
    one = pick(chance, names, _NONE_SHOWN)
    other = pick(chance, [name for name in names if name != one], "only one committed transaction was read")
    return told.joined(
        _read_within(told, shown[one], chance, other, told.stranger),
        _read_within(told, shown[other], chance, one, told.stranger + 1),
    )


def _read_within(told: Told, places: list[Place], chance: Random, name: str, reader: int) -> Poll:
    """A poll like one that handed out one of *places*, within the transaction *name*."""
    at = pick(chance, _polls(told, pick(chance, places, "")), "")
    return told.polls[at].model_copy(update={"reader": reader, "transaction": name})


def resurrect(told: Told, chance: Random) -> Told:
    """A record lies above one of a newer incarnation of its transactional id."""
    pairs = [
        (lower, higher)
        for lower, higher in _rivals(told)
        if told.end(lower).writer and told.end(lower).writer == told.end(higher).writer
    ]
    lower, higher = pick(chance, pairs, "no transactional id has two transactions in one log")
    return told.changed(told.ends[lower], incarnation=told.end(higher).incarnation + 1)


def _rivals(told: Told) -> list[tuple[str, str]]:
    """Transactions of which a record lies below one of another, in one log."""
    named = [(place, name) for name, places in members(told).items() for place in places]
    named.sort()
    near = [pair for step in range(1, 9) for pair in zip(named, named[step:], strict=False)]
    return [(a[1], b[1]) for a, b in near if a[0].log == b[0].log and a[1] != b[1]]


class Input(NamedTuple):
    """What a committed transaction took in of one log."""

    group: str
    topic: str
    partition: int
    first: int
    until: int
    transaction: str
    nth: int


def inputs(told: Told) -> list[Input]:
    """Every input of a committed transaction, in order."""
    ends = (told.end(name) for name in told.committed)
    return sorted(
        Input(each.group, each.topic, each.partition, each.first, each.until, end.transaction, index)
        for end in ends
        for index, each in enumerate(end.consumed)
        if each.first < each.until
    )


def take_twice(told: Told, chance: Random) -> Told:
    """An input that one committed transaction took in was taken in by the next one too."""
    unexcused(told.settings.at_least_once, "at-least-once")
    every = inputs(told)
    one = pick(chance, _followers(every), "no two committed transactions took in what follows each other")
    return _began(told, one, one.first - 1)


def leave_out(told: Told, chance: Random) -> Told:
    """A transaction's input begins above a record that no other one took in."""
    every = inputs(told)
    holes = [
        (one, offset + 1)
        for one in _followers(every)
        for offset in range(one.first, one.until - 1)
        if _visible(told, Place(one.topic, one.partition, offset))
    ]
    return _began(told, *pick(chance, holes, "no committed transaction took in two records"))


def _followers(every: list[Input]) -> list[Input]:
    """Those that begin where another one of their group and log ended."""
    return [b for a, b in pairwise(every) if a[:3] == b[:3] and a.until == b.first]


def _visible(told: Told, place: Place) -> bool:
    return any(told.shows_committed(at) for at in told.handed.get(place, []))


def _began(told: Told, one: Input, first: int) -> Told:
    consumed = list(told.end(one.transaction).consumed)
    consumed[one.nth] = consumed[one.nth].model_copy(update={"first": first})
    return told.changed(told.ends[one.transaction], consumed=tuple(consumed))


def lose_last_value(told: Told, chance: Random) -> Told:
    """Nobody is handed the last record of a key; its older value is what is left."""
    last = [
        place
        for place in sorted(told.sure)
        if (send := told.sent(place)).key is not None
        and send.value is not None
        and told.newest[*place.log, send.key] == place.offset
        and told.looked_through(place.log)
    ]
    return told.withheld([pick(chance, last, "no key's last record was read back")])


def unbalance(told: Told, chance: Random) -> Told:
    """A committed record carries more than was taken elsewhere."""
    if not told.settings.conserved:
        raise NoRoom("its settings do not say that values sum to zero")
    if not all(map(told.looked_through, _logs(told))):
        raise NoRoom("not every log was read through a fence")
    place = pick(chance, sorted(told.sure), "no acknowledged record was read back")
    return told.changed(told.sure[place], value=(told.sent(place).value or 0) + 1)


DEFECTS: tuple[Defect[Told], ...] = (
    Defect("a transaction torn", tear, "torn_transaction"),
    Defect("a transaction torn for readers of committed records", tear_for_some, "torn_transaction"),
    Defect("a transaction that declares more", declare_more, "torn_transaction"),
    Defect("a transaction told as aborted", abort_shown, "aborted_read"),
    Defect("a record of an aborted transaction shown", show_aborted, "aborted_read"),
    Defect("an aborted transaction told as committed", claim_abort, "lost"),
    Defect("a commit after its records were read", commit_late, "precommitted_read"),
    Defect("a transaction that reads itself", read_own, "own_read"),
    Defect("transactions that read each other", read_in_a_circle, "read_cycle"),
    Defect("a zombie's record", resurrect, "zombie_write"),
    Defect("an input taken in twice", take_twice, "inputs_twice"),
    Defect("an input left out", leave_out, "inputs_left_out"),
    Defect("a key's last value gone", lose_last_value, "latest_value"),
    Defect("a sum that is not conserved", unbalance, "conservation"),
)
