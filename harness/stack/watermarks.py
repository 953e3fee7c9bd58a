"""How far a job is in event time, told by the very processes that do its work.

Flink's REST interface tells watermarks too, but as its JobManager collected them last, and after the death
of a TaskManager 1.17 may never collect them again: they stood still for minutes under a job that
ran. The TaskManagers' own Prometheus pages are what those numbers are made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.errors import StackError
from harness.prometheus import Measured, parse
from harness.web import get_text

_CALL_S = 2.0
_METRIC = "flink_taskmanager_job_task_currentInputWatermark"
_NONE_YET = -(2**62)

Task = tuple[str, int]
"""A task's name and the number of its subtask."""


def lowest_watermark(pages: Sequence[str], job_id: str, tasks: int) -> int | None:
    """The lowest input watermark, ms since 1970, of the *tasks* behind the job's sources.

    None while one of them has none, or is not told by any of the *pages*: a process that is dead tells
    nothing, and its tasks run elsewhere or not at all.
    """
    newest = newest_attempts(line for page in pages for line in parse(_read(page)))
    marks = newest.get(job_id, {})
    lowest = min(marks.values(), default=_NONE_YET)
    return int(lowest) if len(marks) == tasks and lowest > _NONE_YET else None


def newest_attempts(lines: Iterable[Measured]) -> dict[str, dict[Task, float]]:
    """By job, the watermark of every task that has one, of its newest attempt."""
    found: dict[str, dict[Task, tuple[int, float]]] = {}
    for line in lines:
        if line.name == _METRIC:
            task = (line.labels["task_name"], int(line.labels["subtask_index"]))
            told = (int(line.labels["task_attempt_num"]), line.value)
            of_job = found.setdefault(line.labels["job_id"], {})
            of_job[task] = max(of_job.get(task, told), told)
    return {job: {task: value for task, (_, value) in own.items()} for job, own in found.items()}


def _read(page: str) -> str:
    try:
        return get_text(page, _CALL_S)
    except StackError:
        return ""
