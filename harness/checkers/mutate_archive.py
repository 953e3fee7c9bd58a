"""Planted defects of archives: what the archive checkers must catch, and noise that none may mistake for one.

As ``harness.checkers.mutate``: each change takes the evidence of a run whose archive held and returns that
of a run with exactly one thing wrong, drawn from a stream of chance.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from harness.checkers.archive import COMPLETE, INTACT, SINGLE
from harness.checkers.archive_survey import UNREADABLE
from harness.checkers.mutate import Change, Mutation
from harness.checkers.mutate_rows import NoRoom, chosen, joined, pick
from harness.ledger.evidence import Archive, Evidence, Objects
from harness.model import HopRead
from harness.verdict import Verdict

_NO_OBJECT = "there is no archived object"


def drop_line(evidence: Evidence, chance: random.Random) -> Evidence:
    """One record is in no object."""
    row = _row(evidence, chance)
    before, _, after = _cut_out(evidence.archive, row, chance)
    return _instead_of(evidence, row, before, after)


def drop_object(evidence: Evidence, chance: random.Random) -> Evidence:
    """An object was never committed, as when a pre-committed part file is lost."""
    gone = int(pick(chance, evidence.objects.object, _NO_OBJECT))
    objects = chosen(evidence.objects, np.flatnonzero(evidence.objects.object != gone))
    archive = chosen(evidence.archive, np.flatnonzero(evidence.archive.object != gone))
    return replace(evidence, objects=objects, archive=archive)


def double_line(evidence: Evidence, chance: random.Random) -> Evidence:
    """One record was written into another object as well."""
    row = _row(evidence, chance)
    _, copy, _ = _cut_out(evidence.archive, row, chance)
    other = int(pick(chance, evidence.objects.object, _NO_OBJECT))
    line = int(evidence.objects.lines[evidence.objects.object == other][0]) + 1
    moved = replace(copy, object=np.asarray([other]), first_line=np.asarray([line]))
    return _with(evidence, moved)


def double_object(evidence: Evidence, chance: random.Random) -> Evidence:
    """An object was committed twice, under two names."""
    objects = evidence.objects
    row = pick(chance, range(len(objects.object)), _NO_OBJECT)
    number = int(objects.object.max()) + 1
    again = replace(
        chosen(objects, np.asarray([row])),
        object=np.asarray([number]),
        name=np.asarray([f"{objects.name[row]}-again"], np.object_),
    )
    runs = chosen(evidence.archive, np.flatnonzero(evidence.archive.object == objects.object[row]))
    copied = replace(runs, object=np.full(len(runs.count), number))
    return _with(replace(evidence, objects=joined(objects, again)), copied)


def flaw(what: str) -> Change:
    """An object is damaged in this way."""

    def apply(evidence: Evidence, chance: random.Random) -> Evidence:
        flaws = evidence.objects.flaw.copy()
        flaws[pick(chance, range(len(flaws)), _NO_OBJECT)] = what
        return replace(evidence, objects=replace(evidence.objects, flaw=flaws))

    return apply


def hide_object(evidence: Evidence, chance: random.Random) -> Evidence:
    """An object could not be fetched: what it holds is unseen."""
    row = pick(chance, range(len(evidence.objects.object)), _NO_OBJECT)
    flaws = evidence.objects.flaw.copy()
    flaws[row] = f"{UNREADABLE}: no answer"
    hidden = evidence.objects.object[row]
    archive = chosen(evidence.archive, np.flatnonzero(evidence.archive.object != hidden))
    return replace(evidence, objects=replace(evidence.objects, flaw=flaws), archive=archive)


def archive_refused(evidence: Evidence, chance: random.Random) -> Evidence:
    """A record that the job had to refuse lies in the archive."""
    flaws = evidence.inputs.flaw.copy()
    flaws[pick(chance, range(len(flaws)), _NO_OBJECT)] = "value"
    return replace(evidence, inputs=replace(evidence.inputs, flaw=flaws))


def archive_stranger(evidence: Evidence, chance: random.Random) -> Evidence:
    """A place beyond the end of the log lies in the archive."""
    row = _row(evidence, chance)
    _, stranger, _ = _cut_out(evidence.archive, row, chance)
    beyond = evidence.inputs.offset[evidence.inputs.partition == stranger.partition].max() + 7
    return _with(evidence, replace(stranger, first_offset=np.asarray([beyond])))


def unfinished(name: str) -> Change:
    """A hop was not read to its end."""

    def apply(evidence: Evidence, _: random.Random) -> Evidence:
        told = tuple(
            event.model_copy(update={"complete": False})
            if isinstance(event, HopRead) and event.hop == name
            else event
            for event in evidence.events
        )
        return replace(evidence, events=told)

    return apply


def unfinished_and(change: Change) -> Change:
    """*change* in an archive to which more may come."""
    return lambda evidence, chance: unfinished("archive")(change(evidence, chance), chance)


def forget_archive(evidence: Evidence, _: random.Random) -> Evidence:
    """Not one row was written."""
    none = np.empty(0, np.int64)
    return replace(evidence, archive=chosen(evidence.archive, none), objects=chosen(evidence.objects, none))


DEFECTS = (
    Mutation("a line missing", drop_line, COMPLETE),
    Mutation("an object missing", drop_object, COMPLETE),
    Mutation("a line twice", double_line, SINGLE),
    Mutation("an object twice", double_object, SINGLE),
    Mutation("a gzip cut short", flaw("truncated gzip"), INTACT),
    Mutation("a line torn", flaw("torn line: line 3"), INTACT),
    Mutation("a line of garbage", flaw("not JSON: line 2"), INTACT),
    Mutation("a refused record archived", archive_refused, INTACT),
    Mutation("a record of nobody archived", archive_stranger, INTACT),
    Mutation("an object unread", hide_object, COMPLETE, Verdict.UNKNOWN),
    Mutation("an archive still growing", unfinished_and(drop_line), COMPLETE, Verdict.UNKNOWN),
    Mutation("a source not read to its end", unfinished("source"), COMPLETE, Verdict.UNKNOWN),
    Mutation("an empty archive, read to its end", forget_archive, COMPLETE),
    Mutation("nothing to look at", forget_archive, SINGLE, Verdict.UNKNOWN),
)


def split_run(evidence: Evidence, chance: random.Random) -> Evidence:
    """A run of lines was written down in pieces."""
    row = _row(evidence, chance)
    return _instead_of(evidence, row, *_cut_out(evidence.archive, row, chance))


def shuffle_runs(evidence: Evidence, chance: random.Random) -> Evidence:
    """The runs come in another order, as objects are listed by name and not by time."""
    _row(evidence, chance)
    order = list(range(len(evidence.archive.count)))
    chance.shuffle(order)
    return replace(evidence, archive=chosen(evidence.archive, np.asarray(order, np.int64)))


def refuse_unarchived(evidence: Evidence, chance: random.Random) -> Evidence:
    """A record that the job had to refuse is not in the archive."""
    if len(evidence.results.key):
        raise NoRoom("the results would have to be made anew as well")
    row = _row(evidence, chance)
    before, one, after = _cut_out(evidence.archive, row, chance)
    inputs = evidence.inputs
    flaws = inputs.flaw.copy()
    flaws[(inputs.partition == one.partition) & (inputs.offset == one.first_offset)] = "value"
    return _instead_of(replace(evidence, inputs=replace(inputs, flaw=flaws)), row, before, after)


def add_empty_object(evidence: Evidence, _: random.Random) -> Evidence:
    """A checkpoint rolled an object without a line."""
    objects = evidence.objects
    if not len(objects.object):
        raise NoRoom(_NO_OBJECT)
    empty = Objects(
        object=objects.object.max(keepdims=True) + 1,
        bucket=objects.bucket[:1],
        name=np.asarray(["records/empty"], np.object_),
        bytes=np.asarray([20]),
        lines=np.asarray([0]),
        flaw=np.asarray([""], np.object_),
    )
    return replace(evidence, objects=joined(objects, empty))


NOISE: dict[str, Change] = {
    "a run of lines in pieces": split_run,
    "runs in another order": shuffle_runs,
    "refused and not archived": refuse_unarchived,
    "an object without lines": add_empty_object,
}


def _row(evidence: Evidence, chance: random.Random) -> int:
    return pick(chance, range(len(evidence.archive.count)), "nothing was archived")


def _cut_out(archive: Archive, row: int, chance: random.Random) -> tuple[Archive, Archive, Archive]:
    """What comes before, at, and after one line of a run."""
    count = int(archive.count[row])
    at = chance.randrange(count)
    return _part(archive, row, 0, at), _part(archive, row, at, at + 1), _part(archive, row, at + 1, count)


def _part(archive: Archive, row: int, start: int, end: int) -> Archive:
    one = chosen(archive, np.asarray([row] if start < end else [], np.int64))
    return replace(
        one,
        first_line=one.first_line + start,
        first_offset=one.first_offset + start,
        count=np.full(len(one.count), end - start, np.int64),
    )


def _instead_of(evidence: Evidence, row: int, *pieces: Archive) -> Evidence:
    kept = chosen(evidence.archive, np.delete(np.arange(len(evidence.archive.count)), row))
    return _with(replace(evidence, archive=kept), *pieces)


def _with(evidence: Evidence, *more: Archive) -> Evidence:
    return replace(evidence, archive=joined(evidence.archive, *more))
