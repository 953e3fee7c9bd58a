"""``archive_complete``, ``archive_single``, ``archive_intact``: the archive against the source log.

The job archives every valid record of its source once, before anything else may drop it. So the archive is
judged by places in the log: a valid input that is in no object is missing, one in two places is
repeated, and what is no valid input is a phantom. Unseen is not lost: unless the archive was read when
nothing more could come, and every object of it, what is missing is only not proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.checkers.archive_survey import UNREADABLE, Survey, hop, is_complete
from harness.checkers.guarantees import Count, attempt_row, judged, records, sentence
from harness.findings import MAX_WITNESSES, Finding, Witness

COMPLETE, SINGLE, INTACT = "archive_complete", "archive_single", "archive_intact"


def check_complete(survey: Survey) -> Finding:
    """Count the valid inputs that a complete reading of the archive proves missing."""
    valid, missing = survey.valid.count(), survey.missing.count()
    proven = missing if is_complete(survey.evidence, "archive") and not survey.unreadable else 0
    count = Count(
        compared={"valid inputs": valid, "archived": survey.archived.count() if valid else 0},
        violations=proven,
        held=f"All {records(valid, 'valid record')} of the source log lie in the archive.",
        broken=f"{proven:,} of {records(valid, 'valid record')} of the source log are not in the archive.",
        doubt=_doubt(survey, missing - proven),
        witnesses=tuple(_holes(survey)) if proven else (),
    )
    return judged(COMPLETE, survey.evidence, count)


def check_single(survey: Survey) -> Finding:
    """Count the records that lie in the archive more than once."""
    archived, repeated = survey.archived.count(), survey.repeated.count()
    count = Count(
        compared={"archived": archived},
        violations=repeated,
        held=f"Each of {records(archived, 'archived record')} lies in the archive once.",
        broken=f"{repeated:,} of {records(archived, 'archived record')} lie in the archive more than once.",
        doubt=_doubt(survey, 0),
        witnesses=tuple(_repeats(survey)),
    )
    return judged(SINGLE, survey.evidence, count)


def check_intact(survey: Survey) -> Finding:
    """Count damaged objects, and records in the archive that are no valid inputs."""
    objects = survey.objects
    damaged = [row for row, flaw in enumerate(objects.flaw) if flaw and not str(flaw).startswith(UNREADABLE)]
    phantoms = survey.phantoms.count()
    lines = int(objects.lines.sum())
    parts = (
        records(len(damaged), "damaged object") if damaged else "",
        f"{records(phantoms, 'archived record')} without a valid input" if phantoms else "",
    )
    count = Count(
        compared={"objects": len(objects.name), "lines": lines},
        violations=len(damaged) + phantoms,
        held=f"All {records(len(objects.name), 'object')} with {records(lines, 'line')} are whole.",
        broken=sentence(parts),
        doubt=_doubt(survey, 0),
        witnesses=(*_damages(survey, damaged), *_strangers(survey)),
    )
    return judged(INTACT, survey.evidence, count)


def _doubt(survey: Survey, unseen: int) -> str:
    """Why the evidence is incomplete, or ""."""
    waiting = f"{records(unseen, 'valid record')} not seen in the archive" if unseen else ""
    lacking = survey.unreadable
    why = (
        _unread(survey, "source", "the source log"),
        _unread(survey, "archive", "the archive"),
        f"{records(lacking, 'object')} could not be read" if lacking else "",
    )
    return ", ".join(part for part in (waiting, *why) if part) if any(why) else ""


def _unread(survey: Survey, name: str, what: str) -> str:
    told = hop(survey.evidence, name)
    if told is None:
        return f"{what} was not read back"
    return (
        "" if told.complete else f"{what} was not read to its end{f' ({told.detail})' if told.detail else ''}"
    )


def _holes(survey: Survey) -> Iterator[Witness]:
    for position in survey.missing.first(MAX_WITNESSES):
        offset = survey.shelf.place(position)[1]
        between = [
            f"{side} {_lying(survey, row, at)}" if row is not None else f"nothing {side} it"
            for side, row, at in _neighbours(survey, position)
        ]
        yield _witness(survey, position, f"offset {offset} is in no object: {', '.join(between)}")


def _neighbours(survey: Survey, position: int) -> Iterator[tuple[str, int | None, int]]:
    """The runs of the same partition that end before and begin after *position*, and the nearest place."""
    first, last = _bounds(survey, position)
    before = np.flatnonzero((survey.high <= position) & (survey.low >= first))
    after = np.flatnonzero((survey.low > position) & (survey.low < last))
    nearest = int(before[np.argmax(survey.high[before])]) if len(before) else None
    yield "after", nearest, 0 if nearest is None else int(survey.high[nearest]) - 1
    nearest = int(after[np.argmin(survey.low[after])]) if len(after) else None
    yield "before", nearest, 0 if nearest is None else int(survey.low[nearest])


def _bounds(survey: Survey, position: int) -> tuple[int, int]:
    """The part of the line that is the position's own partition."""
    base = survey.shelf.base
    row = int(np.searchsorted(base, position, side="right")) - 1
    return int(base[row]), int(base[row + 1]) if row + 1 < len(base) else int(np.iinfo(np.int64).max)


