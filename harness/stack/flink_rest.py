"""Flink's REST interface: jobs handed over, stopped with a savepoint, and judged by what they do.

A job's state says little: one whose TaskManager died stays RUNNING with no task for as long as
no slot is free. Whether a job runs is told here by its tasks and completed checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import requests

from harness.errors import BadInput, StackError
from harness.waiting import NotYet, wait_for

T = TypeVar("T")

_CALL_S = 3.0
_UPLOAD_S = 30.0
_SUBMIT_S = 60.0
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
    last_triggered_ms: int
    """When the newest completed checkpoint was triggered, on the JobManager's wall clock; 0: none."""
    last_path: str

    @property
    def whole(self) -> bool:
        """Whether every task runs."""
        return self.tasks > 0 and self.tasks_running == self.tasks


class FlinkRest:
    """The cluster behind one or more JobManagers; the first that answers is asked.

    Args:
        urls: ``http://host:port`` of every JobManager.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = tuple(urls)

    def wait_task_managers(self, wanted: int, seconds: float) -> str:
        """Return when *wanted* TaskManagers are registered."""

        def observe() -> str:
            found = int(self._get("/overview")["taskmanagers"])
            if found < wanted:
                raise NotYet(f"{found} of {wanted} TaskManagers registered")
            return f"{found} TaskManagers registered"

        return self._patiently(observe, "the TaskManagers to register", seconds)

    def wait_registered(self, name: str, seconds: float) -> str:
        """Return when the TaskManager with resource id *name* is registered."""

        def observe() -> str:
            found = [one["id"] for one in self._get("/taskmanagers")["taskmanagers"]]
            if name not in found:
                raise NotYet(f"registered: {', '.join(sorted(found)) or 'none'}")
            return f"{name} is registered"

        return self._patiently(observe, f"{name} to register", seconds)

    def upload(self, jar: Path) -> str:
        """Hand *jar* over; returns the id that ``run`` wants."""
        with jar.open("rb") as file:
            answer = self._call(
                "POST", "/jars/upload", seconds=_UPLOAD_S, files={"jarfile": (jar.name, file)}
            )
        return str(answer["filename"]).rpartition("/")[2]

    def run(
        self, jar_id: str, main: str, arguments: Sequence[str], *, parallelism: int, restore: str = ""
    ) -> str:
        """Start the job in an uploaded jar; returns the job's id.

        Raises:
            BadInput: the job's own program refuses, with its words.
        """
        body: dict[str, object] = {
            "entryClass": main,
            "programArgsList": list(arguments),
            "parallelism": parallelism,
        }
        if restore:
            body |= {"savepointPath": restore}
        return str(self._call("POST", f"/jars/{jar_id}/run", seconds=_SUBMIT_S, json=body)["jobid"])

    def jobs(self) -> tuple[tuple[str, str], ...]:
        """Every job that the cluster knows: id and state."""
        return tuple((str(one["id"]), str(one["status"])) for one in self._get("/jobs")["jobs"])

    def job(self, job_id: str) -> JobSeen:
        """A job as it is now."""
        found = self._get(f"/jobs/{job_id}")
        counts = [vertex["tasks"] for vertex in found["vertices"]]
        parallel = sum(int(vertex["parallelism"]) for vertex in found["vertices"])
        checkpoints = self._get(f"/jobs/{job_id}/checkpoints")
        last = (checkpoints.get("latest") or {}).get("completed") or {}
        return JobSeen(
            job_id=job_id,
            state=str(found["state"]),
            tasks_running=sum(int(one.get("RUNNING", 0)) for one in counts),
            tasks=parallel,
            completed=int((checkpoints.get("counts") or {}).get("completed", 0)),
            last_triggered_ms=int(last.get("trigger_timestamp", 0)),
            last_path=str(last.get("external_path", "")),
        )

    def root_cause(self, job_id: str) -> str:
        """Why the job failed, in Flink's words; the first line of the innermost cause."""
        told = str(self._get(f"/jobs/{job_id}/exceptions").get("root-exception") or "")
        causes = [line for line in told.splitlines() if line.startswith("Caused by:")]
        return (causes[-1].removeprefix("Caused by: ") if causes else (told.splitlines() or [""])[0]).strip()

    def lowest_watermark(self, job_id: str) -> int | None:
        """The lowest input watermark, ms, of every task behind the sources; None while one has none."""
        vertices = self._get(f"/jobs/{job_id}")["vertices"]
        told = [self._get(f"/jobs/{job_id}/vertices/{one['id']}/watermarks") for one in vertices]
        marks = [int(each["value"]) for vertex in told for each in vertex]
        known = [mark for mark in marks if mark > -(2**62)]
        return min(known) if known and len(known) == len(marks) else None

    def stop_with_savepoint(self, job_id: str, folder: str, seconds: float) -> str:
        """Stop the job behind a savepoint in *folder*; returns the savepoint's address."""
        body = {"targetDirectory": folder, "drain": False}
        trigger = self._call("POST", f"/jobs/{job_id}/stop", seconds=_CALL_S, json=body)["request-id"]

        def observe() -> str:
            told = self._get(f"/jobs/{job_id}/savepoints/{trigger}")
            if told["status"]["id"] != "COMPLETED":
                raise NotYet("the savepoint is in progress")
            operation = told["operation"]
            if "location" not in operation:
                raise StackError(
                    "the savepoint failed", why=_cause(operation.get("failure-cause")), fix="see logs/"
                )
            return str(operation["location"])

        return self._patiently(observe, "a savepoint", seconds)

    def cancel(self, job_id: str, seconds: float) -> None:
        """Cancel the job without a savepoint, and wait until it has ended."""
        self._call("PATCH", f"/jobs/{job_id}?mode=cancel", seconds=_CALL_S)

        def observe() -> None:
            if (state := str(self._get(f"/jobs/{job_id}")["state"])) not in ENDED:
                raise NotYet(f"it is {state}")

        self._patiently(observe, f"job {job_id} to end", seconds)

    def wait(self, observe: Callable[[], T], what: str, seconds: float) -> T:
        """``wait_for`` with a cluster that may not answer for a while."""
        return self._patiently(observe, what, seconds)

    def _patiently(self, observe: Callable[[], T], what: str, seconds: float) -> T:
        return wait_for(
            observe, what=what, seconds=seconds, every=0.1, retry_on=(Unanswered,), fix="see logs/jobmanager-*"
        )

    def _get(self, path: str) -> "Answer":
        return self._call("GET", path, seconds=_CALL_S)

    def _call(self, method: str, path: str, *, seconds: float, **content: object) -> "Answer":
        refusals = []
        for url in self.urls:
            try:
                return _answer(requests.request(method, url + path, timeout=seconds, **content), path)  # type: ignore[arg-type]
            except requests.RequestException as error:
                refusals.append(f"{url}: {type(error).__name__}")
        raise Unanswered("no JobManager answers", why="; ".join(refusals), fix="see logs/jobmanager-*.log")


class Unanswered(StackError):
    """No JobManager answered, or the one that did knows no such thing (yet)."""


class Answer(dict):  # type: ignore[type-arg] # what Flink's REST sends: its documented JSON, read key by key here only
    """One answer."""


def _answer(response: requests.Response, path: str) -> Answer:
    if response.ok:
        return Answer(response.json() if response.content else {})
    words = _errors(response)
    if response.status_code in {400, 500} and path.endswith("/run"):
        raise BadInput("Flink refuses the job", why=words, fix="check job.jar, job.main and the job's settings")
    raise Unanswered(f"Flink answers {response.status_code} to {path}", why=words)


def _errors(response: requests.Response) -> str:
    try:
        told: Iterable[str] = response.json()["errors"]
    except (ValueError, KeyError, TypeError):
        told = [response.text[:200]]
    return _innermost("\n".join(map(str, told)))


def _innermost(text: str) -> str:
    """The innermost cause that a Java stack trace names, else its first line."""
    causes = [line.strip() for line in text.splitlines() if line.strip().startswith("Caused by:")]
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return causes[-1].removeprefix("Caused by: ") if causes else first


def _cause(told: object) -> str:
    return _innermost(str(told.get("stack-trace", ""))) if isinstance(told, dict) else "unknown"
