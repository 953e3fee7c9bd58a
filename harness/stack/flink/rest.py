"""Flink's REST interface: jobs handed over, stopped with a savepoint, and judged by what they do.

A job's state says little: one whose TaskManager died stays RUNNING with no task for as long as
no slot is free. Whether a job runs is told here by its tasks and completed checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from harness.clock import MONOTONIC, Clock
from harness.errors import BadInput, StackError
from harness.stack.flink.answers import (
    Checkpoints,
    Errors,
    Exceptions,
    JobDetails,
    Jobs,
    Overview,
    Savepoint,
    Submitted,
    TaskManagers,
    Trigger,
    Upload,
)
from harness.stack.flink.watermarks import lowest_watermark
from harness.waiting import NotYet, wait_for
from harness.web import Refused, get_json, patch_json, post_file, post_json

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_CALL_S = 3.0
_UPLOAD_S = 30.0
_SUBMIT_S = 60.0
_NO_LEADER = 503
ENDED = frozenset({"FAILED", "CANCELED", "FINISHED", "SUSPENDED"})
"""States that a job does not leave by itself."""


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A job at one instant: how many of its tasks run, and its checkpoints so far."""

    job_id: str
    state: str
    tasks_running: int
    tasks: int
    completed: int
    last_path: str

    @property
    def whole(self) -> bool:
        """Whether every task runs."""
        return self.tasks > 0 and self.tasks_running == self.tasks


