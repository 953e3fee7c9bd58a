"""What the tasks of Flink's jobs say of themselves, on the Prometheus page of the process they run in.

Flink's REST interface tells the same numbers, but as its JobManager collected them last, and after the death
of a TaskManager 1.17 may never collect them again: they stood still for minutes under a job that ran.
A page is the process's own word of this instant, and a process that is dead has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from harness.errors import StackError
from harness.prometheus import Measured, parse
from harness.stack.seams import Node
from harness.web import get_text

_SCOPE = "flink_taskmanager_job_task_"
_OF_OPERATORS = f"{_SCOPE}operator_"


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """One of the parallel tasks of a job's vertex; ``vertex`` is the id that REST knows it by."""

    job: str
    vertex: str
    subtask: int


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """What one attempt of a task says; after a failure the task begins anew as its next attempt."""

    attempt: int
    value: float


class LivePages(Mapping[str, str]):
    """The page of each TaskManager *names*, on *port* of the address that its node has at the moment."""

    def __init__(self, names: Sequence[str], nodes: Mapping[str, Node], port: int) -> None:
        self._names, self._nodes, self._port = tuple(names), nodes, port

    def __getitem__(self, name: str) -> str:
        return page(self._nodes[name].address, self._port)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def page(address: str, port: int) -> str:
    """Where the TaskManager at *address* tells of its tasks."""
    return f"http://{address}:{port}/metrics"


def read_pages(pages: Sequence[str], seconds: float) -> list[tuple[Measured, ...] | None]:
    """What stands on each of *pages* about tasks, in their order; None for one without an answer in time.

    All are asked at once: one that hangs makes nobody wait longer than *seconds*.
    """
    with ThreadPoolExecutor(max(1, len(pages))) as pool:
        return list(pool.map(partial(_read, seconds=seconds), pages))


def newest(lines: Iterable[Measured], metric: str) -> dict[Task, Told]:
    """What the newest attempt of each task says of *metric*, by Flink's own name for it."""
    found: dict[Task, Told] = {}
    for line in lines:
        if line.name == _SCOPE + metric:
            task = Task(line.labels["job_id"], line.labels["task_id"], int(line.labels["subtask_index"]))
            told = Told(int(line.labels["task_attempt_num"]), line.value)
            found[task] = max(found.get(task, told), told)
    return found


def _read(page: str, seconds: float) -> tuple[Measured, ...] | None:
    try:
        text = get_text(page, seconds)
    except StackError:
        return None
    # Most of a page is about operators, and taking a line apart costs more than looking at its beginning.
    return tuple(parse("\n".join(line for line in text.splitlines() if _is_of_a_task(line))))


def _is_of_a_task(line: str) -> bool:
    return line.startswith(_SCOPE) and not line.startswith(_OF_OPERATORS)
