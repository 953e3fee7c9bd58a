"""Legal changes of a history: what a correct cluster and its clients may do, and no check may alarm at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from random import Random

from harness.checkers.mutate_rows import NoRoom, pick
from harness.history.operations import End, Fence, Move, Operation, Poll, Send, Transaction
from harness.planting.groups import joined_by, stands
from harness.planting.records import appended
from harness.planting.told import Place, Told, client, clipped, moved_in_time

_NOTHING = "no acknowledged record was read back"


def unanswered_and_absent(told: Told, chance: Random) -> Told:
    """One more attempt got no answer, and left nothing behind."""
    return told.joined(_attempt(told, chance, "unknown", told.stranger))


def refused_and_absent(told: Told, chance: Random) -> Told:
    """One more attempt was refused, and left nothing behind."""
    return told.joined(_attempt(told, chance, "fail", told.stranger))


def _attempt(told: Told, chance: Random, outcome: End, producer: int, transaction: str = "") -> Send:
    """Like one that there is, of another producer."""
    like = told.send(pick(chance, sorted(at[0] for at in told.sends.values()), "nobody sent anything"))
    done = None if outcome == "unknown" else like.t[0] + 1
    return Send(
        producer=producer,
        topic=like.topic,
        partition=like.partition,
        sequence=0,
        t=(like.t[0], done),
        outcome=outcome,
        transaction=transaction,
    )


def unanswered_and_there(told: Told, chance: Random) -> Told:
    """A record was written, and its producer got no answer."""
    at = told.sure[pick(chance, sorted(told.sure), _NOTHING)]
    return told.changed(at, outcome="unknown", offset=None, t=(told.send(at).t[0], None))


def sent_again(told: Told, chance: Random) -> Told:
    """A record whose first attempt got no answer was sent again, and lies there twice."""
    plain = [place for place in sorted(told.sure) if not told.sent(place).transaction]
    place = pick(chance, plain, "no record outside of transactions was read back")
    at = told.sure[place]
    first = told.send(at).model_copy(
        update={"outcome": "unknown", "offset": None, "t": (told.send(at).t[0], None)}
    )
    twice = told.replaced({at: [first, told.operations[at].model_copy(update={"offset": None})]})
    return appended(twice, place.log, told.record(place))


def aborted_and_unseen(told: Told, chance: Random) -> Told:
    """One more transaction was aborted, and nobody was handed anything of it."""
    return _ended(told, chance, "abort", "ok")


def undecided_and_unseen(told: Told, chance: Random) -> Told:
    """One more transaction's commit got no answer, and nobody was handed anything of it."""
    return _ended(told, chance, "commit", "unknown")


def _ended(told: Told, chance: Random, end: str, outcome: End) -> Told:
    name, producer = f"one more than {len(told.ends)}", told.stranger
    send = _attempt(told, chance, "unknown", producer, name)
    ended = Transaction(transaction=name, t=(send.t[0] + 1, None), end=end, outcome=outcome)  # type: ignore[arg-type]
    done = send.t[0] + 2 if outcome == "ok" else None
    return told.joined(send, ended.model_copy(update={"t": (ended.t[0], done)}))


def commit_unanswered(told: Told, chance: Random) -> Told:
    """A transaction was committed, and its writer got no answer."""
    names = sorted(
        {
            send.transaction
            for place in told.sure
            if _shown(told, place) and (send := told.sent(place)).transaction
        }
    )
    name = pick(chance, names, "no committed transaction was read back")
    return told.changed(told.ends[name], outcome="unknown", t=(told.end(name).t[0], None))


def _shown(told: Told, place: Place) -> bool:
    return any(told.shows_committed(at) for at in told.handed[place])


def another_reader(told: Told, chance: Random) -> Told:
    """Another reader was handed the same as one."""
    return told.joined(*_copied(told, _lone(told, chance)))


def half_a_reader(told: Told, chance: Random) -> Told:
    """Another reader was handed the same as one, and was killed on the way."""
    copied = _copied(told, _lone(told, chance))
    return told.joined(*copied[: 1 + chance.randrange(len(copied))])


def _lone(told: Told, chance: Random) -> int:
    lone = sorted(number for number, reader in told.readers.items() if not reader.group)
    return pick(chance, lone, "nobody reads by himself")


def _copied(told: Told, number: int) -> list[Operation]:
    own = [each for each in told.operations if isinstance(each, Poll | Move) and each.reader == number]
    alone = {"reader": told.stranger, "transaction": ""}
    polls = [
        each.model_copy(update=alone if isinstance(each, Poll) else {"reader": told.stranger}) for each in own
    ]
    return [told.readers[number].model_copy(update={"reader": told.stranger}), *polls]


