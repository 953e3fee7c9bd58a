"""What one worker says about itself: a small file that it rewrites, read by the engine.

The file is replaced whole, so a reader sees one state or the next. The last one, ``ended``,
carries Locust's own totals, to be held against the ledger.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from harness.model import Frozen
from harness.rundir import private

State = Literal["ready", "sending", "stopping", "ended"]


class WorkerStatus(Frozen):
    """One worker at one instant. ``requests`` and ``failures`` are Locust's, in batches; the rest is records.

    ``stopped_t`` is the instant after which no batch was due any more; 0 while sending.
    """

    state: State
    t: int
    attempted: int = 0
    ok: int = 0
    fail: int = 0
    unknown: int = 0
    requests: int = 0
    failures: int = 0
    stopped_t: int = 0
    detail: str = ""


def status_path(folder: Path, worker: int) -> Path:
    """Where worker number *worker* keeps its status."""
    return folder / f"worker-{worker}.json"


def write(path: Path, status: WorkerStatus) -> None:
    """Replace the status at *path*."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8", opener=private) as file:
        file.write(status.model_dump_json())
    part.replace(path)


def read(path: Path) -> WorkerStatus | None:
    """The status at *path*, None before there is one."""
    try:
        return WorkerStatus.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
