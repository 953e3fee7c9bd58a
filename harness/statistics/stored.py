"""The stored runs that a person names: a run, a folder of runs, or a pattern.

Only ``run.json`` is needed; a run that has its events and samples too says more. A run that cannot be
read is never left out in silence: whoever asks for runs gets the damaged ones beside them.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput, EvidenceError
from harness.findings import RunDocument
from harness.model import RunStarted
from harness.rundir import RunDirectory
from harness.verdict import Kind, Verdict

_DOCUMENT = "run.json"
_BEGUN = "events.jsonl"


@dataclass(frozen=True, eq=False, slots=True)
class Stored:
    """One stored run. ``stack`` is empty when its events are not there."""

    directory: RunDirectory
    document: RunDocument
    stack: str = ""

    @property
    def name(self) -> str:
        """The run's id."""
        return self.document.run_id


@dataclass(frozen=True, slots=True)
class Damaged:
    """A run that has no document to read, and why."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """The runs that were named, by start, and those that cannot be read."""

    asked: str
    runs: tuple[Stored, ...]
    damaged: tuple[Damaged, ...] = ()


def gather(asked: str, *, events: bool = True) -> Gathered:
    """Every run that *asked* names: a run's folder, a folder of runs, or a pattern of either.

    *events* says whether to look into ``events.jsonl`` for the stack.

    Raises:
        BadInput: there is no run at all.
    """
    places = sorted({place.resolve() for path in _named(asked) for place in _runs_in(path)})
    return _sorted(asked, [_read(place, events=events) for place in places])


def _sorted(asked: str, read: list[Stored | Damaged]) -> Gathered:
    runs = sorted((r for r in read if isinstance(r, Stored)), key=lambda r: (r.document.started_at, r.name))
    damaged = tuple(r for r in read if isinstance(r, Damaged))
    if not runs:
        raise _nothing(asked, damaged)
    return Gathered(asked, tuple(runs), damaged)


def history(folder: Path) -> Gathered:
    """Every ``run.json`` below *folder*, however deep, by start; nothing else of a run is read.

    Raises:
        BadInput: it is no folder, or there is no run.json that can be read in it.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder", fix="name the folder of the nightly runs")
    read = [_read(path.parent, events=False) for path in sorted(folder.rglob(_DOCUMENT))]
    return _sorted(str(folder), read)


def verdicts(run: Stored) -> list[tuple[Kind, Verdict]]:
    """What a run's findings say, and no milder than its document."""
    found = [(each.kind, each.verdict) for each in run.document.findings]
    worse = all(verdict.rank < run.document.verdict.rank for _, verdict in found)
    return [*found, (Kind.SOUNDNESS, run.document.verdict)] if worse else found


def _named(asked: str) -> Iterable[Path]:
    if Path(asked).exists():
        return [Path(asked)]
    return [Path(each) for each in sorted(glob.glob(asked))]  # noqa: PTH207 - the pattern may be absolute


def _runs_in(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path.parent]
    if _is_run(path):
        return [path]
    return [each for each in path.iterdir() if each.is_dir() and _is_run(each)]


def _is_run(path: Path) -> bool:
    return (path / _DOCUMENT).is_file() or (path / _BEGUN).is_file()


def _read(place: Path, *, events: bool) -> Stored | Damaged:
    directory = RunDirectory(place)
    if not directory.document.is_file():
        return Damaged(place, "it has no run.json: harness verify writes it")
    try:
        return Stored(directory, directory.read_document(), _stack(directory) if events else "")
    except EvidenceError as error:
        return Damaged(place, error.why)


def _stack(directory: RunDirectory) -> str:
    if not directory.events.is_file():
        return ""
    first = next(iter(directory.read_events()), None)
    return first.stack if isinstance(first, RunStarted) else ""


def _nothing(asked: str, damaged: tuple[Damaged, ...]) -> BadInput:
    if damaged:
        why = f"{damaged[0].path} cannot be read: {damaged[0].why}"
        return BadInput(f"no run in {asked} can be read", why=why, fix="harness verify RUN writes it anew")
    return BadInput(
        f"there is no stored run in {asked}", fix="name a folder of runs, such as reports, or a pattern"
    )