def sought_back(told: Told, chance: Random) -> Told:
    """A reader sought back, and was handed once more what it had been."""
    mine = [at for at, poll in told.polls.items() if not told.readers[poll.reader].group]
    poll = told.polls[pick(chance, mine, "nobody reads by himself")]
    move = Move(reader=poll.reader, topic=poll.topic, partition=poll.partition, t=told.late, why="seek")
    return told.joined(move, poll.model_copy(update={"t": (told.late + 1, told.late + 2), "transaction": ""}))


def redelivered_before_commit(told: Told, chance: Random) -> Told:
    """After a rebalance a new member begins where its group stood, and is handed again what lay above."""
    if told.settings.cleanup == "compact":
        raise NoRoom("under compaction nobody knows what a new member was handed")
    every = stands(told)
    stand = pick(chance, sorted(every), "no group committed anything")
    from_here = max(_committed_up_to(told, stand), every[stand])
    end = max(
        (told.polls[at].position[1] for at in told.of_log(stand[1:]) if told.shows_committed(at)),
        default=from_here,
    )
    return joined_by(told, stand, from_here, max(end, from_here))


def _committed_up_to(told: Told, stand: tuple[str, str, int]) -> int:
    places = [e for e in told.operations if e.op == "commit" and (e.group, e.topic, e.partition) == stand]
    return max(e.offset for e in places if e.op == "commit" and e.outcome == "ok")


def expire(told: Told, chance: Random) -> Told:
    """Retention deleted the beginning of a log, before whoever reads at last began to."""
    if told.settings.cleanup != "delete":
        raise NoRoom("its settings let nothing expire")
    log = pick(
        chance, [log for log in sorted(told.fences) if told.looked_through(log)], "no log was read through"
    )
    fence: Fence = told.fence(log)
    first = chance.randint(fence.first, fence.end)
    looks: dict[int, list[Operation]] = {
        at: [_begun_at(told.polls[at], first)] for at in told.of_log(log) if at in told.last_looks
    }
    return told.replaced(looks).changed(told.fences[log], first=first)


def _begun_at(poll: Poll, first: int) -> Poll:
    return clipped(poll, first, max(first, poll.position[1]))


def compacted(told: Told, chance: Random) -> Told:
    """Compaction dropped a record that a later one of its key had replaced."""
    if told.settings.cleanup != "compact":
        raise NoRoom("its settings compact nothing")
    kept = {*told.kept}
    older = [p for p in sorted(told.sure) if p not in kept and told.sent(p).value is not None]
    return told.withheld([pick(chance, older, "no record was replaced by a later one")], told.last_looks)


def other_order(told: Told, chance: Random) -> Told:
    """The parts of the clients were joined in another order; each keeps its own."""
    parts: defaultdict[object, list[Operation]] = defaultdict(list)
    writers = {send.transaction: send.producer for at in told.sends.values() for send in map(told.send, at)}
    for each in told.operations[1:]:
        owner = writers.get(each.transaction) if isinstance(each, Transaction) else client(each)
        parts[owner if owner is None else (isinstance(each, Send | Transaction), owner)].append(each)
    order = list(parts.values())
    chance.shuffle(order)
    return Told([*told.operations[:1], *(each for part in order for each in part)])


def skewed_within(told: Told, chance: Random) -> Told:
    """The clock of one reader is ahead by no more than clocks may differ."""
    if not told.settings.skew_ns:
        raise NoRoom("its settings let no clocks differ")
    reader = pick(chance, sorted(told.readers), "nobody read anything")
    by = chance.randint(0, told.settings.skew_ns)

    def ahead(each: Operation) -> Operation:
        reads = not isinstance(each, Send) and client(each) == reader
        return moved_in_time(each, by) if reads else each

    return told.edited(ahead)


NOISE: dict[str, Callable[[Told, Random], Told]] = {
    "an attempt without an answer, absent": unanswered_and_absent,
    "an attempt without an answer, there": unanswered_and_there,
    "an attempt refused, absent": refused_and_absent,
    "a record sent again, there twice": sent_again,
    "a transaction aborted, unseen": aborted_and_unseen,
    "a transaction undecided, unseen": undecided_and_unseen,
    "a commit without an answer, shown": commit_unanswered,
    "another reader": another_reader,
    "half a reader": half_a_reader,
    "a reader sought back": sought_back,
    "handed out again before the commit": redelivered_before_commit,
    "the beginning of a log expired": expire,
    "a replaced record compacted away": compacted,
    "the parts joined in another order": other_order,
    "a clock skewed within its bound": skewed_within,
}
