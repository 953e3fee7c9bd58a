"""The worker process: Locust users that are Kafka producers.

Importing Locust patches sockets and threads of the whole interpreter, so this module runs as
``python -m harness.load.users PLAN WORKER FOLDER`` and is imported by ``harness.load.pod`` alone, a
program of its own too. As a program it is a complete, headless Locust with a local runner: no master
and no port, so it works in a network that has nothing but the cluster, and one killed worker harms no
other. In pods the same worker has another conductor.

It takes orders as lines on stdin: ``start T`` (the first intended instant) and ``stop S``
(end within S seconds of draining); the end of stdin or SIGTERM is an order to stop as well.
One Locust request is one batch: failed when any record of it is not *ok*.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import gevent
import gevent.monkey
import locust
from gevent.event import Event
from gevent.fileobject import FileObjectPosix
from locust.env import Environment
from locust.exception import StopUser

from harness.clock import MONOTONIC, NANOS_PER_SECOND
from harness.errors import HarnessError
from harness.load.books import FLUSH_SECONDS, Books, kept_here
from harness.load.lineage import Lineage
from harness.load.plan import LoadPlan, Slot, slots
from harness.load.session import Session, check_topic
from harness.load.tally import Closed
from harness.stack.namespaces.syscalls import die_with_parent

_POLL_SECONDS = 0.001
_PRECISE_SECONDS = 0.0012
_sleep_precisely = gevent.monkey.get_original("time", "sleep")
"""gevent's timers wake up to a millisecond late; the last one is slept through by the thread itself,
which costs no processor and lets the client's own threads go on."""

_SIGTERM_DRAIN_SECONDS = 2.0
_PURGE_SECONDS = 1.0
_TOPIC_SECONDS = 10.0


class BatchNotAcknowledged(Exception):
    """What Locust lists as the failure of a batch."""


class Conductor(Protocol):
    """Who has Locust spawn a worker's users and passes orders on to the worker."""

    def begin(self, worker: Worker) -> None:
        """Have the users spawned; from now on orders may come."""
        ...

    def wait_kept(self, written: int) -> None:
        """Return when so many bytes of the announcements are safe."""
        ...

    def counted(self, worker: Worker) -> tuple[int, int]:
        """How many requests and failures Locust had so far."""
        ...

    def end(self) -> None:
        """No user produces any more."""
        ...


