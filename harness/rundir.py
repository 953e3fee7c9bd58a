"""One run's directory: where each file lies, and how events get into it and out again.

Invariant: a line of ``events.jsonl`` is written whole and flushed before the call
returns; a reader keeps the valid prefix, so a cut last line loses only itself.
The directory is 0700 and its files are 0600: logs may hold what users type.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from harness.calibration import Calibration
from harness.errors import BadInput, EvidenceError, MissingAbility
from harness.findings import RunDocument
from harness.journal_entry import JournalEntry
from harness.model import EVENT, Event

M = TypeVar("M", bound=BaseModel)

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\Z")


class RunDirectory:
    """The files of one run; creating the object touches nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events = root / "events.jsonl"
        self.journal = root / "journal.jsonl"
        self.heartbeat = root / "heartbeat"
        self.ledger = root / "ledger"
        self.samples = root / "samples"
        self.logs = root / "logs"
        self.history = root / "history"
        self.document = root / "run.json"
        self.report = root / "report.html"
        self.junit = root / "junit.xml"
        self.calibration = root / "calibration.json"

    @property
    def run_id(self) -> str:
        """The directory's name."""
        return self.root.name

    @classmethod
    def create(cls, out: Path, run_id: str) -> RunDirectory:
        """Make ``out/run_id`` and its folders.

        Raises:
            BadInput: the id is not a plain file name, or the run exists.
            MissingAbility: the folder cannot be written.
        """
        if not _RUN_ID.match(run_id):
            raise BadInput(f"the run id {run_id!r} is not a plain name", fix="letters, digits, . _ -")
        made = cls(out / run_id)
        try:
            made.root.mkdir(parents=True, mode=0o700)
            for folder in (made.ledger, made.samples, made.logs):
                folder.mkdir(mode=0o700)
        except FileExistsError as error:
            raise BadInput(f"{made.root} exists", fix="choose another --out or run id") from error
        except OSError as error:
            raise unwritable(made.root, error) from error
        return made

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """The stored run at *path*, which may also name one of its files.

        Raises:
            EvidenceError: there is no run there.
        """
        root = path.parent if path.is_file() else path
        found = cls(root.resolve())
        if not found.events.is_file():
            raise EvidenceError(
                f"{path} is not a run directory",
                why="it has no events.jsonl",
                fix="name a folder that `harness run` made, e.g. reports/<run-id>",
            )
        return found

    def read_events(self) -> list[Event]:
        """Every event up to the first line that does not parse, in order."""
        return list(_valid_prefix(self.events.read_bytes().splitlines()))

    def read_journal(self) -> list[JournalEntry]:
        """Every journal entry; a cut or damaged line is skipped, the rest still counts."""
        if not self.journal.exists():
            return []
        return list(_parsed(self.journal.read_bytes().splitlines(), JournalEntry))

    def read_document(self) -> RunDocument:
        """``run.json``.

        Raises:
            EvidenceError: it is missing or of another format.
        """
        try:
            return RunDocument.model_validate_json(self.document.read_bytes())
        except (OSError, ValidationError) as error:
            raise EvidenceError(
                f"{self.document} cannot be read",
                why=str(error).splitlines()[0],
                fix=f"harness verify {self.root} writes it anew",
            ) from error

    def write_document(self, document: RunDocument) -> None:
        """Write ``run.json`` whole or not at all."""
        self.write(self.document, document.model_dump_json(by_alias=True, indent=2) + "\n")

    def read_calibration(self) -> Calibration | None:
        """``calibration.json``; None when the run was not calibrated.

        Raises:
            EvidenceError: it is of another format.
        """
        if not self.calibration.exists():
            return None
        try:
            return Calibration.model_validate_json(self.calibration.read_bytes())
        except (OSError, ValidationError) as error:
            raise EvidenceError(
                f"{self.calibration} cannot be read",
                why=str(error).splitlines()[0],
                fix=f"harness calibrate {self.root} writes it anew",
            ) from error

    def write_calibration(self, calibration: Calibration) -> None:
        """Write ``calibration.json`` whole or not at all."""
        self.write(self.calibration, calibration.model_dump_json(by_alias=True, indent=2) + "\n")

    def write(self, path: Path, text: str) -> None:
        """See the function of that name."""
        write(path, text)


class EventLog:
    """Appends events to ``events.jsonl``; safe to call from any thread."""

    def __init__(self, directory: RunDirectory) -> None:
        self._lock = threading.Lock()
        self._path = directory.events
        try:
            self._file = open(self._path, "ab", opener=private)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def append(self, event: Event) -> None:
        """Write *event* as one line and flush it.

        Raises:
            MissingAbility: the disk is full.
        """
        line = event.model_dump_json().encode() + b"\n"
        with self._lock:
            try:
                self._file.write(line)
                self._file.flush()
            except OSError as error:
                raise unwritable(self._path, error) from error

    def close(self) -> None:
        """Close the file; appending afterwards is a defect."""
        self._file.close()


def write(path: Path, text: str) -> None:
    """Write *text* to *path* whole or not at all, synced to the disk; its folder is made if need be.

    Raises:
        MissingAbility: the disk is full or the folder read-only.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "w", encoding="utf-8", opener=private) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def private(path: str, flags: int) -> int:
    """An ``open`` opener for files that only their owner reads, never through a symlink."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def unwritable(path: Path, error: OSError) -> MissingAbility:
    """The error for a place that cannot be written."""
    return MissingAbility(
        f"cannot write {path}",
        why=error.strerror or str(error),
        fix="free space there, or choose another folder with --out",
    )


def _valid_prefix(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            event = EVENT.validate_json(line)
        except ValidationError:
            return
        yield event


def _parsed(lines: Iterable[bytes], model: type[M]) -> Iterator[M]:
    for line in lines:
        try:
            yield model.model_validate_json(line)
        except ValidationError:
            continue
