"""Watermarks as the TaskManagers tell them: only what all tasks of the newest attempt have seen counts."""

from __future__ import annotations

import pytest

from harness.stack.flink.watermarks import lowest_watermark
from harness.tests.webserver import Answers, WebServer

JOB = "a43706f1a80cd1f619ae9545ec33dc01"
NEVER = -9.223372036854776e18


def _line(task: str, subtask: int, value: float, *, attempt: int = 0, job: str = JOB) -> str:
    labels = f'job_id="{job}",task_id="{task}",subtask_index="{subtask}",task_attempt_num="{attempt}",'
    return f"flink_taskmanager_job_task_currentInputWatermark{{{labels}}} {value}\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([_line("windows", 0, 7e3), _line("windows", 1, 5e3)], 5_000),
        ([_line("windows", 0, 7e3)], None),
        ([_line("windows", 0, 7e3), _line("windows", 1, NEVER)], None),
        ([_line("windows", 0, 7e3), _line("windows", 1, 5e3), _line("windows", 1, 9e3, attempt=1)], 7_000),
        ([_line("windows", 0, 7e3), _line("windows", 1, 9e3, job="another")], None),
        ([], None),
    ],
    ids=["the lowest", "one is not told", "one has none", "the newest attempt", "another job's", "no page"],
)
def test_the_lowest_of_all_tasks_is_told(lines: list[str], expected: int | None) -> None:
    """A task that is silent, without a watermark, of an old attempt or of another job says nothing."""
    with WebServer() as server:
        server.says("/metrics", Answers(text="".join(lines)))

        assert lowest_watermark([server.url("/metrics")], JOB, 2) == expected


def test_tasks_lie_on_several_processes_and_a_dead_one_tells_nothing() -> None:
    """The pages are taken together; one that does not answer is as good as empty."""
    with WebServer() as server:
        server.says("/one", Answers(text=_line("windows", 0, 7e3)))
        server.says("/two", Answers(text=_line("windows", 1, 6e3)))
        pages = [server.url("/one"), server.url("/two"), "http://127.0.0.1:1/metrics"]

        assert lowest_watermark(pages, JOB, 2) == 6_000
        assert lowest_watermark(pages[:1], JOB, 2) is None