class Worker:
    """All producers of this process, and the orders they follow."""

    def __init__(self, plan: LoadPlan, number: int, folder: Path, conductor: Conductor) -> None:
        self.plan = plan
        self.books = Books(plan, number, folder, MONOTONIC, conductor.wait_kept)
        self.number = number
        self._conductor = conductor
        self.users = iter(plan.users_of(number))
        self.start_t = 0
        self.stopping = Event()
        self.ordered = Event()
        self.spawned = Event()
        self._waiting = 0
        self.stopped_t = 0
        self._drain_seconds = 0.0
        self._failure = ""
        self._producers = {user: self._lineage(user) for user in plan.users_of(number)}
        self.locust = locust_environment()
        self.locust.events.user_error.add_listener(self._user_failed)  # type: ignore[no-untyped-call]

    def run(self) -> int:
        """Follow the orders to the end; returns the exit code."""
        check_topic(self.plan, _TOPIC_SECONDS)
        gevent.signal_handler(signal.SIGTERM, self.order_stop, _SIGTERM_DRAIN_SECONDS)
        self._conductor.begin(self)
        self.spawned.wait()
        gc.freeze()  # what was imported never dies: the collector need not visit it in the load
        self.books.say("ready")
        self.ordered.wait()
        self._send()
        self._conductor.end()
        self._drain()
        self._end()
        return 1 if self._failure else 0

    def produce(self, user: int) -> None:
        """Drive producer *user* from the order to start until the order to stop."""
        self._waiting += 1
        if self._waiting == len(self._producers):
            self.spawned.set()
        self.ordered.wait()
        producing = self._produce_closed if self.plan.saturating else self._produce_open
        self._keep(partial(producing, user))

    def order_start(self, instant: int) -> None:
        """Let the first batch be due at *instant*."""
        self.start_t = instant
        self.ordered.set()

    def order_stop(self, drain_seconds: float) -> None:
        """Stop sending now, and wait *drain_seconds* at the most for outcomes."""
        if not self.stopping.is_set():
            self._drain_seconds = drain_seconds
            self.stopped_t = MONOTONIC.now()
        self.stopping.set()
        self.ordered.set()

    def _send(self) -> None:
        """Let the users produce until the order to stop."""
        housekeeping = gevent.spawn(self._keep, self._keep_books)
        polling = gevent.spawn(self._keep, self._keep_polling)
        for greenlet in (housekeeping, polling):
            greenlet.link_exception(self._greenlet_failed)
        self.stopping.wait()
        gevent.killall([housekeeping, polling])

    def _produce_open(self, user: int) -> None:
        for slot in slots(self.plan, user, self.start_t):
            while (ahead := self._seconds_until(slot.t_intended) - _PRECISE_SECONDS) > 0:
                if self.stopping.wait(ahead):
                    return
            if self.stopping.is_set():
                return
            _sleep_precisely(max(0.0, self._seconds_until(slot.t_intended)))
            self._attempt(user, slot)
            gevent.sleep(0)  # a user that has to catch up must not starve the poller

    @staticmethod
    def _seconds_until(instant: int) -> float:
        return (instant - MONOTONIC.now()) / NANOS_PER_SECOND

    def _produce_closed(self, user: int) -> None:
        """Send whenever there is room; such a batch is intended when it is sent."""
        partition = user
        gevent.sleep(max(0, self.start_t - MONOTONIC.now()) / NANOS_PER_SECOND)
        while not self.stopping.is_set():
            if self._producers[user].open_records >= self.plan.in_flight:
                gevent.sleep(_POLL_SECONDS)
                continue
            partition = (partition + 1) % self.plan.partitions
            self._attempt(user, Slot(MONOTONIC.now(), partition))
            gevent.sleep(0)

    def _attempt(self, user: int, slot: Slot) -> None:
        before = MONOTONIC.now()
        self._fire(self._producers[user].attempt(slot))
        self.books.sent(before - slot.t_intended)

    def _lineage(self, user: int) -> Lineage:
        return Lineage(lambda life: self._session(self.plan.producer_number(user, life)))

    def _session(self, producer: int) -> Session:
        return Session(
            self.plan,
            producer,
            attempts=self.books.attempts,
            announced=self.books.announced,
            counts=self.books.counts,
            clock=MONOTONIC,
        )

    def _poll(self) -> None:
        for producer in self._producers.values():
            self._fire(producer.poll())

    def _keep(self, on: Callable[[], None]) -> None:
        """Keep *on* doing; what it cannot do is one sentence, where gevent and Locust print a traceback."""
        try:
            on()
        except HarnessError as error:
            print(error.sentence(), file=sys.stderr)  # noqa: T201 - the engine shows this line
            self._fail(error)

    def _keep_polling(self) -> None:
        while True:
            self._poll()
            gevent.sleep(_POLL_SECONDS)

    def _keep_books(self) -> None:
        gevent.sleep(max(0, self.start_t - MONOTONIC.now()) / NANOS_PER_SECOND)
        while True:
            for producer in self._producers.values():
                producer.top_up()
            self._count_locust()
            self.books.keep_up("sending")
            gevent.sleep(FLUSH_SECONDS)

    def _open(self) -> int:
        return sum(producer.open_records for producer in self._producers.values())

    def _drain(self) -> None:
        """Wait for outcomes, then make the clients give up, then stop asking."""
        self._poll_until_settled(self._drain_seconds)
        if self._open():
            for producer in self._producers.values():
                producer.purge()
            self._poll_until_settled(_PURGE_SECONDS)
        for producer in self._producers.values():
            self._fire(producer.abandon("no outcome when the load ended"))

    def _poll_until_settled(self, seconds: float) -> None:
        deadline = MONOTONIC.now() + int(seconds * NANOS_PER_SECOND)
        told = 0
        while self._open() and MONOTONIC.now() < deadline:
            self._poll()
            gevent.sleep(_POLL_SECONDS)
            if MONOTONIC.now() - told > FLUSH_SECONDS * NANOS_PER_SECOND:
                self._count_locust()
                self.books.keep_up("stopping")
                told = MONOTONIC.now()

    def _end(self) -> None:
        self._count_locust()
        self.books.close()
        self.books.say("ended", stopped_t=self.stopped_t, detail=self._failure)

    def _count_locust(self) -> None:
        self.books.requests, self.books.failures = self._conductor.counted(self)

    def _fire(self, closed: list[Closed]) -> None:
        for batch in closed:
            self.locust.events.request.fire(  # type: ignore[no-untyped-call]
                request_type="produce",
                name=self.plan.topic,
                response_time=(batch.t_done - batch.t_intended) / 1e6,
                response_length=batch.bytes,
                exception=BatchNotAcknowledged(batch.error) if batch.error else None,
                context={},
            )

    def _user_failed(self, exception: Exception, **_: object) -> None:
        self._fail(exception)

    def _greenlet_failed(self, greenlet: gevent.Greenlet) -> None:
        self._fail(greenlet.exception)

    def _fail(self, error: BaseException) -> None:
        """End the load: what cannot be written down must not be sent."""
        self._failure = self._failure or f"{type(error).__name__}: {error}"
        self.order_stop(0.0)


