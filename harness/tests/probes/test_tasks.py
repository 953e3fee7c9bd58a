"""What the TaskManagers' pages say becomes rates, shares and lag of each vertex; silence stays silence."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StackError
from harness.probes.tasks import Counter, Rates, TaskProbe
from harness.stack.flink.task_metrics import Task
from harness.tests.webserver import Answers, WebServer

JOB, LATER = "a43706f1a80cd1f619ae9545ec33dc01", "00000000000000000000000000000002"
SOURCE, WINDOWS = "cbc357ccb763df2852fee8c4fc7d55f2", "90bea66de1c231edf33913ecd54406c1"
NEVER = -9.223372036854776e18
ONE, TWO = "taskmanager-1", "taskmanager-2"
LABELS = (
    'job_id="{job}",task_id="{vertex}",task_attempt_id="8c1e",host="198_18_0_41",task_name="named_with_underscores",'
    'task_attempt_num="{attempt}",job_name="edge_processor",tm_id="taskmanager_1",subtask_index="{subtask}",'
)
"""As Flink 1.17's reporter writes them: a comma behind the last one, every odd sign replaced."""


def line(
    metric: str,
    vertex: str,
    subtask: int,
    value: float | str,
    *,
    attempt: int = 0,
    job: str = JOB,
    scope: str = "",
) -> str:
    """One line of a page."""
    labels = LABELS.format(job=job, vertex=vertex, attempt=attempt, subtask=subtask)
    return f"flink_taskmanager_job_task_{scope}{metric}{{{labels}}} {value}\n"


class Cluster:
    """Two TaskManagers' pages and a JobManager that knows one job, each on a path of its own."""

    def __init__(self, server: WebServer) -> None:
        self._server = server
        pages = {ONE: server.url("/one"), TWO: server.url("/two")}
        self.knows(JOB)
        self.probe = TaskProbe(pages, ["http://127.0.0.1:9", server.url("")])

    def knows(self, job: str) -> None:
        """The JobManager tells the plan of *job*, in REST's words."""
        names = {WINDOWS: "windows", SOURCE: "Source: orders -> validate"}
        vertices = [
            {"id": one, "name": name, "parallelism": 2, "tasks": {}, "metrics": {"read-records": 0}}
            for one, name in names.items()
        ]
        self._server.says(f"/jobs/{job}", Answers(json.dumps({"state": "RUNNING", "vertices": vertices})))

    def says(self, one: str | None, two: str | None) -> None:
        """What stands on the pages; None: there is no answer."""
        for path, text in (("/one", one), ("/two", two)):
            self._server.says(path, Answers("", 503) if text is None else Answers(text))

    def sample(self) -> dict[tuple[str, str], float]:
        """One sample, by source and name."""
        return {(source, name): value for source, name, value in self.probe.sample()}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster on loopback."""
    with WebServer() as server:
        yield Cluster(server)


def out(subtask: int, total: float, *, attempt: int = 0, job: str = JOB) -> str:
    """How many records a task of the source sent so far."""
    return line("numRecordsOut", SOURCE, subtask, total, attempt=attempt, job=job)


def test_the_busiest_task_and_the_slowest_watermark_are_told(cluster: Cluster) -> None:
    """Over both pages, under the vertex's own name; what is NaN is not known, and no zero."""
    now = time.time() * 1000
    cluster.says(
        line("busyTimeMsPerSecond", SOURCE, 0, 240.0)
        + line("busyTimeMsPerSecond", WINDOWS, 0, "NaN")
        + line("backPressuredTimeMsPerSecond", SOURCE, 0, 10)
        + line("currentInputWatermark", WINDOWS, 0, now - 700),
        line("busyTimeMsPerSecond", SOURCE, 1, 810.0)
        + line("busyTimeMsPerSecond", SOURCE, 1, 990.0, scope="operator_")
        + line("currentInputWatermark", WINDOWS, 1, now - 900),
    )
    seen = cluster.sample()

    assert seen["flink/orders", "busy_percent"] == 81
    assert seen["flink/orders", "backpressure_percent"] == 1
    assert 900 <= seen["flink/windows", "watermark_lag_ms"] < 60_000
    assert ("flink/windows", "busy_percent") not in seen
    assert (seen[ONE, "page_ok"], seen[TWO, "page_ok"]) == (1, 1)


def test_rates_of_all_tasks_add_up(cluster: Cluster) -> None:
    """A rate needs two samples; then both TaskManagers' records count."""
    cluster.says(out(0, 1_000), out(1, 1_000))
    first = cluster.sample()
    cluster.says(out(0, 3_000), out(1, 2_000))
    both = cluster.sample()["flink/orders", "records_out_per_s"]

    assert ("flink/orders", "records_out_per_s") not in first
    assert both > 0
    cluster.says(out(0, 3_000), None)
    alone = cluster.sample()["flink/orders", "records_out_per_s"]
    assert 0 < alone < both


