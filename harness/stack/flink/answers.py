"""What Flink's REST interface answers, as far as the harness reads it; further keys are passed over.

Source: Flink 1.17 documentation, "REST API"; 1.20 answers the same.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Overview(_Told):
    """``/overview``."""

    taskmanagers: int


class TaskManager(_Told):
    """One of ``/taskmanagers``."""

    id: str


class TaskManagers(_Told):
    """``/taskmanagers``."""

    taskmanagers: tuple[TaskManager, ...]


class Upload(_Told):
    """``/jars/upload``."""

    filename: str


class Submitted(_Told):
    """``/jars/ID/run``."""

    jobid: str


class JobState(_Told):
    """One of ``/jobs``."""

    id: str
    status: str


class Jobs(_Told):
    """``/jobs``."""

    jobs: tuple[JobState, ...]


class Vertex(_Told):
    """One of a job's vertices; ``tasks`` counts its subtasks by state."""

    id: str
    name: str
    parallelism: int
    tasks: dict[str, int]


class JobDetails(_Told):
    """``/jobs/ID``."""

    state: str
    vertices: tuple[Vertex, ...]


class CheckpointCounts(_Told):
    """How many checkpoints there were."""

    completed: int = 0
    failed: int = 0


class Completed(_Told):
    """A completed checkpoint."""

    id: int
    trigger_timestamp: int
    external_path: str = ""


class Latest(_Told):
    """The newest checkpoints."""

    completed: Completed | None = None


class Checkpoints(_Told):
    """``/jobs/ID/checkpoints``."""

    counts: CheckpointCounts = CheckpointCounts()
    latest: Latest | None = None


class Exceptions(_Told):
    """``/jobs/ID/exceptions``."""

    root_exception: str | None = Field(default=None, alias="root-exception")


class Errors(_Told):
    """What comes with a bad status: a title, and the Java stack trace where there is one."""

    errors: tuple[str, ...]


class Trigger(_Told):
    """The answer to something that goes on in the background."""

    request_id: str = Field(alias="request-id")


class Failure(_Told):
    """Why a savepoint failed."""

    stack_trace: str = Field(default="", alias="stack-trace")


class Operation(_Told):
    """What came of a savepoint."""

    location: str = ""
    failure: Failure | None = Field(default=None, alias="failure-cause")


class Progress(_Told):
    """How far a savepoint is."""

    id: str


class Savepoint(_Told):
    """``/jobs/ID/savepoints/TRIGGER``."""

    status: Progress
    operation: Operation | None = None
