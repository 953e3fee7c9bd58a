"""Defects of readers: what they pass over, begin at, and are handed late, and holes in what anybody read."""

from __future__ import annotations

from random import Random

from harness.checkers.mutate_rows import pick
from harness.checkers.trial import Defect
from harness.history.operations import Fence, Move, Operation, Poll, Reader
from harness.planting.records import NONE_KEPT, unexcused
from harness.planting.told import Place, Told, clipped
from harness.verdict import Verdict


def pass_over_once(told: Told, chance: Random) -> Told:
    """One poll passes over a record that other polls of readers of committed records hand out."""
    unexcused(told.settings.cleanup == "compact", "compaction may have dropped it")
    shared = [place for place in sorted(told.sure) if len(_committed(told, place)) > 1]
    place = pick(chance, shared, "no record was handed twice to readers of committed records")
    return told.withheld([place], {pick(chance, _committed(told, place), "")})


def _committed(told: Told, place: Place) -> list[int]:
    return [at for at in told.handed[place] if told.shows_committed(at)]


def leave_out_a_poll(told: Told, chance: Random) -> Told:
    """A reader goes on above what it was handed nothing of."""
    followed = {at for at, _ in _joined(told)}
    after = [
        (before, at)
        for before, at in _joined(told)
        if at in followed and _others_saw(told, at)
    ]  # fmt: skip
    return told.replaced({pick(chance, after, "no reader of its own polled three times in a row")[1]: []})


def _others_saw(told: Told, at: int) -> bool:
    """Whether somebody else of committed records was handed something that this poll was."""
    poll = told.polls[at]
    places = (Place(poll.topic, poll.partition, one.offset) for one in poll.records)
    return any({*_committed(told, place)} - {at} for place in places)


def rewind(told: Told, chance: Random) -> Told:
    """A reader is handed once more what its poll before handed it, and nobody moved it."""
    ways = [at for _, at in _joined(told) if told.polls[at].position[0] < told.polls[at].position[1]]
    at = pick(chance, ways, "no reader of its own polled twice in a row")
    return told.replaced({at: [told.operations[at], told.operations[at]]})


def _joined(told: Told) -> list[tuple[int, int]]:
    """Polls of readers that subscribe to nothing, each with the next one of its reader and log."""
    last: dict[tuple[int, str, int], int] = {}
    found = []
    for at, each in enumerate(told.operations):
        if isinstance(each, Move):
            last.pop((each.reader, each.topic, each.partition), None)
        if isinstance(each, Poll) and told.readers[each.reader].mode == "assign":
            key = each.reader, each.topic, each.partition
            if key in last:
                found.append((last[key], at))
            last[key] = at
    return found


def turn_round(told: Told, chance: Random) -> Told:
    """A poll hands out two records in the wrong order."""
    polls = [at for at, poll in told.polls.items() if len(poll.records) > 1]
    at = pick(chance, polls, "no poll handed out two records")
    records = list(told.polls[at].records)
    first = chance.randrange(len(records) - 1)
    records[first : first + 2] = reversed(records[first : first + 2])
    return told.changed(at, records=tuple(records))


def lower_epoch(told: Told, chance: Random) -> Told:
    """A record bears a leader's epoch above that of all that follow."""
    epochs = {
        place: one.epoch
        for place in sorted(told.handed)
        if (one := told.record(place)).epoch is not None
    }  # fmt: skip
    last = {place.log: place for place in epochs}
    place = pick(
        chance, [place for place in epochs if place != last[place.log]], "no leader's epoch was told"
    )
    above = 1 + max(epoch for epoch in epochs.values() if epoch is not None)
    return told.handing(place, lambda one: (one.model_copy(update={"epoch": above}),))


def hand_nothing(told: Told, chance: Random) -> Told:
    """A reader that has kept up is handed nothing more, though records have long been visible."""
    fresh = told.settings.fresh_ns
    place = pick(
        chance, sorted(told.sure) if fresh is not None else [], "its settings bound no age (fresh_ns)"
    )
    late = told.late + (fresh or 0) + told.settings.skew_ns + 1
    reader, (topic, partition) = told.stranger, place.log
    idle = [
        Poll(reader=reader, topic=topic, partition=partition, t=(t, t), position=(0, 0)) for t in (0, late)
    ]
    return told.joined(Reader(reader=reader, isolation="uncommitted"), *idle)


def open_hole(told: Told, chance: Random) -> Told:
    """Nobody reads where an acknowledged record lies: every reader was moved over it."""
    place = pick(chance, told.kept, NONE_KEPT)

    def beside(poll: Poll) -> list[Operation]:
        moved = Move(
            reader=poll.reader, topic=place.topic, partition=place.partition, t=poll.t[0], why="seek"
        )
        start, end = poll.position
        low, high = clipped(poll, start, place.offset), clipped(poll, place.offset + 1, end)
        return [low, moved, high]

    over = [at for at in told.of_log(place.log) if _passes(told.polls[at], place.offset)]
    return told.replaced({at: beside(told.polls[at]) for at in over})


def _passes(poll: Poll, offset: int) -> bool:
    return poll.position[0] <= offset < poll.position[1]


def forget_readers(told: Told, chance: Random) -> Told:
    """No part of any reader is left."""
    pick(chance, sorted(told.sure), "no acknowledged record was read back")
    return told.edited(lambda each: None if isinstance(each, Poll) else each)


def forget_everything(told: Told, _: Random) -> Told:
    """Nothing is left but the settings."""
    return Told([told.settings])


def forget_fence(told: Told, chance: Random) -> Told:
    """Nobody says where a log ended."""
    return told.replaced({told.fences[pick(chance, sorted(told.fences), "there is no fence")]: []})


def stop_short(told: Told, chance: Random) -> Told:
    """Nobody read a log up to its fence."""
    log = pick(chance, [log for log in sorted(told.fences) if told.fence(log).end], "no log has a record")
    end = told.fence(log).end

    def short(each: Operation) -> Operation:
        mine = isinstance(each, Poll) and (each.topic, each.partition) == log
        return clipped(each, 0, end - 1) if isinstance(each, Poll) and mine else each

    return told.edited(short)


def hang(told: Told, chance: Random) -> Told:
    """A transaction was left open when all producers had stopped."""
    logs = [log for log in sorted(told.fences) if told.fence(log).first < told.fence(log).end]
    log = pick(chance, logs, "no fence has a record below it")
    fence: Fence = told.fence(log)
    return told.changed(told.fences[log], stable=chance.randrange(fence.first, fence.end))


DEFECTS: tuple[Defect[Told], ...] = (
    Defect("a record passed over by one poll", pass_over_once, "int_poll_skip"),
    Defect("a poll left out", leave_out_a_poll, "poll_skip"),
    Defect("a poll repeated", rewind, "nonmono_poll"),
    Defect("two records handed out in the wrong order", turn_round, "int_nonmono_poll"),
    Defect("a leader's epoch that falls", lower_epoch, "epoch_regression"),
    Defect("a reader that is handed nothing more", hand_nothing, "lag"),
    Defect("a transaction left open at the fence", hang, "hanging_transaction"),
    Defect("a hole in what was read", open_hole, "lost", Verdict.UNKNOWN),
    Defect("no reader's part left", forget_readers, "lost", Verdict.UNKNOWN),
    Defect("an empty history", forget_everything, "lost", Verdict.UNKNOWN),
    Defect("a history's fence missing", forget_fence, "history_whole", Verdict.UNKNOWN),
    Defect("readers that stopped short", stop_short, "history_whole", Verdict.UNKNOWN),
)
