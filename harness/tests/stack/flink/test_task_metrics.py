"""Pages about tasks: what stands on each, and whose word counts."""

from __future__ import annotations

import threading

from harness.stack.flink.task_metrics import Task, Told, newest, read_pages
from harness.tests.webserver import Answers, WebServer

LABELS = 'job_id="j",task_id="v",subtask_index="0",'
PAGE = f"""\
# TYPE flink_taskmanager_job_task_numRecordsIn gauge
flink_taskmanager_job_task_numRecordsIn{{{LABELS}task_attempt_num="3",}} 7.0
flink_taskmanager_job_task_operator_numRecordsIn{{{LABELS}task_attempt_num="3",operator_name="windows",}} 9.0
flink_taskmanager_Status_JVM_Threads_Count 40.0
"""


def test_a_page_that_hangs_keeps_nobody_from_the_others() -> None:
    """Each page in its place; one without an answer, or with a bad one, is None and not empty."""
    with WebServer() as server:
        server.says("/good", Answers(PAGE))
        server.says("/idle", Answers(""))
        server.says("/hangs", Answers(PAGE, waits=threading.Event()))
        asked = [server.url(path) for path in ("/hangs", "/good", "/idle", "/not-there")]
        hangs, good, idle, missing = read_pages([*asked, "http://127.0.0.1:9/"], 0.5)[:4]

    assert (hangs, idle, missing) == (None, (), None)
    assert good is not None
    assert newest(good, "numRecordsIn") == {Task("j", "v", 0): Told(3, 7.0)}


def test_what_operators_and_the_process_say_is_left_out() -> None:
    """A task's chain of operators tells the same names once more, each for itself."""
    with WebServer() as server:
        server.says("/metrics", Answers(PAGE))
        (page,) = read_pages([server.url("/metrics")], 2.0)

    assert page is not None
    assert [one.name for one in page] == ["flink_taskmanager_job_task_numRecordsIn"]


def test_no_pages_is_none_read() -> None:
    """A stack without a TaskManager has nobody to ask."""
    assert read_pages([], 1.0) == []
