"""Defects of groups: what was committed and is handed out again, what is passed over, what is ahead."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TypeAlias

from harness.checkers.mutate_rows import pick
from harness.checkers.trial import Defect
from harness.history.operations import Commit, Move, Poll, Reader
from harness.planting.records import unexcused
from harness.planting.told import Place, Told

Stand: TypeAlias = tuple[str, str, int]
"""A group, and a log."""


def stands(told: Told) -> dict[Stand, int]:
    """The lowest offset at which each group can have stood last, of each log that it committed."""
    by: defaultdict[Stand, list[Commit]] = defaultdict(list)
    for each in _commits(told):
        if each.outcome != "fail":
            by[each.group, each.topic, each.partition].append(each)
    return {stand: _lowest(commits) for stand, commits in by.items() if commits[-1].outcome == "ok"}


def _lowest(commits: list[Commit]) -> int:
    """The least of the last commit, of those that overlap it, and of those without an answer."""
    last = commits[-1].t[0]
    return min(each.offset for each in commits if each.outcome == "unknown" or (each.t[1] or last) >= last)


def _commits(told: Told) -> list[Commit]:
    return sorted((each for each in told.operations if isinstance(each, Commit)), key=lambda each: each.t[0])


def redeliver(told: Told, chance: Random) -> Told:
    """A new owner of a partition begins below what its group had committed."""
    below = [
        (stand, place)
        for stand, until in sorted(stands(told).items())
        for place in told.kept
        if place.log == stand[1:] and place.offset < until
    ]
    stand, place = pick(chance, below, "no group committed anything above a record")
    return joined_by(told, stand, place.offset, place.offset + 1)


def joined_by(told: Told, stand: Stand, first: int, until: int) -> Told:
    """With a new member that was handed what is visible in [first, until)."""
    (group, topic, partition), reader, late = stand, told.stranger, told.late
    places = [Place(topic, partition, offset) for offset in range(first, until)]
    visible = [p for p in places if any(told.shows_committed(at) for at in told.handed.get(p, []))]
    poll = Poll(
        reader=reader,
        topic=topic,
        partition=partition,
        t=(late, late + 1),
        position=(first, until),
        records=tuple(told.record(place) for place in visible),
    )
    return told.joined(Reader(reader=reader, mode="subscribe", group=group), poll)


def commit_ahead(told: Told, chance: Random) -> Told:
    """A member commits what nobody was handed yet."""
    return _commit_beyond(told, chance, durable=False)


def commit_undurable(told: Told, chance: Random) -> Told:
    """A member commits what its sink does not hold yet."""
    return _commit_beyond(told, chance, durable=True)


def _commit_beyond(told: Told, chance: Random, *, durable: bool) -> Told:
    polled = {(poll.reader, poll.topic, poll.partition) for poll in told.polls.values()}
    commits = [
        at
        for at, each in enumerate(told.operations)
        if isinstance(each, Commit) and each.outcome == "ok" and each.offset > 0
        and ((each.durable is not None) if durable else (each.reader, each.topic, each.partition) in polled)
    ]  # fmt: skip
    at = pick(chance, commits, "no sink said what it holds" if durable else "no group committed anything")
    commit = told.operations[at]
    assert isinstance(commit, Commit)
    if durable:
        return told.changed(at, durable=commit.offset - 1)
    ends = [told.polls[each].position[1] for each in told.of_log((commit.topic, commit.partition))]
    return told.changed(at, offset=max([*ends, *(each.offset for each in _commits(told))]) + 1)


def leave_behind(told: Told, chance: Random) -> Told:
    """A group goes on above a record that none of its members was handed."""
    unexcused(told.settings.cleanup == "compact", "compaction may have dropped it")
    found = [
        (place, own)
        for stand, until in sorted(stands(told).items())
        if not _set_by_hand(told, stand)
        for place in told.kept
        if place.log == stand[1:] and place.offset < until
        and (own := _own(told, stand, place)) and {*told.handed[place]} - own
    ]  # fmt: skip
    place, own = pick(chance, found, "no group committed what others were handed too")
    return told.withheld([place], own)


def _own(told: Told, stand: Stand, place: Place) -> set[int]:
    """The polls of the group's members that handed out what lies there; none if nobody else showed it."""
    own = {at for at in told.handed[place] if told.readers[told.polls[at].reader].group == stand[0]}
    others = {at for at in told.handed[place] if told.shows_committed(at)} - own
    return own if others else set()


def _set_by_hand(told: Told, stand: Stand) -> bool:
    return any(
        isinstance(each, Move) and each.why in {"seek", "reset"}
        and (each.topic, each.partition) == stand[1:] and told.readers[each.reader].group == stand[0]
        for each in told.operations
        if isinstance(each, Move) and each.reader in told.readers
    )  # fmt: skip


DEFECTS: tuple[Defect[Told], ...] = (
    Defect("what was committed handed out again", redeliver, "redelivered_committed"),
    Defect("a commit ahead of what was handed out", commit_ahead, "commit_ahead"),
    Defect("a commit ahead of its sink", commit_undurable, "commit_ahead"),
    Defect("a record that a group left behind", leave_behind, "left_behind"),
)
