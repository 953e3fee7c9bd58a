"""Defects of records: lost, repeated, invented, damaged, shown though refused, at the wrong place or time."""

from __future__ import annotations

from random import Random

from harness.checkers.mutate_rows import NoRoom, pick
from harness.checkers.trial import Defect
from harness.history.operations import Delivered, Operation, Poll, Send
from harness.planting.told import Log, Place, Told, client, clipped, moved_in_time

ELSEWHERE = ("elsewhere", 0)
NONE_KEPT = "no acknowledged record that has to stay was read back"


def unexcused(settings_permit: bool, rule: str) -> None:  # noqa: FBT001 - read as a sentence
    """Leave a defect out that the history's settings excuse.

    Raises:
        NoRoom: they do.
    """
    if settings_permit:
        raise NoRoom(f"its settings excuse it: {rule}")


def lose(told: Told, chance: Random) -> Told:
    """Nobody is handed an acknowledged record, though readers pass over its place."""
    return told.withheld([pick(chance, told.kept, NONE_KEPT)])


def lose_segment(told: Told, chance: Random) -> Told:
    """Nobody is handed anything of a stretch of a log."""
    place = pick(chance, told.kept, NONE_KEPT)
    end = place.offset + chance.randint(1, 20)
    return told.withheld([e for e in told.handed if e.log == place.log and place.offset <= e.offset < end])


def lose_at_last(told: Told, chance: Random) -> Told:
    """A record that was handed out while others were written is not, to whoever reads at last."""
    return told.withheld([_early(told, chance)], told.last_looks)


def truncate(told: Told, chance: Random) -> Told:
    """A log ends, at last, below records that had been handed out."""
    place = _early(told, chance)

    def cut(at: int) -> list[Operation]:
        return [clipped(told.polls[at], 0, place.offset)]

    end = {
        "end": place.offset,
        "stable": place.offset,
        "first": min(told.fence(place.log).first, place.offset),
    }
    fence: list[Operation] = [told.fence(place.log).model_copy(update=end)]
    looks = [at for at in told.of_log(place.log) if at in told.last_looks]
    return told.replaced({at: cut(at) for at in looks} | {told.fences[place.log]: fence})


def _early(told: Told, chance: Random) -> Place:
    """The place of a record that was handed out before the last look at a log that was looked through."""
    through = {log for log in told.fences if told.looked_through(log)}
    early = [
        place
        for place in told.kept
        if place.log in through and not told.last_looks.issuperset(told.handed[place])
    ]
    return pick(chance, early, "no record was read both before and after all had been written")


def pass_over(told: Told, chance: Random) -> Told:
    """Readers of committed records are not handed one that those of uncommitted records are."""
    compacts = told.settings.cleanup == "compact"
    unexcused(compacts, "compaction may have dropped it")
    return told.withheld([for_all(told, told.kept, chance)], committed_polls(told))


def for_all(told: Told, places: list[Place], chance: Random) -> Place:
    """One of *places* that readers of both kinds were handed."""
    shown = [place for place in places if len({told.shows_committed(at) for at in told.handed[place]}) == 2]
    return pick(chance, shown, "no record was handed to readers of both kinds")


def committed_polls(told: Told) -> set[int]:
    """The polls of readers of committed records."""
    return {at for at in told.polls if told.shows_committed(at)}


def claim(told: Told, chance: Random) -> Told:
    """An attempt that left nothing behind was told as ok."""
    seen, whole = set(told.names.values()), {log for log in told.fences if told.looked_through(log)}
    absent = [
        at[0]
        for name, at in told.sends.items()
        if len(at) == 1 and name not in seen and (send := told.send(at[0])).outcome != "ok"
        and not send.transaction and send.key is None and (send.topic, send.partition) in whole
    ]  # fmt: skip
    at = pick(chance, absent, "no attempt outside of transactions left nothing behind")
    begun, done = told.send(at).t
    return told.changed(at, outcome="ok", t=(begun, begun if done is None else done))


def refuse(told: Told, chance: Random) -> Told:
    """A record that readers were handed was told as refused."""
    plain = [place for place in sorted(told.sure) if not told.sent(place).transaction]
    place = pick(chance, plain, "no record outside of transactions was read back")
    return told.changed(told.sure[place], outcome="fail", offset=None)


