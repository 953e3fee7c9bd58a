"""How far a job is in event time, told by the very processes that do its work; see ``task_metrics``."""

from __future__ import annotations

from collections.abc import Sequence

from harness.stack.flink.task_metrics import newest, read_pages

_CALL_S = 2.0
_NONE_YET = -(2**62)
WATERMARK = "currentInputWatermark"


def lowest_watermark(pages: Sequence[str], job_id: str, tasks: int) -> int | None:
    """The lowest input watermark, ms since 1970, of the *tasks* behind the job's sources.

    None while one of them has none, or is not told by any of the *pages*: a process that is dead tells
    nothing, and its tasks run elsewhere or not at all.
    """
    lines = (line for page in read_pages(pages, _CALL_S) for line in page or ())
    return lowest(
        [told.value for task, told in newest(lines, WATERMARK).items() if task.job == job_id], tasks
    )


def lowest(marks: Sequence[float], tasks: int) -> int | None:
    """The lowest of *marks*; None when they are not those of all *tasks*, or one is none yet."""
    mark = min(marks, default=_NONE_YET)
    return int(mark) if len(marks) == tasks and mark > _NONE_YET else None