def test_a_silent_task_manager_leaves_a_gap_and_the_other_is_shown(cluster: Cluster) -> None:
    """Nothing that it said before is told again, and a lowest watermark is not that of the rest."""
    marks = [line("currentInputWatermark", WINDOWS, n, 9e12) for n in (0, 1)]
    busy = [line("busyTimeMsPerSecond", WINDOWS, n, 100 + 700 * n) for n in (0, 1)]
    cluster.says(marks[0] + busy[0], marks[1] + busy[1])
    whole = cluster.sample()
    cluster.says(marks[0] + busy[0], None)
    half = cluster.sample()

    assert (whole["flink/windows", "busy_percent"], half["flink/windows", "busy_percent"]) == (80, 10)
    assert ("flink/windows", "watermark_lag_ms") in whole
    assert ("flink/windows", "watermark_lag_ms") not in half
    assert (half[ONE, "page_ok"], half[TWO, "page_ok"]) == (1, 0)


def test_a_break_is_not_counted_through(cluster: Cluster) -> None:
    """The first sample after a silence has no rate of its own: what was before it may be minutes old."""
    cluster.says(out(0, 100), "")
    cluster.sample()
    cluster.says(None, "")
    cluster.sample()
    cluster.says(out(0, 900_000), "")

    assert ("flink/orders", "records_out_per_s") not in cluster.sample()
    assert cluster.sample()["flink/orders", "records_out_per_s"] == 0


def test_the_next_attempt_counts_from_zero(cluster: Cluster) -> None:
    """What a task of the attempt before had counted is no part of the new one's rate."""
    cluster.says(out(0, 100), "")
    cluster.sample()
    cluster.says(out(0, 100) + out(0, 5_000, attempt=1), "")
    begun = cluster.sample()

    assert ("flink/orders", "records_out_per_s") not in begun
    assert cluster.sample()["flink/orders", "records_out_per_s"] == 0


def test_no_task_manager_is_no_sample(cluster: Cluster) -> None:
    """When nobody answers nobody knows, whatever the JobManager would still tell."""
    cluster.says(None, None)

    with pytest.raises(StackError, match="no TaskManager tells"):
        cluster.probe.sample()


def test_without_a_job_there_are_only_pages(cluster: Cluster) -> None:
    """A TaskManager without a task answers, and that is all."""
    cluster.says("flink_taskmanager_Status_JVM_CPU_Load 0.1\n", "")

    assert cluster.sample() == {(ONE, "page_ok"): 1, (TWO, "page_ok"): 1}


def test_a_watermark_that_never_moved_is_no_lag(cluster: Cluster) -> None:
    """Before the first record there is no watermark to be behind."""
    marks = [line("currentInputWatermark", WINDOWS, n, mark) for n, mark in enumerate((NEVER, 5e12))]
    cluster.says(*marks)

    assert ("flink/windows", "watermark_lag_ms") not in cluster.sample()


def test_the_job_that_came_last_is_told(cluster: Cluster) -> None:
    """While the tasks of an older one still end, and as soon as the JobManager tells the new one's plan."""
    cluster.says(line("busyTimeMsPerSecond", SOURCE, 0, 100), "")
    old = cluster.sample()
    cluster.says(
        line("busyTimeMsPerSecond", SOURCE, 0, 100), line("busyTimeMsPerSecond", SOURCE, 0, 700, job=LATER)
    )
    unknown = cluster.sample()
    cluster.knows(LATER)
    new = cluster.sample()

    key = ("flink/orders", "busy_percent")
    assert (old[key], unknown[key], new[key]) == (10, 10, 70)


@given(st.lists(st.tuples(st.floats(0.5, 2), st.integers(0, 5_000)), min_size=3, max_size=12))
def test_a_rate_is_the_growth_over_the_last_seconds(steps: list[tuple[float, int]]) -> None:
    """It is what was counted in a stretch that is about as long as it should be, over that stretch."""
    counter: Counter = ("records_out_per_s", Task(JOB, SOURCE, 0), 0)
    rates, at, total, story = Rates(), 0.0, 0.0, list[tuple[float, float]]()
    for seconds, more in steps:
        at, total = at + seconds, total + more
        story.append((at, total))
        found = rates.of({counter: total}, at)

    possible = [(total - then) / (at - when) for when, then in story[:-1] if at - when <= 4.5]
    assert any(abs(found[counter] - one) < 1e-6 for one in possible)