def repeat(told: Told, chance: Random) -> Told:
    """A record that was attempted once lies a second time at the end of its log."""
    unexcused(told.settings.at_least_once, "at-least-once")
    unexcused(not told.settings.idempotent, "producers without idempotence")
    place = pick(chance, sorted(told.sure), "no acknowledged record was read back")
    return appended(told, place.log, told.record(place))


def invent(told: Told, chance: Random) -> Told:
    """A record that nobody sent lies at the end of a log."""
    place = pick(chance, sorted(told.handed), "no record was read back")
    beyond = 1 + max(name[3] for name in (*told.names.values(), *told.sends))
    stranger = told.record(place).model_copy(update={"sequence": beyond, "whole": True, "sent_to": None})
    return appended(told, place.log, stranger)


def appended(told: Told, log: Log, record: Delivered) -> Told:
    """With *record* at the end of *log*, handed to whoever got furthest there."""
    furthest = max(told.of_log(log), key=lambda at: (told.polls[at].position[1], at))
    end = max(told.polls[furthest].position[1], told.fence(log).end if log in told.fences else 0)
    poll = told.polls[furthest]
    copy = record.model_copy(update={"offset": end, "epoch": None})
    longer = {"position": (poll.position[0], end + 1), "records": (*poll.records, copy)}
    others: dict[int, list[Operation]] = {furthest: [poll.model_copy(update=longer)]}
    if log in told.fences:
        others[told.fences[log]] = [told.fence(log).model_copy(update={"end": end + 1, "stable": end + 1})]
    return told.replaced(others)


def damage(told: Told, chance: Random) -> Told:
    """A record comes back with a wrong checksum, to one reader."""
    return _one_copy(told, chance, {"whole": False})


def misroute(told: Told, chance: Random) -> Told:
    """A record's payload names another partition."""
    return _one_copy(told, chance, {"sent_to": ELSEWHERE})


def _one_copy(told: Told, chance: Random, change: dict[str, object]) -> Told:
    place = pick(chance, sorted(told.handed), "no record was read back")
    at = pick(chance, told.handed[place], "")
    return told.handing(place, lambda one: (one.model_copy(update=change),), {at})


def shift(told: Told, chance: Random) -> Told:
    """A record was acknowledged one offset above where it lies."""
    read = {place for at in told.polls.values() for place in _passed(at)}
    near = [place for place in sorted(told.sure) if place._replace(offset=place.offset + 1) in read]
    place = pick(chance, near, "no acknowledged record was read with what is above it")
    return told.changed(told.sure[place], offset=place.offset + 1)


def _passed(poll: Poll) -> list[Place]:
    return [Place(poll.topic, poll.partition, offset) for offset in range(*poll.position)]


def swap(told: Told, chance: Random) -> Told:
    """Two records lie where the other was acknowledged."""
    one, other = _two(told, chance)
    return _exchanged(told, one, other)


def answer_alike(told: Told, chance: Random) -> Told:
    """Two records were acknowledged at one offset."""
    unexcused(_truncates(told), "the log may be truncated")
    one, other = _two(told, chance)
    return told.changed(told.sure[other], offset=one.offset)


def disagree(told: Told, chance: Random) -> Told:
    """Two readers are handed different records at one offset."""
    unexcused(_truncates(told), "the log may be truncated")
    shared = [place for place in sorted(told.sure) if len(told.handed[place]) > 1]
    place = pick(chance, shared, "no record was handed out twice")
    others = [each for each in sorted(told.sure) if each.log == place.log and each != place]
    other = told.record(pick(chance, others, "no log has two acknowledged records"))
    at = pick(chance, told.handed[place], "")
    return told.handing(place, lambda _: (other.model_copy(update={"offset": place.offset}),), {at})


def reorder(told: Told, chance: Random) -> Told:
    """A record lies below one that was acknowledged before it was sent, and was told so."""
    unexcused(_truncates(told), "the log may be truncated")
    pairs = [(a, b) for a, b in _neighbours(told) if _over(told, a) < told.sent(b).t[0]]
    return _exchanged(told, *pick(chance, pairs, _NO_PAIR), answers=True)


