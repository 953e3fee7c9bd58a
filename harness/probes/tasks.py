"""Load, rates and watermark of each vertex of the job, from the TaskManagers that do its work.

Who does not answer is left out of a sample, and nothing of what it said before is kept: rates add up, and the
busiest is found, over the tasks that tell. A lowest watermark is known only when every task tells its own.
The JobManager is asked for the names of a job's vertices, once; its numbers may be old (``task_metrics``).
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import ValidationError

from harness.errors import StackError
from harness.probes.flink import SOURCE
from harness.probes.sampler import CALL_S, Sample
from harness.prometheus import Measured
from harness.stack.flink.answers import JobDetails, Vertex
from harness.stack.flink.task_metrics import Task, Told, newest, read_pages
from harness.stack.flink.watermarks import WATERMARK, lowest
from harness.web import get_json

_COUNTERS = {"numRecordsIn": "records_in_per_s", "numRecordsOut": "records_out_per_s"}
_SHARES = {"busyTimeMsPerSecond": "busy_percent", "backPressuredTimeMsPerSecond": "backpressure_percent"}
_METRICS = (*_COUNTERS, *_SHARES, WATERMARK)
_OVER_S = 2.5
"""Windows close once a second: over less than this a rate behind them would jump between 0 and 2."""

Counter = tuple[str, Task, int]
"""The name of a rate, the task, and the attempt that counts: the next one begins at zero."""


class TaskProbe:
    """Samples the job that was started last; see ``sampler.Probe``.

    Sources are ``flink/VERTEX`` for the vertices, which are called as their first operators are, and
    each TaskManager's node for whether it answered.

    Args:
        pages: the Prometheus page of each TaskManager, by node; where it is now.
        urls: where the JobManagers serve REST.
    """

    name = "tasks"

    def __init__(self, pages: Mapping[str, str], urls: Sequence[str]) -> None:
        self._pages, self._urls = pages, tuple(urls)
        self._plans: dict[str, dict[str, Vertex]] = {}
        self._rates = Rates()

    def sample(self) -> list[Sample]:
        """Who answered; then rates, shares and watermark lag of each vertex, sources first.

        Raises:
            StackError: no TaskManager answered.
        """
        now = time.monotonic()
        pages = dict(self._pages)
        read = read_pages(list(pages.values()), CALL_S)
        answered = {node: page is not None for node, page in zip(pages, read, strict=True)}
        if not any(answered.values()):
            raise StackError("no TaskManager tells of its tasks")
        lines = [line for page in read for line in page or ()]
        told = {metric: newest(lines, metric) for metric in _METRICS}
        return [
            *((node, "page_ok", float(ok)) for node, ok in answered.items()),
            *self._of_vertices(self._newest_job(lines), told, now),
        ]

    def _newest_job(self, lines: Iterable[Measured]) -> str:
        """Of the jobs on the pages the one seen last; empty while the vertices of none are known."""
        jobs = {line.labels["job_id"] for line in lines}
        for job in sorted(jobs - set(self._plans)):
            if plan := self._plan(job):
                self._plans[job] = plan
        return next((job for job in reversed(self._plans) if job in jobs), "")

    def _of_vertices(self, job: str, told: Mapping[str, Mapping[Task, Told]], now: float) -> Iterator[Sample]:
        rates = self._rates.of(_counted(told), now)
        for name, vertex in self._plans.get(job, {}).items():
            values = {metric: _of_vertex(told[metric], job, vertex.id) for metric in _METRICS}
            yield from _summed(f"{SOURCE}/{name}", rates, job, vertex.id)
            yield from _state(f"{SOURCE}/{name}", values, vertex.parallelism)

    def _plan(self, job: str) -> dict[str, Vertex]:
        """The vertices of *job*; none as long as no JobManager tells them."""
        for url in self._urls:
            try:
                told = JobDetails.model_validate(get_json(f"{url}/jobs/{job}", CALL_S))
            except (StackError, ValidationError):
                continue
            return _named(told.vertices)
        return {}


class Rates:
    """Counters as rates over about the last ``_OVER_S`` seconds."""

    def __init__(self) -> None:
        self._seen: dict[Counter, deque[tuple[float, float]]] = {}

    def of(self, counted: Mapping[Counter, float], now: float) -> dict[Counter, float]:
        """The rate of every counter in *counted* that was told before, without a break in between."""
        self._seen = {counter: self._seen.get(counter, deque()) for counter in counted}
        found: dict[Counter, float] = {}
        for counter, total in counted.items():
            seen = self._seen[counter]
            seen.append((now, total))
            while len(seen) > 2 and now - seen[1][0] >= _OVER_S:
                seen.popleft()
            if now > seen[0][0]:
                found[counter] = (total - seen[0][1]) / (now - seen[0][0])
        return found


def _counted(told: Mapping[str, Mapping[Task, Told]]) -> dict[Counter, float]:
    return {
        (name, task, one.attempt): one.value
        for metric, name in _COUNTERS.items()
        for task, one in told[metric].items()
        if math.isfinite(one.value)
    }


def _of_vertex(told: Mapping[Task, Told], job: str, vertex: str) -> list[float]:
    own = (one.value for task, one in told.items() if (task.job, task.vertex) == (job, vertex))
    return [value for value in own if math.isfinite(value)]


def _summed(source: str, rates: Mapping[Counter, float], job: str, vertex: str) -> Iterator[Sample]:
    total: dict[str, float] = defaultdict(float)
    for (name, task, _), rate in rates.items():
        if (task.job, task.vertex) == (job, vertex):
            total[name] += rate
    return ((source, name, rate) for name, rate in total.items())


def _state(source: str, values: Mapping[str, list[float]], parallelism: int) -> Iterator[Sample]:
    # The busiest subtask is the one that the others wait for.
    yield from (
        (source, name, max(values[metric]) / 10) for metric, name in _SHARES.items() if values[metric]
    )
    mark = lowest(values[WATERMARK], parallelism)
    if mark is not None:
        yield source, "watermark_lag_ms", time.time() * 1000 - mark


def _named(vertices: Iterable[Vertex]) -> dict[str, Vertex]:
    """Each vertex by a short, unique name, that of its first operator; sources first, as records flow."""
    named: dict[str, Vertex] = {}
    for vertex in sorted(vertices, key=lambda one: not one.name.startswith("Source: ")):
        short = vertex.name.partition(" -> ")[0].removeprefix("Source: ").strip() or vertex.id
        taken = sum(name.partition(" #")[0] == short for name in named)
        named[f"{short} #{taken + 1}" if taken else short] = vertex
    return named
