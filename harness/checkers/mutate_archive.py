"""Planted defects of archives: what the archive checkers must catch, and noise that none may mistake for one.

As ``harness.checkers.mutate``: each change takes the evidence of a run whose archive held and returns that
of a run with exactly one thing wrong, drawn from a stream of chance.
"""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from harness.checkers.archive import COMPLETE, INTACT, SINGLE
from harness.checkers.archive_survey import UNREADABLE
from harness.checkers.mutate import Change, Mutation
from harness.ledger.evidence import Archive, Evidence, Ints, Objects
from harness.model import HopRead
from harness.verdict import Verdict

C = TypeVar("C", Archive, Objects)


def drop_line(evidence: Evidence, chance: random.Random) -> Evidence:
    """One record is in no object."""
    row = _row(evidence, chance)
    before, _, after = _cut_out(evidence.archive, row, chance)
    return _instead_of(evidence, row, before, after)


def drop_object(evidence: Evidence, chance: random.Random) -> Evidence:
    """An object was never committed, as when a pre-committed part file is lost."""
    gone = chance.choice(evidence.objects.object.tolist())
    objects = _chosen(evidence.objects, np.flatnonzero(evidence.objects.object != gone))
    archive = _chosen(evidence.archive, np.flatnonzero(evidence.archive.object != gone))
    return replace(evidence, objects=objects, archive=archive)


def double_line(evidence: Evidence, chance: random.Random) -> Evidence:
    """One record was written into another object as well."""
    row = _row(evidence, chance)
    _, copy, _ = _cut_out(evidence.archive, row, chance)
    other = chance.choice(evidence.objects.object.tolist())
    line = int(evidence.objects.lines[evidence.objects.object == other][0]) + 1
    moved = replace(copy, object=np.asarray([other]), first_line=np.asarray([line]))
    return _with(evidence, moved)


def double_object(evidence: Evidence, chance: random.Random) -> Evidence:
    """An object was committed twice, under two names."""
    objects = evidence.objects
    row = chance.randrange(len(objects.object))
    number = int(objects.object.max()) + 1
    again = replace(
        _chosen(objects, np.asarray([row])),
        object=np.asarray([number]),
        name=np.asarray([f"{objects.name[row]}-again"], np.object_),
    )
    runs = _chosen(evidence.archive, np.flatnonzero(evidence.archive.object == objects.object[row]))
    copied = replace(runs, object=np.full(len(runs.count), number))
    return _with(replace(evidence, objects=_joined(objects, again)), copied)


def flaw(what: str) -> Change:
    """An object is damaged in this way."""

    def apply(evidence: Evidence, chance: random.Random) -> Evidence:
        flaws = evidence.objects.flaw.copy()
        flaws[chance.randrange(len(flaws))] = what
        return replace(evidence, objects=replace(evidence.objects, flaw=flaws))

    return apply


def hide_object(evidence: Evidence, chance: random.Random) -> Evidence:
    """An object could not be fetched: what it holds is unseen."""
    row = chance.randrange(len(evidence.objects.object))
    flaws = evidence.objects.flaw.copy()
    flaws[row] = f"{UNREADABLE}: no answer"
    hidden = evidence.objects.object[row]
    archive = _chosen(evidence.archive, np.flatnonzero(evidence.archive.object != hidden))
    return replace(evidence, objects=replace(evidence.objects, flaw=flaws), archive=archive)


def archive_refused(evidence: Evidence, chance: random.Random) -> Evidence:
    """A record that the job had to refuse lies in the archive."""
    flaws = evidence.inputs.flaw.copy()
    flaws[chance.randrange(len(flaws))] = "value"
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
    return replace(evidence, archive=_chosen(evidence.archive, none), objects=_chosen(evidence.objects, none))


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
    order = list(range(len(evidence.archive.count)))
    chance.shuffle(order)
    return replace(evidence, archive=_chosen(evidence.archive, np.asarray(order, np.int64)))


def refuse_unarchived(evidence: Evidence, chance: random.Random) -> Evidence:
    """A record that the job had to refuse is not in the archive."""
    row = _row(evidence, chance)
    before, one, after = _cut_out(evidence.archive, row, chance)
    inputs = evidence.inputs
    flaws = inputs.flaw.copy()
    flaws[(inputs.partition == one.partition) & (inputs.offset == one.first_offset)] = "value"
    return _instead_of(replace(evidence, inputs=replace(inputs, flaw=flaws)), row, before, after)


def add_empty_object(evidence: Evidence, _: random.Random) -> Evidence:
    """A checkpoint rolled an object without a line."""
    objects = evidence.objects
    empty = Objects(
        object=objects.object.max(keepdims=True) + 1,
        bucket=objects.bucket[:1],
        name=np.asarray(["records/empty"], np.object_),
        bytes=np.asarray([20]),
        lines=np.asarray([0]),
        flaw=np.asarray([""], np.object_),
    )
    return replace(evidence, objects=_joined(objects, empty))


NOISE: dict[str, Change] = {
    "a run in pieces": split_run,
    "runs in another order": shuffle_runs,
    "refused and not archived": refuse_unarchived,
    "an object without lines": add_empty_object,
}


def _row(evidence: Evidence, chance: random.Random) -> int:
    return chance.randrange(len(evidence.archive.count))


def _cut_out(archive: Archive, row: int, chance: random.Random) -> tuple[Archive, Archive, Archive]:
    """What comes before, at, and after one line of a run."""
    count = int(archive.count[row])
    at = chance.randrange(count)
    return _part(archive, row, 0, at), _part(archive, row, at, at + 1), _part(archive, row, at + 1, count)


def _part(archive: Archive, row: int, start: int, end: int) -> Archive:
    one = _chosen(archive, np.asarray([row] if start < end else [], np.int64))
    return replace(
        one,
        first_line=one.first_line + start,
        first_offset=one.first_offset + start,
        count=np.full(len(one.count), end - start, np.int64),
    )


def _instead_of(evidence: Evidence, row: int, *pieces: Archive) -> Evidence:
    kept = _chosen(evidence.archive, np.delete(np.arange(len(evidence.archive.count)), row))
    return _with(replace(evidence, archive=kept), *pieces)


def _with(evidence: Evidence, *more: Archive) -> Evidence:
    return replace(evidence, archive=_joined(evidence.archive, *more))


def _joined(*parts: C) -> C:
    """The rows of several tables of columns, one after another."""
    names = [each.name for each in fields(parts[0])]
    return replace(parts[0], **{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def _chosen(columns: C, rows: Ints) -> C:
    """The given rows of a table of columns."""
    names = [each.name for each in fields(columns)]
    return replace(columns, **{name: getattr(columns, name)[rows] for name in names})
