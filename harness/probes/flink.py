"""What Flink's REST interface says of the newest job: tasks, checkpoints, load of each vertex, watermarks.

A job's state is not told: it says RUNNING for as long as a job waits for slots.
What counts is how many tasks run, and that checkpoints complete. Flink's own
rates are means over a minute; here they are taken from its counters.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import StackError
from harness.probes.sampler import CALL_S, Sample
from harness.web import get_json

T = TypeVar("T")

SOURCE = "flink"
_WATERMARK = "currentInputWatermark"
_COUNTERS = {"numRecordsIn": "records_in_per_s", "numRecordsOut": "records_out_per_s"}
_SHARES = {"busyTimeMsPerSecond": "busy_percent", "backPressuredTimeMsPerSecond": "backpressure_percent"}
_OVER_S = 2.5
"""Flink refreshes its counters about once a second: over less than this a rate would jump between 0 and 2."""


class _Answer(BaseModel):
    """A part of an answer: what is not named here is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Tasks(_Answer):
    total: int
    running: int


class _Job(_Answer):
    jid: str
    start: int = Field(alias="start-time")
    tasks: _Tasks


class _Jobs(_Answer):
    jobs: tuple[_Job, ...]


class _Counts(_Answer):
    completed: int
    failed: int


class _Checkpoint(_Answer):
    end_to_end_duration: int
    state_size: int


class _Latest(_Answer):
    completed: _Checkpoint | None = None


class _Checkpoints(_Answer):
    counts: _Counts
    latest: _Latest


class _Vertex(_Answer):
    id: str
    name: str

    @property
    def metrics(self) -> str:
        """What to ask it for: one name that it does not have, and Flink answers none of them."""
        source = self.name.startswith("Source: ")  # nothing comes in, so it has no watermark of what does
        return ",".join((*_SHARES, *_COUNTERS, *([] if source else [_WATERMARK])))


class _Plan(_Answer):
    vertices: tuple[_Vertex, ...]


Number = Annotated[float, BeforeValidator(float)]
"""Flink writes some numbers as text, and a share that it does not know as NaN."""


class _Metric(_Answer):
    id: str
    min: Number = math.nan
    max: Number = math.nan
    sum: Number = math.nan
    value: Number = math.nan


_METRICS = TypeAdapter(tuple[_Metric, ...])


class FlinkProbe:
    """Samples the job that was started last; see ``sampler.Probe``.

    Sources are ``flink`` for the job and ``flink/VERTEX`` for its vertices,
    which are called as their first operators are.

    Args:
        urls: where the JobManagers serve REST; the first one that answers is asked until it is silent.
    """

    name = "flink"

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = list(urls)
        self._known: tuple[str, dict[str, _Vertex]] = ("", {})
        self._counted: dict[tuple[str, str], deque[tuple[float, float]]] = {}

    def sample(self) -> list[Sample]:
        """Tasks, restarts and checkpoints of the job, then rates, shares and watermark of each vertex.

        Raises:
            StackError: there was no good answer in time, or no job yet.
        """
        job = self._newest()
        found: list[Sample] = [
            (SOURCE, "tasks_running", job.tasks.running),
            (SOURCE, "tasks_total", job.tasks.total),
            *self._restarts(job.jid),
            *self._checkpoints(job.jid),
        ]
        for name, vertex in self._vertices(job.jid).items():
            asked = f"/jobs/{job.jid}/vertices/{vertex.id}/subtasks/metrics?get={vertex.metrics}"
            metrics = {one.id: one for one in _read(_METRICS.validate_python, self._ask(asked))}
            found += [*self._rates(f"{SOURCE}/{name}", metrics), *_state(f"{SOURCE}/{name}", metrics)]
        return found

    def _rates(self, source: str, metrics: dict[str, _Metric]) -> list[Sample]:
        now, found = time.monotonic(), list[Sample]()
        for asked, name in _COUNTERS.items():
            total = metrics[asked].sum if asked in metrics else math.nan
            if not math.isfinite(total):
                continue
            seen = self._counted.setdefault((source, name), deque())
            if seen and total < seen[-1][1]:
                seen.clear()  # the job began anew, and its counters with it
            seen.append((now, total))
            while len(seen) > 2 and now - seen[1][0] >= _OVER_S:
                seen.popleft()
            if now > seen[0][0]:
                found.append((source, name, (total - seen[0][1]) / (now - seen[0][0])))
        return found

    def _newest(self) -> _Job:
        jobs = _read(_Jobs.model_validate, self._ask_any("/jobs/overview")).jobs
        if not jobs:
            raise StackError("Flink has no job")
        return max(jobs, key=lambda job: job.start)

    def _restarts(self, job: str) -> list[Sample]:
        metrics = _read(_METRICS.validate_python, self._ask(f"/jobs/{job}/metrics?get=numRestarts"))
        return [(SOURCE, "restarts", one.value) for one in metrics if math.isfinite(one.value)]

    def _checkpoints(self, job: str) -> list[Sample]:
        found = _read(_Checkpoints.model_validate, self._ask(f"/jobs/{job}/checkpoints"))
        counts: list[Sample] = [
            (SOURCE, "checkpoints_completed", found.counts.completed),
            (SOURCE, "checkpoints_failed", found.counts.failed),
        ]
        last = found.latest.completed
        if last is None:
            return counts
        took = (SOURCE, "checkpoint_ms", float(last.end_to_end_duration))
        return [*counts, took, (SOURCE, "checkpoint_mb", last.state_size / 1e6)]

    def _vertices(self, job: str) -> dict[str, _Vertex]:
        if self._known[0] != job:
            plan = _read(_Plan.model_validate, self._ask(f"/jobs/{job}"))
            self._known = (job, _named(plan.vertices))
            self._counted.clear()
        return self._known[1]

    def _ask_any(self, path: str) -> object:
        """What the present JobManager answers; the next one's turn comes when it is silent."""
        try:
            return self._ask(path)
        except StackError:
            self._urls.append(self._urls.pop(0))
            raise

    def _ask(self, path: str) -> object:
        return get_json(self._urls[0] + path, CALL_S)


def _read(validate: Callable[[object], T], answer: object) -> T:
    try:
        return validate(answer)
    except ValidationError as error:
        raise StackError("Flink's answer makes no sense", why=str(error)) from error


def _named(vertices: Iterable[_Vertex]) -> dict[str, _Vertex]:
    """Each vertex by a short, unique name: that of its first operator."""
    named: dict[str, _Vertex] = {}
    for vertex in vertices:
        short = vertex.name.partition(" -> ")[0].removeprefix("Source: ").strip() or vertex.id
        taken = sum(name.partition(" #")[0] == short for name in named)
        named[f"{short} #{taken + 1}" if taken else short] = vertex
    return named


def _state(source: str, metrics: dict[str, _Metric]) -> list[Sample]:
    # The busiest subtask is the one that the others wait for.
    found = [(source, name, metrics[asked].max / 10) for asked, name in _SHARES.items() if asked in metrics]
    watermark = metrics[_WATERMARK].min if _WATERMARK in metrics else 0.0
    if watermark > 0:  # before the first record it is the smallest number there is
        found.append((source, "watermark_lag_ms", time.time() * 1000 - watermark))
    return [one for one in found if math.isfinite(one[2])]
