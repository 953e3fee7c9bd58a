"""Locust in pods: ``python -m harness.load.pod worker`` or ``master``; see ``harness.load.parcels``.

Master and workers are Locust's own, in its distributed mode: the master spawns users on workers, passes
orders on and sums up what they report. A worker joins only once it has its plan. So one that is started again
in the middle of a load stays out of it, and Locust moves no users.

A worker keeps its ledger in its own file system and hands it out as it grows. It sends nothing that is not
announced at home, and stops when nobody asked for its ledger for a while: whoever drives the load is gone.
"""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from locust.exception import StopUser

from harness.clock import MONOTONIC, NANOS_PER_SECOND
from harness.errors import HarnessError
from harness.load.parcels import LOCUST_PORT, Asked, Crew, Label, MasterSays, Task, packed
from harness.load.status import read, status_path
from harness.load.users import ProducerUser, Worker, locust_environment, obey
from harness.stack.seams import LOAD_PORT

_MOST_BYTES = 4_000_000
"""So much of one file goes into one parcel."""

_ABANDONED_S = 30.0
_ASKED_EVERY_S = 1.0
_ORDER = "edge-order"

Answer = Callable[[bytes], bytes]


class PodWorker:
    """A worker and its conductor: orders come from the Locust master, the ledger goes home."""

    def __init__(self) -> None:
        self._home = Path()
        self._life = uuid.uuid4().hex
        self._task: Task | None = None
        self._worker: Worker | None = None
        self._failed = ""
        self._kept = 0
        self._more_kept = Event()
        self._asked_t = MONOTONIC.now()
        self._requests, self._failures = 0, 0

    def answers(self) -> dict[str, Answer]:
        """What it answers to."""
        return {"/plan": self.plan, "/order": self.order, "/pull": self.pull}

    def plan(self, body: bytes) -> bytes:
        """Take the plan and begin, once."""
        if self._task is not None:
            return b"has a plan"
        self._task = Task.model_validate_json(body)
        self._home = self._task.plan.ledger.parent
        for folder in (self._task.plan.ledger, self._task.plan.samples):
            folder.mkdir(parents=True, exist_ok=True)
        gevent.spawn(self._run, self._task)
        return b""

    def order(self, body: bytes) -> bytes:
        """Obey, as if the master had said it."""
        if self._worker is not None:
            obey(self._worker, body.decode())
        return b""

    def pull(self, body: bytes) -> bytes:
        """What the harness does not have yet."""
        kept = Asked.model_validate_json(body).kept
        self._asked_t = MONOTONIC.now()
        paths = self._paths()
        self._note_kept(kept)
        status = None if self._task is None else read(status_path(self._home, self._task.number))
        # The status first: what it speaks of is in the files that are read after it.
        pieces = {name: _from(path, kept.get(name, 0)) for name, path in paths.items()}
        whole = all(len(piece) < _MOST_BYTES for piece in pieces.values())
        label = Label(
            life=self._life,
            t=MONOTONIC.now(),
            status=status,
            files={name: len(piece) for name, piece in pieces.items()},
            whole=whole,
            failed=self._failed,
        )
        return packed(label, list(pieces.values()))

    def begin(self, worker: Worker) -> None:
        """Join the master, which has the users spawned."""
        assert self._task is not None
        worker.locust.events.request.add_listener(self._count)  # type: ignore[no-untyped-call]
        runner = worker.locust.create_worker_runner(self._task.master, self._task.port)
        runner.register_message(_ORDER, lambda msg, **_: obey(worker, msg.data["line"]))
        gevent.spawn(self._watch, worker)

    def wait_kept(self, written: int) -> None:
        """Return when the harness has so many bytes of the announcements.

        Raises:
            StopUser: the load is to stop; what is not announced at home is not sent.
        """
        while self._kept < written:
            self._more_kept.wait(_ASKED_EVERY_S)
            if self._worker is not None and self._worker.stopping.is_set():
                raise StopUser

    def counted(self, _worker: Worker) -> tuple[int, int]:
        """All so far: Locust's own statistics begin anew with every report to the master."""
        return self._requests, self._failures

    def end(self) -> None:
        """Nothing: the runner reports to the master until that says quit."""

    def _run(self, task: Task) -> None:
        try:
            self._worker = ProducerUser.worker = Worker(task.plan, task.number, self._home, self)
            self._worker.run()
        except HarnessError as error:
            self._failed = error.sentence()

    def _count(self, *, exception: BaseException | None, **_: object) -> None:
        self._requests += 1
        self._failures += exception is not None

    def _watch(self, worker: Worker) -> None:
        """Stop a load that nobody follows any more."""
        while not worker.stopping.wait(_ASKED_EVERY_S):
            if MONOTONIC.now() - self._asked_t > _ABANDONED_S * NANOS_PER_SECOND:
                logging.warning("nobody asked for the ledger for %g s: the load ends", _ABANDONED_S)
                worker.order_stop(0.0)

    def _paths(self) -> dict[str, Path]:
        if self._task is None:
            return {}
        plan = self._task.plan
        places = ((plan.ledger, "announced"), (plan.ledger, "attempts"), (plan.samples, "samples"))
        found = [folder / f"{table}-{plan.name}-{self._task.number}.arrow" for folder, table in places]
        return {path.name: path for path in found if path.exists()}

    def _note_kept(self, kept: Mapping[str, int]) -> None:
        self._kept = max((size for name, size in kept.items() if name.startswith("announced-")), default=0)
        self._more_kept.set()
        self._more_kept.clear()


