"""The files of a run that the report lists: name, size and SHA-256.

Links are never followed and nothing outside the run directory is read. What the
report itself writes is left out, so that writing it twice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.errors import EvidenceError
from harness.report.phrases import size
from harness.rundir import RunDirectory

_MOST = 300


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file of the run; ``link`` is relative to the report."""

    name: str
    link: str
    size: str
    sha256: str


def artefacts(directory: RunDirectory) -> tuple[tuple[Artefact, ...], int]:
    """The run's files in the order of their names, at most 300, and how many were left out.

    Raises:
        EvidenceError: a file cannot be read.
    """
    own = {directory.report, directory.junit, directory.heartbeat}
    found = sorted(path for path in _regular(directory.root) if path not in own and path.suffix != ".part")
    return tuple(_artefact(directory.root, path) for path in found[:_MOST]), max(0, len(found) - _MOST)


def _regular(root: Path) -> list[Path]:
    found = []
    for folder, _, names in os.walk(root):
        paths = (Path(folder, name) for name in names)
        found += [path for path in paths if path.is_file() and not path.is_symlink()]
    return found


def _artefact(root: Path, path: Path) -> Artefact:
    name = path.relative_to(root).as_posix()
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            octets = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read", why=error.strerror or str(error)) from error
    return Artefact(
        name.encode(errors="replace").decode(), f"./{quote(os.fsencode(name))}", size(octets), digest
    )
