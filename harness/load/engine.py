"""Starts, follows and ends the Locust workers; never imports Locust.

A worker is its own interpreter, entered into the load's network by a prefix of its argv. Orders
go down its stdin, its state comes back as a small file (``harness.load.status``). Workers end
with the thread that started them (PR_SET_PDEATHSIG) and when their stdin closes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.clock import MONOTONIC, NANOS_PER_SECOND, wall_at_zero_ms, wall_label
from harness.errors import LoadError, StackError
from harness.load import status
from harness.load.plan import LoadPlan
from harness.load.status import WorkerStatus
from harness.model import LoadEnded
from harness.rundir import private, unwritable
from harness.waiting import NotYet, wait_for

_READY_SECONDS = 30.0
_SENDING_SECONDS = 10.0
_ABORT_SECONDS = 3.5
_STOP_SLACK_SECONDS = 4.0
_TAIL_LINES = 5

Enter = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """The load so far, in records; at most half a second old."""

    attempted: int
    ok: int
    fail: int
    unknown: int

    @property
    def waiting(self) -> int:
        """Records without an outcome."""
        return self.attempted - self.ok - self.fail - self.unknown


@dataclass(frozen=True, slots=True)
class LoadTotals:
    """What the workers counted in the end.

    ``first_t`` and ``last_t`` bound the intended instants that were due. Requests and failures
    are Locust's own, in batches: the ledger's distinct (producer, partition, t_intended, t_sent),
    and those of them with a row that is not ok. ``clean`` is False when a worker did not close
    its ledger; ``detail`` then says why, and the other numbers are a lower bound.
    """

    first_t: int
    last_t: int
    locust_requests: int
    locust_failures: int
    attempted: int
    ok: int
    fail: int
    unknown: int
    clean: bool
    detail: str

    def ended(self) -> LoadEnded:
        """The same as an event."""
        return LoadEnded(
            t=MONOTONIC.now(),
            wall=wall_label(),
            first_t=self.first_t,
            last_t=self.last_t,
            locust_requests=self.locust_requests,
            locust_failures=self.locust_failures,
            clean=self.clean,
            detail=self.detail,
        )


@dataclass(slots=True)
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    log: Path
    status: Path

    def order(self, line: str) -> None:
        """Send an order; one that has ended needs none."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            return

    def tail(self) -> str:
        """The last lines of its log, on one line, each once; what is no trouble is left out."""
        lines = (line.strip() for line in self.log.read_text(errors="replace").splitlines())
        telling = [*dict.fromkeys(line for line in lines if line and " INFO " not in line)]
        return " / ".join(telling[-_TAIL_LINES:])


class Engine(Protocol):
    """One load, wherever its workers run; see ``LoadEngine`` and ``harness.load.fleet``."""

    def start(self) -> None:
        """Return when every producer is sending."""
        ...

    def stop(self, *, drain_seconds: float) -> LoadTotals:
        """Stop sending, wait for outcomes, end the workers."""
        ...

    def abort(self) -> LoadTotals:
        """End the load within 5 s."""
        ...

    def progress(self) -> LoadProgress:
        """The records so far."""
        ...

    def trouble(self) -> str:
        """Which worker runs no more, and why; empty while all do."""
        ...