def _lying(survey: Survey, run: int, position: int) -> str:
    """Where the archive holds *position*, in words."""
    archive, objects = survey.evidence.archive, survey.objects
    row = int(np.flatnonzero(archive.count > 0)[run])
    line = int(archive.first_line[row]) + position - int(survey.low[run])
    named = objects.name[objects.object == archive.object[row]]
    name = named[0] if len(named) else f"object {int(archive.object[row])}"
    return f"offset {survey.shelf.place(position)[1]} ({name} line {line})"


def _repeats(survey: Survey) -> Iterator[Witness]:
    for position in survey.repeated.first(MAX_WITNESSES):
        runs = np.flatnonzero((survey.low <= position) & (position < survey.high)).tolist()
        places = "; ".join(_lying(survey, run, position) for run in runs[:MAX_WITNESSES])
        yield _witness(survey, position, f"{len(runs)} times: {places}")


def _damages(survey: Survey, rows: list[int]) -> Iterator[Witness]:
    objects = survey.objects
    for row in rows[:MAX_WITNESSES]:
        size = int(objects.bytes[row])
        yield Witness(detail=f"{objects.bucket[row]}/{objects.name[row]}, {size} bytes: {objects.flaw[row]}")


def _strangers(survey: Survey) -> Iterator[Witness]:
    for position in survey.phantoms.first(MAX_WITNESSES):
        run = int(np.flatnonzero((survey.low <= position) & (position < survey.high))[0])
        row = _input(survey, position)
        flaw = "" if row is None else survey.evidence.inputs.flaw[row]
        why = f"the job had to refuse it ({flaw})" if flaw else "no record of the load lies there in the log"
        yield _witness(survey, position, f"{why}: {_lying(survey, run, position)}")


def _input(survey: Survey, position: int) -> int | None:
    rows = np.flatnonzero(survey.placed == position)
    return int(rows[0]) if len(rows) else None


def _witness(survey: Survey, position: int, detail: str) -> Witness:
    """The witness for the record at *position*: its id, its place, when it was meant to be sent."""
    evidence, row = survey.evidence, _input(survey, position)
    partition, offset = survey.shelf.place(position)
    if row is None:
        return Witness(partition=partition, offsets=(offset,), detail=detail)
    inputs = evidence.inputs
    producer, sequence = int(inputs.producer[row]), int(inputs.sequence[row])
    attempt = attempt_row(evidence.attempts, producer, partition, sequence)
    intended = None if attempt is None else evidence.seconds(int(evidence.attempts.t_intended[attempt]))
    return Witness(
        record=f"{producer}/{partition}/{sequence}",
        partition=partition,
        offsets=(offset,),
        at_s=intended,
        detail=detail,
    )


CHECKS: dict[str, Callable[[Survey], Finding]] = {
    COMPLETE: check_complete,
    SINGLE: check_single,
    INTACT: check_intact,
}
"""The checker of each guarantee; all three read one ``survey``."""
