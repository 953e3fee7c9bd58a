"""Drives a load whose Locust runs in pods, and brings its ledger home while it runs.

Each worker has a thread here that asks for what it has written and puts it where a local worker would have
written it itself: one stream per worker and table. A worker that dies takes with it what it had not handed
out; those attempts lie below its announcements, so they count as unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from harness.clock import MONOTONIC, NANOS_PER_SECOND, seconds_between, wall_at_zero_ms
from harness.errors import HarnessError, LoadError, StackError
from harness.load.engine import LoadProgress, LoadTotals, refuse_second_load, summed
from harness.load.parcels import LOCUST_PORT, Asked, Crew, Label, MasterSays, Task, unpacked
from harness.load.plan import LoadPlan
from harness.load.status import State, WorkerStatus
from harness.rundir import private, unwritable
from harness.stack.seams import LoadPods
from harness.waiting import NotYet, wait_for

_IN_POD = Path("/var/lib/edge/load")
_READY_S, _SENDING_S, _ABORT_S, _STOP_SLACK_S = 45.0, 10.0, 3.5, 4.0
_EVERY_S = 0.25
_ASKED_S = 2.0
_SILENT_S = 10.0
_AGREED_S = 5.0
_CLOCKS_S = 1.0
_RESERVE_S = 10.0
"""A producer sends only what is announced here, which takes a round trip: so it announces far ahead."""


class DistantWorker:
    """One worker in a pod, and the copy of its ledger here."""

    def __init__(self, pods: LoadPods, number: int, plan: LoadPlan) -> None:
        self.number, self.pod = number, pods.workers[number]
        self.status: WorkerStatus | None = None
        self.lost = ""
        self.complete = False
        self._pods, self._plan = pods, plan
        self._kept: dict[str, int] = {}
        self._life = ""
        self._silent_t = 0

    def tell(self, path: str, body: bytes) -> None:
        """Ask for something whose answer says nothing.

        Raises:
            StackError: no answer.
        """
        self._pods.ask(self.pod, path, body, _ASKED_S)

    def pull(self) -> None:
        """Bring home what is there by now; take note when it is lost."""
        if self.lost or self.complete:
            return
        asked = MONOTONIC.now()
        try:
            body = Asked(kept=self._kept).model_dump_json().encode()
            self._take(self._pods.ask(self.pod, "/pull", body, _ASKED_S), asked)
            self._silent_t = 0
        except StackError as error:
            # From the first question without an answer on: a harness that did not ask proves no silence.
            self._silent_t = self._silent_t or asked
            silent = seconds_between(self._silent_t, MONOTONIC.now())
            self.lost = f"no answer for {silent:.0f} s: {error.sentence()}" if silent > _SILENT_S else ""
        except HarnessError as error:
            self.lost = error.sentence()

    def _take(self, parcel: bytes, asked: int) -> None:
        label, pieces = unpacked(parcel)
        self._judge(label, asked, MONOTONIC.now())
        if not self.lost:
            for name, piece in pieces.items():
                self._append(name, piece)
            self.status = label.status
            self.complete = label.whole and label.status is not None and label.status.state == "ended"

    def _judge(self, label: Label, asked: int, now: int) -> None:
        apart = max(seconds_between(label.t, asked), seconds_between(now, label.t))
        if self._life and label.life != self._life:
            self.lost = "its process died and was started again"
        elif label.failed:
            self.lost = label.failed
        elif apart > _CLOCKS_S:
            self.lost = f"its monotonic clock is {apart:,.0f} s from ours, so its times cannot be compared"
        self._life = self._life or label.life

    def _append(self, name: str, piece: bytes) -> None:
        folder = self._plan.samples if name.startswith("samples-") else self._plan.ledger
        path = folder / name
        try:
            with open(path, "ab", opener=private) as file:
                file.write(piece)
        except OSError as error:
            raise unwritable(path, error) from error
        self._kept[name] = self._kept.get(name, 0) + len(piece)


class Fleet:
    """One load in pods, from start to its totals; see ``harness.load.engine.Engine``.

    Args:
        plan: what to do; its ``processes`` are as many as there are workers.
        pods: where, and how they are asked.
        inside: where workers keep their ledger until it is here.
    """

    def __init__(self, plan: LoadPlan, pods: LoadPods, *, inside: Path = _IN_POD) -> None:
        zero = plan.wall_at_zero_ms or wall_at_zero_ms()
        self._plan = plan.model_copy(update={"wall_at_zero_ms": zero, "reserve_seconds": _RESERVE_S})
        self._pods, self._inside = pods, inside
        self._workers = [DistantWorker(pods, number, plan) for number in range(plan.processes)]
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._start_t = 0
        self._ended: LoadTotals | None = None

    def start(self) -> None:
        """Return when every producer is sending.

        Raises:
            LoadError: a worker did not come up; says which and why.
        """
        refuse_second_load(self._plan)
        try:
            self._hand_out()
            self._follow()
            self._wait_until_all("ready", _READY_S)
            self._start_t = MONOTONIC.now() + int(self._plan.start_delay * NANOS_PER_SECOND)
            self._order(f"start {self._start_t}")
            self._wait_until_all("sending", _SENDING_S + self._plan.start_delay)
        except BaseException:
            self.abort()
            raise

    def stop(self, *, drain_seconds: float) -> LoadTotals:
        """Stop sending, give open attempts *drain_seconds* for their outcome, bring the ledger home whole."""
        return self._finish(drain_seconds, drain_seconds + _STOP_SLACK_S)

    def abort(self) -> LoadTotals:
        """End the load within a few seconds, whether or not anybody answers."""
        return self._finish(0.0, _ABORT_S)

    def progress(self) -> LoadProgress:
        """The records so far, as far as the workers' states are known here."""
        return summed(worker.status for worker in self._workers)

    def trouble(self) -> str:
        """Which worker is lost or has ended by itself, and why; empty while all run."""
        return "; ".join(filter(None, map(_trouble, self._workers)))

    def _hand_out(self) -> None:
        folders = {"ledger": self._inside / "ledger", "samples": self._inside / "samples"}
        inside = self._plan.model_copy(update=folders)
        host, _, port = self._pods.reached_at.partition(":")
        crew = Crew(workers=len(self._workers), users=self._plan.producers)
        try:
            self._ask_master("/plan", crew.model_dump_json().encode())
            for worker in self._workers:
                task = Task(plan=inside, number=worker.number, master=host, port=int(port or LOCUST_PORT))
                worker.tell("/plan", task.model_dump_json().encode())
        except StackError as error:
            raise LoadError("the load's pods do not take their plan", why=error.sentence()) from error

    def _follow(self) -> None:
        for worker in self._workers:
            name = f"load-{worker.number}"
            thread = threading.Thread(target=self._keep_pulling, args=(worker,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _keep_pulling(self, worker: DistantWorker) -> None:
        while not self._over.wait(_EVERY_S):
            worker.pull()

    def _order(self, line: str) -> None:
        """Give an order by the master, or to each worker when there is no master any more."""
        try:
            self._ask_master("/order", line.encode())
        except StackError:
            for worker in self._workers:
                _quietly(lambda worker=worker: worker.tell("/order", line.encode()))  # type: ignore[misc]

    def _ask_master(self, path: str, body: bytes) -> bytes:
        return self._pods.ask(self._pods.master, path, body, _ASKED_S)

    def _wait_until_all(self, state: State, seconds: float) -> None:
        def observe() -> None:
            if trouble := self.trouble():
                raise LoadError("the load in pods did not start", why=trouble)
            for worker in self._workers:
                seen = worker.status.state if worker.status else "booting"
                if seen != state:
                    raise NotYet(f"worker {worker.number} is {seen}")

        try:
            wait_for(observe, what=f"every load worker {state}", seconds=seconds)
        except StackError as error:
            raise LoadError(error.what, why=error.why) from error

    def _finish(self, drain_seconds: float, patience: float) -> LoadTotals:
        if self._ended is None:
            self._ended = self._end(drain_seconds, patience)
        return self._ended

    def _end(self, drain_seconds: float, patience: float) -> LoadTotals:
        self._order(f"stop {drain_seconds}")
        _quietly(lambda: wait_for(self._all_home, what="the ledger", seconds=patience))
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _ASKED_S)
        problems = [problem for worker in self._workers if (problem := _end_of(worker))]
        says = self._last_words(problems)
        return self._totals(says, problems)

    def _all_home(self) -> None:
        missing = [worker.number for worker in self._workers if not (worker.lost or worker.complete)]
        if missing:
            raise NotYet(f"workers {missing} have more")

    def _last_words(self, problems: list[str]) -> MasterSays:
        """What Locust's master counted, once it counted what the workers did; then they may go."""
        expected = sum(worker.status.requests for worker in self._workers if worker.status)

        def observe() -> MasterSays:
            says = MasterSays.model_validate_json(self._ask_master("/pull", b"{}"))
            if says.requests < expected and not problems:
                raise NotYet(f"it knows of {says.requests} of {expected} requests")
            return says

        try:
            says = wait_for(observe, what="Locust's master to hear of all", seconds=_AGREED_S)
            self._ask_master("/quit", b"")
        except (StackError, ValidationError) as error:
            problems.append(f"the load's master was lost: {error}")
            return MasterSays(life="")
        return says

    def _totals(self, says: MasterSays, problems: list[str]) -> LoadTotals:
        states = [worker.status for worker in self._workers if worker.status]
        counted = self.progress()
        return LoadTotals(
            first_t=self._start_t,
            last_t=max((state.stopped_t for state in states), default=0) or MONOTONIC.now(),
            locust_requests=says.requests,
            locust_failures=says.failures,
            attempted=counted.attempted,
            ok=counted.ok,
            fail=counted.fail,
            unknown=counted.unknown,
            clean=not problems,
            detail="; ".join(problems),
        )


def _trouble(worker: DistantWorker) -> str:
    if worker.lost:
        return f"load worker {worker.number} ({worker.pod}) was lost: {worker.lost}"
    if worker.status is not None and (worker.status.state == "ended" or worker.status.detail):
        return (
            f"load worker {worker.number} ({worker.pod}) ended: {worker.status.detail or 'without an order'}"
        )
    return ""


def _end_of(worker: DistantWorker) -> str:
    """What was wrong with its end, or nothing."""
    if worker.complete and worker.status is not None and not worker.status.detail:
        return ""
    said = _trouble(worker)
    return (
        said
        or f"load worker {worker.number} ({worker.pod}) did not end in time; its ledger's tail is missing"
    )


def _quietly(ask: Callable[[], object]) -> None:
    """Whoever does not answer is judged by what is there in the end."""
    try:
        ask()
    except StackError:
        return