class PodMaster:
    """The Locust master."""

    def __init__(self, port: int = LOCUST_PORT) -> None:
        self._life = uuid.uuid4().hex
        self._runner = locust_environment().create_master_runner("*", port)
        self._crew: Crew | None = None

    def answers(self) -> dict[str, Answer]:
        """What it answers to."""
        return {"/plan": self.plan, "/order": self.order, "/pull": self.pull, "/quit": self.quit}

    def plan(self, body: bytes) -> bytes:
        """Have the users spawned as soon as all workers have joined."""
        if self._crew is None:
            self._crew = Crew.model_validate_json(body)
            gevent.spawn(self._spawn, self._crew)
        return b""

    def order(self, body: bytes) -> bytes:
        """Pass an order on to all workers."""
        self._runner.send_message(_ORDER, {"line": body.decode()})
        return b""

    def pull(self, _body: bytes) -> bytes:
        """How many workers there are, and what they reported."""
        total = self._runner.stats.total
        says = MasterSays(
            life=self._life,
            workers=self._runner.worker_count,
            requests=total.num_requests,
            failures=total.num_failures,
        )
        return says.model_dump_json().encode()

    def quit(self, _body: bytes) -> bytes:
        """Have the workers report for the last time."""
        self._runner.quit()
        return b""

    def _spawn(self, crew: Crew) -> None:
        while len(self._runner.clients.ready) < crew.workers:
            gevent.sleep(0.05)
        self._runner.start(crew.users, spawn_rate=min(100, crew.users))


def _from(path: Path, offset: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(_MOST_BYTES)


def served(answers: Mapping[str, Answer], port: int) -> WSGIServer:
    """A server that gives *answers* by path, started."""

    def application(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        answer = answers.get(environ["PATH_INFO"])
        if answer is None or environ["REQUEST_METHOD"] != "POST":
            start("404 Not Found", [])
            return []
        body = answer(environ["wsgi.input"].read())
        start("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
        return [body]

    server = WSGIServer(("0.0.0.0", port), application, log=None)  # noqa: S104 - the pod's own network
    server.start()
    return server


def main(argv: list[str]) -> None:
    """Be what *argv* says until this process ends: ``worker [PORT]``, or ``master [PORT LOCUST_PORT]``."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    role, port, *more = *argv, *([str(LOAD_PORT)] if len(argv) == 1 else [])
    played = PodMaster(*map(int, more)) if role == "master" else PodWorker()
    served(played.answers(), int(port)).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