class LoadEngine:
    """One load, from start to its totals.

    Args:
        plan: what to do.
        enter: turns an argv into the one that runs it inside the load's network.
        folder: a folder of this load alone, for the plan and the workers' states.
        logs: where the workers' logs go, as ``NAME-WORKER.log``.
    """

    def __init__(self, plan: LoadPlan, *, enter: Enter, folder: Path, logs: Path) -> None:
        # All workers map instants to event time alike, and as the plan on disk says.
        zero = plan.wall_at_zero_ms or wall_at_zero_ms()
        self._plan = plan.model_copy(update={"wall_at_zero_ms": zero})
        self._enter = enter
        self._folder = folder
        self._logs = logs
        self._workers: list[_Worker] = []
        self._start_t = 0
        self._ended: LoadTotals | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers' process ids, by worker number."""
        return tuple(worker.process.pid for worker in self._workers)

    def start(self) -> None:
        """Return when every producer is sending.

        Call it from a thread that lives as long as the load: the workers die with it.

        Raises:
            LoadError: a worker did not come up; carries the end of its log. Nothing is left running.
        """
        try:
            self._spawn()
            self._wait_until_all("ready", _READY_SECONDS)
            self._start_t = MONOTONIC.now() + int(self._plan.start_delay * NANOS_PER_SECOND)
            for worker in self._workers:
                worker.order(f"start {self._start_t}")
            self._wait_until_all("sending", _SENDING_SECONDS + self._plan.start_delay)
        except BaseException:
            self._kill()
            self._ended = self._totals(["the load did not start"])
            raise

    def stop(self, *, drain_seconds: float) -> LoadTotals:
        """Stop sending, give open attempts *drain_seconds* for their outcome, and end the workers.

        What is open then counts as unknown. Returns within *drain_seconds* + 5 s in any case; a
        load that has ended already gives the same totals again.
        """
        return self._finish(drain_seconds, drain_seconds + _STOP_SLACK_SECONDS)

    def abort(self) -> LoadTotals:
        """End the load within 5 s, whether or not a broker answers."""
        return self._finish(0.0, _ABORT_SECONDS)

    def progress(self) -> LoadProgress:
        """The records so far, from the workers' state files."""
        return summed(status.read(worker.status) for worker in self._workers)

    def is_alive(self) -> bool:
        """Whether every worker runs."""
        return bool(self._workers) and not self.trouble()

    def trouble(self) -> str:
        """Which worker runs no more, and its last words; empty while all do."""
        ended = [worker for worker in self._workers if worker.process.poll() is not None]
        return "; ".join(f"load worker {each.number} ended: {each.tail() or 'no words'}" for each in ended)

    def _spawn(self) -> None:
        plan = self._folder / "plan.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(plan, "w", encoding="utf-8", opener=private) as file:
                file.write(self._plan.model_dump_json(indent=2))
        except OSError as error:
            raise unwritable(plan, error) from error
        refuse_second_load(self._plan)
        for number in range(self._plan.processes):
            self._workers.append(self._spawned(number, plan))

    def _spawned(self, number: int, plan: Path) -> _Worker:
        log = self._logs / f"{self._plan.name}-{number}.log"
        module = [sys.executable, "-m", "harness.load.users", str(plan), str(number), str(self._folder)]
        with open(log, "ab", opener=private) as output:
            process = subprocess.Popen(
                self._enter(module),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                bufsize=0,  # an order that the worker did not live to read must not come back at close()
                start_new_session=True,  # Ctrl-C is for the harness, which then stops the load in order
            )
        return _Worker(number, process, log, status.status_path(self._folder, number))

    def _wait_until_all(self, state: status.State, seconds: float) -> None:
        def observe() -> None:
            for worker in self._workers:
                self._expect(worker, state)

        try:
            wait_for(observe, what=f"every load worker {state}", seconds=seconds, every=0.02)
        except StackError as error:
            tails = "; ".join(worker.tail() for worker in self._workers)
            raise LoadError(error.what, why=f"{error.why}; log: {tails or 'empty'}") from error

    def _expect(self, worker: _Worker, state: status.State) -> None:
        if worker.process.poll() is not None:
            raise LoadError(
                f"load worker {worker.number} ended at once", why=worker.tail(), fix=f"see {worker.log}"
            )
        seen = status.read(worker.status)
        if seen is None or (seen.state != state):
            raise NotYet(f"worker {worker.number} is {seen.state if seen else 'booting'}")

    def _finish(self, drain_seconds: float, patience: float) -> LoadTotals:
        if self._ended is None:
            self._ended = self._end(drain_seconds, patience)
        return self._ended

    def _end(self, drain_seconds: float, patience: float) -> LoadTotals:
        for worker in self._workers:
            worker.order(f"stop {drain_seconds}")
        deadline = MONOTONIC.now() + int(patience * NANOS_PER_SECOND)
        problems = [problem for worker in self._workers if (problem := _ended(worker, deadline))]
        self._kill()
        return self._totals(problems)

    def _totals(self, problems: list[str]) -> LoadTotals:
        states = [status.read(worker.status) for worker in self._workers]
        found = [state for state in states if state is not None]
        counted = self.progress()
        return LoadTotals(
            first_t=self._start_t,
            last_t=max((state.stopped_t for state in found), default=0) or MONOTONIC.now(),
            locust_requests=sum(state.requests for state in found),
            locust_failures=sum(state.failures for state in found),
            attempted=counted.attempted,
            ok=counted.ok,
            fail=counted.fail,
            unknown=counted.unknown,
            clean=not problems,
            detail="; ".join(problems),
        )

    def _kill(self) -> None:
        """Leave no worker behind."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.wait()
            if worker.process.stdin is not None:
                worker.process.stdin.close()


def summed(states: Iterable[WorkerStatus | None]) -> LoadProgress:
    """What workers that have something to say add up to."""
    found = [state for state in states if state is not None]
    return LoadProgress(
        attempted=sum(state.attempted for state in found),
        ok=sum(state.ok for state in found),
        fail=sum(state.fail for state in found),
        unknown=sum(state.unknown for state in found),
    )


def refuse_second_load(plan: LoadPlan) -> None:
    """A second load of the same name would overwrite the first one's ledger.

    Raises:
        LoadError: there was one.
    """
    for stream in plan.ledger.glob(f"attempts-{plan.name}-*.arrow"):
        raise LoadError(f"{stream} exists", why="a load of this name ran already", fix="name it anew")


def _ended(worker: _Worker, deadline: int) -> str:
    """Wait for *worker* to end; returns what was wrong with its end, or nothing."""
    name = f"load worker {worker.number}"
    try:
        code = worker.process.wait(max(0.0, (deadline - MONOTONIC.now()) / NANOS_PER_SECOND))
    except subprocess.TimeoutExpired:
        return f"{name} did not end in time and was killed"
    state: WorkerStatus | None = status.read(worker.status)
    if code == 0 and state is not None and state.state == "ended":
        return ""
    if code < 0:
        return f"{name} was killed by signal {-code}"
    reason = (state.detail if state is not None else "") or worker.tail()
    return f"{name} ended with exit code {code}: {reason or 'its log is empty'}"


def _environment() -> dict[str, str]:
    """The worker's environment: it must find the package that this module belongs to."""
    package = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{known}" if known else package}
