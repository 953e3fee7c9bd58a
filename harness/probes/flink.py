"""What only Flink's JobManager knows of the newest job: how many tasks run, restarts, checkpoints.

A job's state is not told: it says RUNNING for as long as a job waits for slots.
What counts is how many tasks run, and that checkpoints complete. What the tasks
themselves do is asked of the TaskManagers: see ``tasks``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import StackError
from harness.probes.sampler import CALL_S, Sample
from harness.web import get_json

T = TypeVar("T")

SOURCE = "flink"


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


Number = Annotated[float, BeforeValidator(float)]
"""Flink writes some numbers as text."""


class _Metric(_Answer):
    id: str
    value: Number = math.nan


_METRICS = TypeAdapter(tuple[_Metric, ...])


class FlinkProbe:
    """Samples the job that was started last; see ``sampler.Probe``.

    Args:
        urls: where the JobManagers serve REST; the first one that answers is asked until it is silent.
    """

    name = "flink"

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = list(urls)

    def sample(self) -> list[Sample]:
        """Tasks, restarts and checkpoints of the job.

        Raises:
            StackError: there was no good answer in time, or no job yet.
        """
        job = self._newest()
        return [
            (SOURCE, "tasks_running", job.tasks.running),
            (SOURCE, "tasks_total", job.tasks.total),
            *self._restarts(job.jid),
            *self._checkpoints(job.jid),
        ]

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