class FlinkRest:
    """The cluster behind one or more JobManagers; the first that answers is asked.

    Args:
        urls: ``http://host:port`` of every JobManager.
        pages: the Prometheus page of every TaskManager, by node; one that moves has another one then.
        clock: waits go by it.
    """

    def __init__(
        self, urls: Sequence[str], pages: Mapping[str, str] | None = None, clock: Clock = MONOTONIC
    ) -> None:
        self.urls, self.clock = tuple(urls), clock
        self.pages: Mapping[str, str] = pages or {}

    def wait_task_managers(self, wanted: int, seconds: float) -> str:
        """Return when *wanted* TaskManagers are registered."""

        def observe() -> str:
            found = self._get("/overview", Overview).taskmanagers
            if found < wanted:
                raise NotYet(f"{found} of {wanted} TaskManagers registered")
            return f"{found} TaskManagers registered"

        return self.wait(observe, "the TaskManagers to register", seconds)

    def wait_registered(self, name: str, seconds: float) -> str:
        """Return when the TaskManager with resource id *name* is registered."""

        def observe() -> str:
            found = [one.id for one in self._get("/taskmanagers", TaskManagers).taskmanagers]
            if name not in found:
                raise NotYet(f"registered: {', '.join(sorted(found)) or 'none'}")
            return f"{name} is registered"

        return self.wait(observe, f"{name} to register", seconds)

    def upload(self, jar: Path) -> str:
        """Hand *jar* over; returns the id that ``run`` wants."""
        answer = self._ask(lambda url: post_file(f"{url}/jars/upload", _UPLOAD_S, "jarfile", jar), Upload)
        return answer.filename.rpartition("/")[2]

    def run(
        self, jar_id: str, main: str, arguments: Sequence[str], *, parallelism: int, restore: str = ""
    ) -> str:
        """Start the job in an uploaded jar; returns the job's id.

        Raises:
            BadInput: the job's own program refuses, with its words.
            StackError: no JobManager answers, or none leads at the moment.
        """
        body: dict[str, JsonValue] = {
            "entryClass": main,
            "programArgsList": list(arguments),
            "parallelism": parallelism,
        }
        if restore:
            body |= {"savepointPath": restore}
        try:
            path = f"/jars/{jar_id}/run"
            return self._ask(lambda url: post_json(url + path, _SUBMIT_S, body), Submitted).jobid
        except Refused as error:
            if error.status == _NO_LEADER:
                raise
            fix = "check job.jar, job.main and the job's settings"
            raise BadInput("Flink refuses the job", why=innermost(_trace(error.said)), fix=fix) from error

    def jobs(self) -> tuple[tuple[str, str], ...]:
        """Every job that the cluster knows: id and state."""
        return tuple((one.id, one.status) for one in self._get("/jobs", Jobs).jobs)

    def job(self, job_id: str) -> JobSeen:
        """A job as it is now."""
        found = self._get(f"/jobs/{job_id}", JobDetails)
        checkpoints = self._get(f"/jobs/{job_id}/checkpoints", Checkpoints)
        last = checkpoints.latest.completed if checkpoints.latest else None
        return JobSeen(
            job_id=job_id,
            state=found.state,
            tasks_running=sum(one.tasks.get("RUNNING", 0) for one in found.vertices),
            tasks=sum(one.parallelism for one in found.vertices),
            completed=checkpoints.counts.completed,
            last_path=last.external_path if last else "",
        )

    def root_cause(self, job_id: str) -> str:
        """Why the job failed, in Flink's words: the innermost cause."""
        return innermost(self._get(f"/jobs/{job_id}/exceptions", Exceptions).root_exception or "")

    def lowest_watermark(self, job_id: str) -> int | None:
        """The lowest input watermark, ms, of every task behind the sources; None while one has none."""
        vertices = self._get(f"/jobs/{job_id}", JobDetails).vertices
        behind = sum(one.parallelism for one in vertices if not one.name.startswith("Source: "))
        return lowest_watermark(tuple(self.pages.values()), job_id, behind)

    def stop_with_savepoint(self, job_id: str, folder: str, seconds: float) -> str:
        """Stop the job behind a savepoint in *folder*; returns the savepoint's address."""
        body: dict[str, JsonValue] = {"targetDirectory": folder, "drain": False}
        stop = f"/jobs/{job_id}/stop"
        trigger = self._ask(lambda url: post_json(url + stop, _CALL_S, body), Trigger).request_id

        def observe() -> str:
            told = self._get(f"/jobs/{job_id}/savepoints/{trigger}", Savepoint)
            if told.status.id != "COMPLETED" or told.operation is None:
                raise NotYet("the savepoint is in progress")
            if not told.operation.location:
                failure = told.operation.failure
                raise _Failed("the savepoint failed", why=innermost(failure.stack_trace if failure else ""))
            return told.operation.location

        return self.wait(observe, "a savepoint", seconds)

    def cancel(self, job_id: str, seconds: float) -> None:
        """Cancel the job without a savepoint, and wait until it has ended."""
        path = f"/jobs/{job_id}"
        self._ask(lambda url: patch_json(f"{url}{path}?mode=cancel", _CALL_S), _Nothing)

        def observe() -> None:
            if (state := self._get(path, JobDetails).state) not in ENDED:
                raise NotYet(f"it is {state}")

        self.wait(observe, f"job {job_id} to end", seconds)

    def wait(self, observe: Callable[[], T], what: str, seconds: float) -> T:
        """``wait_for`` with a cluster that may not answer for a while; what ended for good ends the wait."""

        def once() -> T:
            try:
                return observe()
            except (Ended, _Failed):
                raise
            except StackError as error:
                raise NotYet(error.sentence()) from error

        fix = "see logs/jobmanager-*.log"
        return wait_for(once, what=what, seconds=seconds, every=0.1, fix=fix, clock=self.clock)

    def _get(self, path: str, shape: type[M]) -> M:
        return self._ask(lambda url: get_json(url + path, _CALL_S), shape)

    def _ask(self, call: Callable[[str], JsonValue], shape: type[M]) -> M:
        answer = self._json(call)
        try:
            return shape.model_validate(answer)
        except ValidationError as error:
            why = f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}"
            raise StackError("Flink answers something else than it documents", why=why) from error

    def _json(self, call: Callable[[str], JsonValue]) -> JsonValue:
        """The answer of the first JobManager that gives one; of a refusal, the refusal."""
        silent: list[str] = []
        for url in self.urls:
            try:
                return call(url)
            except Refused:
                raise
            except StackError as error:
                silent.append(error.why or error.what)
        raise StackError("no JobManager answers", why="; ".join(silent), fix="see logs/jobmanager-*.log")


class Ended(StackError):
    """The job has ended for good."""


class _Failed(StackError):
    """What was asked for failed; asking again is of no use."""


class _Nothing(BaseModel):
    """An answer that says nothing."""


def innermost(trace: str) -> str:
    """The innermost cause that a Java stack trace names, else its first line."""
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or lines or [""])[-1 if causes else 0]


def _trace(said: str) -> str:
    """The last of the errors that an answer with a bad status tells: the trace, behind a title."""
    try:
        return ([said, *Errors.model_validate_json(said).errors])[-1]
    except ValidationError:
        return said
