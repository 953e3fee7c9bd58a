"""One record in the history of a workload: its attempts, the end of its transaction, who was handed it.

Lines are those of the history's file, as witnesses name them. What is about the record's place, and not about
itself, is told too: who read past it without being handed it, what else was handed out there, and which
commits of a group, or inputs of a transaction, took it for handled. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.history.operations import (
    Commit,
    Consumed,
    Delivered,
    Fence,
    Instants,
    Operation,
    Poll,
    Reader,
    Send,
    Transaction,
)
from harness.lives.names import RecordId, log
from harness.lives.steps import Moment, Step

_ANSWERS = {"ok": "granted", "fail": "refused", "unknown": "unanswered"}
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the record lay: by its acknowledgement, or by who was handed it."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"offset {self.offset} of {log(self.topic, self.partition)}"


@dataclass(frozen=True, slots=True)
class _History:
    """The operations with their lines, and how each reader reads."""

    lines: Sequence[tuple[int, Operation]]
    readers: dict[int, Reader]
    record: RecordId
    moment: Moment

    def sends(self) -> list[tuple[int, Send]]:
        """The attempts at the record."""
        return [(n, each) for n, each in self.lines if isinstance(each, Send) and _is_of(each, self.record)]

    def polls(self) -> Iterator[tuple[int, Poll]]:
        """Every poll."""
        return ((n, each) for n, each in self.lines if isinstance(each, Poll))

    def deliveries(self) -> list[tuple[int, Poll, Delivered]]:
        """The record as it was handed out; a damaged one is told as what it says it is."""
        return [
            (n, poll, one)
            for n, poll in self.polls()
            for one in poll.records
            if _names(one, poll, self.record)
        ]

    def reader(self, number: int) -> str:
        """A reader in words: "reader 9 (committed, subscribe, group billing)"."""
        how = self.readers.get(number, Reader(reader=number))
        group = f", group {how.group}" if how.group else ""
        return f"reader {number} ({how.isolation}, {how.mode}{group})"


def life_in(
    name: str, operations: Mapping[int, Operation], record: RecordId, moment: Moment
) -> tuple[Step, ...]:
    """What the history *name* tells of *record*, in the order of time; nothing when it never heard of it."""
    readers = {each.reader: each for each in operations.values() if isinstance(each, Reader)}
    history = _History(list(operations.items()), readers, record, moment)
    sends, deliveries = history.sends(), history.deliveries()
    if not sends and not deliveries:
        return ()
    places = _places(sends, deliveries, record)
    steps = [
        *_sent(history, sends),
        *_ended(history, {send.transaction for _, send in sends if send.transaction}),
        *_handed(history, deliveries, places),
        *_passed(history, places),
        *_consumed(history, places),
        *_fenced(history),
    ]
    told = f"of workload {name}, {len(operations):,} operations"
    return (Step("history", None, told), *sorted(steps, key=_instant))


def why_unknown_in(name: str, operations: Mapping[int, Operation], record: RecordId) -> str:
    """What the history *name* knows that is nearest to a record it does not know."""
    sends = [each for each in operations.values() if isinstance(each, Send)]
    mine = [each for each in sends if (each.topic, each.partition) == (record.topic, record.partition)]
    if not mine:
        logs = sorted({log(each.topic, each.partition) for each in sends})
        return f"workload {name} wrote to {_some(logs)}"
    sequences = [each.sequence for each in mine if each.producer == record.producer]
    if not sequences:
        producers = sorted({each.producer for each in mine})
        return f"the producers of {record.log} in workload {name} are {_some(map(str, producers))}"
    return f"producer {record.producer} attempted sequences up to {max(sequences)} in {record.log}"


def _some(words: Sequence[str] | Iterator[str]) -> str:
    known = list(words)
    return ", ".join(known[:12]) + (", …" if len(known) > 12 else "") if known else "none"


def _instant(step: Step) -> float:
    return _NEVER if step.at_s is None else step.at_s


def _is_of(send: Send, record: RecordId) -> bool:
    return record == RecordId(send.producer, send.partition, send.sequence, send.topic)


def _names(one: Delivered, poll: Poll, record: RecordId) -> bool:
    """Whether a delivery is of the record: by what its payload says, or by where it lay."""
    said = (one.producer, one.sequence) == (record.producer, record.sequence)
    own = (record.topic, record.partition)
    return said and own in ((poll.topic, poll.partition), one.sent_to)


def _places(
    sends: Sequence[tuple[int, Send]], deliveries: Sequence[tuple[int, Poll, Delivered]], record: RecordId
) -> list[Place]:
    acked = [Place(record.topic, record.partition, s.offset) for _, s in sends if s.offset is not None]
    handed = [Place(poll.topic, poll.partition, one.offset) for _, poll, one in deliveries]
    return list(dict.fromkeys((*acked, *handed)))


def _sent(history: _History, sends: Sequence[tuple[int, Send]]) -> Iterator[Step]:
    if not sends:
        yield Step("not sent", None, "nobody in this history says that it sent it")
    for attempt, (line, send) in enumerate(sends, 1):
        within = f" in transaction {send.transaction}" if send.transaction else ""
        said = f"attempt {attempt} of {len(sends)}, to {history.record.log}{within} (line {line})"
        yield history.moment.step("sent", send.t[0], said)
        yield history.moment.step(*_answered(send, line))


def _answered(send: Send, line: int) -> tuple[str, int | None, str]:
    where = "offset not told" if send.offset is None else f"offset {send.offset}"
    epoch = f", leader epoch {send.epoch}" if send.epoch is not None else ""
    if send.outcome == "ok":
        must = "it must exist if its transaction is committed" if send.transaction else "it must exist"
        return "acknowledged", send.t[1], f"{where}{epoch}: {must} (line {line})"
    if send.outcome == "fail":
        return "refused", send.t[1], f"this attempt must not exist (line {line})"
    return "unanswered", send.t[1], f"it may exist or not (line {line})"


def _ended(history: _History, transactions: set[str]) -> Iterator[Step]:
    ends = [(n, e) for n, e in history.lines if isinstance(e, Transaction) and e.transaction in transactions]
    for line, end in ends:
        writer = f" by {end.writer}, incarnation {end.incarnation}" if end.writer else ""
        asked = f"of transaction {end.transaction} asked for{writer} (line {line})"
        yield history.moment.step(end.end, end.t[0], asked)
        yield history.moment.step(f"{end.end} {_ANSWERS[end.outcome]}", end.t[1], _size(end))
    for name in sorted(transactions - {end.transaction for _, end in ends}):
        yield Step("no end", None, f"nobody ended transaction {name}: it is open, or its writer died")


def _size(end: Transaction) -> str:
    if end.records is None:
        return f"transaction {end.transaction}"
    noun = "record" if end.records == 1 else "records"
    return f"transaction {end.transaction}, {end.records:,} {noun} as its writer says"


def _handed(
    history: _History, deliveries: Sequence[tuple[int, Poll, Delivered]], places: Sequence[Place]
) -> Iterator[Step]:
    for line, poll, one in deliveries:
        place = Place(poll.topic, poll.partition, one.offset)
        said = f"{place} to {history.reader(poll.reader)}{_oddities(poll, one)} (line {line})"
        yield history.moment.step("delivered", _known(poll.t), said)
    if not deliveries:
        yield Step("not delivered", None, "no reader was handed it")
    for line, poll in history.polls():
        for place in places:
            if _went_past(poll, place) and not any(_names(one, poll, history.record) for one in poll.records):
                yield history.moment.step("passed over", _known(poll.t), _without(history, line, poll, place))


def _oddities(poll: Poll, one: Delivered) -> str:
    told = (
        f"in transaction {poll.transaction}" if poll.transaction else "",
        "" if one.whole else "damaged",
        f"its payload names {log(*one.sent_to)}" if one.sent_to else "",
    )
    return "".join(f", {each}" for each in told if each)


def _went_past(poll: Poll, place: Place) -> bool:
    here = (poll.topic, poll.partition) == (place.topic, place.partition)
    return here and poll.position[0] <= place.offset < poll.position[1]


def _without(history: _History, line: int, poll: Poll, place: Place) -> str:
    other = next((one for one in poll.records if one.offset == place.offset), None)
    found = "no record"
    if other is not None:
        topic, partition = other.sent_to or (poll.topic, poll.partition)
        found = str(RecordId(other.producer, partition, other.sequence, topic))
    return f"{history.reader(poll.reader)} was handed {found} at {place} (line {line})"


def _passed(history: _History, places: Sequence[Place]) -> Iterator[Step]:
    """Of each group the commits that first went past the record, and those that went back below it."""
    past: dict[tuple[str, Place], bool] = {}
    commits = ((line, each) for line, each in history.lines if isinstance(each, Commit))
    for line, commit in commits:
        for place in places:
            if (commit.topic, commit.partition) == (place.topic, place.partition):
                yield from _crossing(history, line, commit, place, past)


def _crossing(
    history: _History, line: int, commit: Commit, place: Place, past: dict[tuple[str, Place], bool]
) -> Iterator[Step]:
    beyond, key = commit.offset > place.offset, (commit.group, place)
    if beyond == past.get(key, False):
        return
    if commit.outcome == "ok":
        past[key] = beyond
    way = "past it" if beyond else "back below it"
    said = f"group {commit.group} {way}, to {commit.offset} by {history.reader(commit.reader)} (line {line})"
    yield history.moment.step(f"commit {_ANSWERS[commit.outcome]}", _known(commit.t), said)


def _consumed(history: _History, places: Sequence[Place]) -> Iterator[Step]:
    """The transactions that took it for their input."""
    ends = ((line, each) for line, each in history.lines if isinstance(each, Transaction))
    for line, end in ends:
        taken = [each for each in end.consumed if any(_holds(each, place) for place in places)]
        for inputs in taken:
            said = f"as input of transaction {end.transaction}, by group {inputs.group} (line {line})"
            yield history.moment.step(f"consumed, {end.end} {_ANSWERS[end.outcome]}", _known(end.t), said)


def _holds(inputs: Consumed, place: Place) -> bool:
    here = (inputs.topic, inputs.partition) == (place.topic, place.partition)
    return here and inputs.first <= place.offset < inputs.until


def _fenced(history: _History) -> Iterator[Step]:
    own = (history.record.topic, history.record.partition)
    fences = [
        each for _, each in history.lines if isinstance(each, Fence) and (each.topic, each.partition) == own
    ]
    for fence in fences:
        said = f"{history.record.log} ended at {fence.end}, from {fence.first}; stable up to {fence.stable}"
        yield Step("fence", None, said)
    if not fences:
        yield Step(
            "no fence",
            None,
            f"where {history.record.log} ended is not known: what was not seen may lie there",
        )


def _known(t: Instants) -> int:
    """When an answer came; when it was asked for, where none ever did."""
    return t[0] if t[1] is None else t[1]