class Headless:
    """Conducts a worker alone: a local runner, and orders on stdin."""

    wait_kept = staticmethod(kept_here)

    def begin(self, worker: Worker) -> None:
        """Spawn the users of the worker."""
        users = len(worker.plan.users_of(worker.number))
        self._runner = worker.locust.create_local_runner()
        self._runner.start(users, spawn_rate=min(100, users))
        gevent.spawn(self._take_orders, worker)

    def counted(self, worker: Worker) -> tuple[int, int]:
        """What Locust's statistics say."""
        total = worker.locust.stats.total
        return total.num_requests, total.num_failures

    def end(self) -> None:
        """End the runner."""
        self._runner.quit()

    @staticmethod
    def _take_orders(worker: Worker) -> None:
        with FileObjectPosix(0, "rb", closefd=False) as orders:
            for line in orders:
                obey(worker, line.decode())
        worker.order_stop(0.0)


def obey(worker: Worker, line: str) -> None:
    """Pass the order *line* on: ``start T`` or ``stop S``."""
    word, number = line.split()
    if word == "start":
        worker.order_start(int(number))
    else:
        worker.order_stop(float(number))


def locust_environment() -> Environment:
    """Locust with our one kind of user."""
    made = Environment(user_classes=[ProducerUser], stop_timeout=2)
    made.parsed_options = None
    return made


class ProducerUser(locust.User):
    """One Locust user: one producer."""

    worker: Worker

    def on_start(self) -> None:
        """Take the next producer of this process; a user too many, should Locust spawn one, has none."""
        self.number = next(self.worker.users, -1)

    @locust.task
    def produce(self) -> None:
        """Produce until the order to stop."""
        if self.number >= 0:
            self.worker.produce(self.number)
        raise StopUser


@contextmanager
def _said_in_one_sentence() -> Iterator[None]:
    try:
        yield
    except HarnessError as error:
        print(error.sentence(), file=sys.stderr)  # noqa: T201 - the engine shows this line
        raise SystemExit(1) from error


def main(argv: list[str]) -> int:
    """Run one worker."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    die_with_parent()
    path, number, folder = argv
    with _said_in_one_sentence():
        plan = LoadPlan.model_validate_json(Path(path).read_bytes())
        ProducerUser.worker = Worker(plan, int(number), Path(folder), Headless())
        return ProducerUser.worker.run()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Everything is written; librdkafka's destructor would wait for brokers that do not answer.
    os._exit(code)