def overtake(told: Told, chance: Random) -> Told:
    """A producer's record lies below one that it had sent before, and was told so."""
    unexcused(not told.settings.idempotent, "producers without idempotence")
    pairs = [
        (a, b)
        for a, b in _neighbours(told)
        if told.sent(a).producer == told.sent(b).producer and told.sure[a] < told.sure[b]
    ]
    return _exchanged(told, *pick(chance, pairs, _NO_PAIR), answers=True)


_NO_PAIR = "no log has two acknowledged records of that kind"


def _over(told: Told, place: Place) -> int:
    begun, done = told.sent(place).t
    return (begun if done is None else done) + told.settings.skew_ns


def _neighbours(told: Told) -> list[tuple[Place, Place]]:
    """Pairs of sure records of one log, a few places apart."""
    places = sorted(told.sure)
    near = [(a, b) for step in (1, 2, 3, 5, 8) for a, b in zip(places, places[step:], strict=False)]
    return [(a, b) for a, b in near if a.log == b.log]


def _two(told: Told, chance: Random) -> tuple[Place, Place]:
    return pick(chance, _neighbours(told), _NO_PAIR)


def _exchanged(told: Told, one: Place, other: Place, *, answers: bool = False) -> Told:
    """With two records in each other's place; *answers*: and acknowledged there."""
    now = {one.offset: told.record(other), other.offset: told.record(one)}

    def placed(old: Delivered) -> list[Delivered]:
        return [now[old.offset].model_copy(update={"offset": old.offset, "epoch": old.epoch})]

    moved = told.handing(one, placed).handing(other, placed)
    if not answers:
        return moved
    first, second = told.sure[one], told.sure[other]
    return moved.changed(first, offset=other.offset).changed(second, offset=one.offset)


def _truncates(told: Told) -> bool:
    return told.settings.acks != "all" or told.settings.unclean_election


def send_late(told: Told, chance: Random) -> Told:
    """A record was handed out long before it was sent."""
    place = pick(chance, sorted(told.sure), "no acknowledged record was read back")
    return told.changed(told.sure[place], t=(told.late, told.late + 1))


def skew(told: Told, chance: Random) -> Told:
    """The clock of one reader is behind by more than the clocks may differ."""
    place = pick(chance, sorted(told.sure), "no acknowledged record was read back")
    poll = told.polls[pick(chance, told.handed[place], "")]
    done = poll.t[1] if poll.t[1] is not None else poll.t[0]
    by = max(done - told.sent(place).t[0], 0) + told.settings.skew_ns + 1

    def ahead(each: Operation) -> Operation:
        reads = not isinstance(each, Send) and client(each) == poll.reader
        return each if reads else moved_in_time(each, by)

    return told.edited(ahead)


DEFECTS: tuple[Defect[Told], ...] = (
    Defect("a record handed to nobody", lose, "lost"),
    Defect("a segment handed to nobody", lose_segment, "lost"),
    Defect("a record gone at last", lose_at_last, "lost"),
    Defect("a log truncated after it was read", truncate, "lost"),
    Defect("an absent attempt told as ok", claim, "lost"),
    Defect("a record that readers of committed records pass over", pass_over, "int_poll_skip"),
    Defect("a record told as refused", refuse, "aborted_read"),
    Defect("a record twice in its log", repeat, "duplicate_log"),
    Defect("a record that nobody sent", invent, "phantom"),
    Defect("a record's checksum broken", damage, "damaged"),
    Defect("a record in another partition", misroute, "misrouted"),
    Defect("an answered offset shifted", shift, "ack_offset_mismatch"),
    Defect("two deliveries swapped", swap, "ack_offset_mismatch"),
    Defect("one offset answered twice", answer_alike, "inconsistent_offset"),
    Defect("readers that disagree", disagree, "divergent_readers"),
    Defect("a record below one acknowledged before", reorder, "realtime_offset"),
    Defect("a producer's records in the wrong order", overtake, "nonmono_send"),
    Defect("a record sent after it was read", send_late, "read_before_write"),
    Defect("a reader's clock skewed", skew, "read_before_write"),
)
