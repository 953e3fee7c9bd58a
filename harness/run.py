"""What a scenario's story is told with: load, faults, waiting, reading back.

``LiveRun`` drives the parts in the order a story asks for and writes down every step
as an event. It judges nothing: that is for the checkers, from what is stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Unpack

from harness.clock import MONOTONIC, NANOS_PER_SECOND, seconds_between, wall_label
from harness.display import Display
from harness.errors import BadInput, HarnessError, NotExpressible, StackError
from harness.faults.injection import Injection, Injector
from harness.faults.spec import FaultSpec
from harness.hops import Hops, Site
from harness.interrupts import Interrupts
from harness.ledger.reader import read_through_fence
from harness.load.engine import LoadEngine, LoadProgress
from harness.load.plan import LoadPlan
from harness.load.request import LoadOptions, LoadRequest
from harness.model import (
    Event,
    FencePassed,
    LoadEnded,
    LoadPlanned,
    Noted,
    NotExecuted,
    Phase,
    PhaseEntered,
    RecoveryExpected,
)
from harness.order import Order, environment
from harness.rundir import EventLog
from harness.scenario import TOPIC
from harness.stack.local import LocalStack
from harness.stack.seams import Node
from harness.transactions import Transaction, transactional, watched
from harness.waiting import NotYet, wait_for

_DRAIN_S = 30.0
_WARM_UP_S, _WARM_UP_AT_MOST_S = 3.0, 20.0
"""Fresh JVMs are slow; what they do in this time belongs to no phase that is judged."""
_WAITING_SHARE = 0.05
_FENCE_S = 60.0
_READY_S = 30.0
_STALE_NS = NANOS_PER_SECOND
_RECOVERED_RATE = 0.9
_RECOVERED_S = 4.0
_GIVE_UP_FACTOR = 4.0


class Vacuous(HarnessError):
    """What a scenario requires did not happen, so its verdict would prove nothing."""


class LiveRun:
    """The ``Run`` of a booted stack; its public methods are described in ``harness.scenario.Run``."""

    def __init__(
        self,
        order: Order,
        stack: LocalStack,
        injector: Injector,
        log: EventLog,
        display: Display,
        interrupts: Interrupts,
    ) -> None:
        self.budgets = order.budgets
        self.seed = order.seed
        self._order, self._stack, self._injector = order, stack, injector
        self._log, self._display, self._interrupts = log, display, interrupts
        self._engine: LoadEngine | None = None
        self._plan: LoadPlan | None = None
        self._hops = self._pipeline()
        self._fenced = False
        self._died: set[str] = set()

    @contextlib.contextmanager
    def load(self, *, rate: float, **options: Unpack[LoadOptions]) -> Iterator[None]:
        """Drive the load while the block runs, then drain."""
        asked, directory = LoadRequest(rate, **options), self._order.directory
        plan = self._planned(asked)
        self._prepare(plan, asked)
        engine = LoadEngine(
            plan, enter=self._load_node().enter, folder=directory.logs / "load", logs=directory.logs
        )
        engine.start()
        self._engine, self._plan = engine, plan
        try:
            self._warm_up()
            yield
        except BaseException:
            with self._interrupts.shielded():
                self._end_load(engine, drain_seconds=0.0)
            raise
        self._enter(Phase.DRAIN)
        self._end_load(engine, drain_seconds=_DRAIN_S)

    def hold_steady(self, *, seconds: float) -> None:
        """Let the load run undisturbed."""
        self._enter(Phase.STEADY)
        self._hold_until(MONOTONIC.now() + int(seconds * NANOS_PER_SECOND))

    @contextlib.contextmanager
    def inject(self, fault: FaultSpec, *, seconds: float) -> Iterator[Injection]:
        """Hold a fault while the block runs and *seconds* last, then heal it."""
        self._enter(Phase.DISTURB)
        self._display.say(f"inject  {fault.name} for {seconds:g} s")
        with self._expressed(fault) as injection:
            self._display.say(f"        {injection.resolution.why}")
            self._display.say(
                f"        {'proven' if injection.observed else 'NOT PROVEN'}: {injection.proof}"
            )
            yield injection
            self._hold_until(injection.injected_t + int(seconds * NANOS_PER_SECOND))
            self._display.say(f"heal    {fault.name}")
            self._display.now("healing")
        if self._hops is not None:
            self._hops.keep(injection.nodes)
        self._enter(Phase.RECOVER)

    @contextlib.contextmanager
    def _expressed(self, fault: FaultSpec) -> Iterator[Injection]:
        """The injection; a fault that cannot be made here is put on record as not executed."""
        with contextlib.ExitStack() as held:
            try:
                guard = self._interrupts.shielding_exit_of(self._injector.inject(fault))
                injection = held.enter_context(guard)
            except NotExpressible as error:
                part = f"fault: {fault.name}"
                self._record(NotExecuted(t=MONOTONIC.now(), wall=wall_label(), part=part, reason=str(error)))
                raise
            yield injection

    def require(self, holds: bool, why: str = "the effect was not observed") -> None:  # noqa: FBT001 - reads as prose
        """End the run as UNKNOWN unless *holds*."""
        if not holds:
            raise Vacuous("the run would prove nothing", why=why)

    def expect_recovery(self, *, within: float | None = None) -> None:
        """Wait until the load is served again as asked."""
        if within is not None:
            self._record(RecoveryExpected(t=MONOTONIC.now(), wall=wall_label(), within_s=within))
        patience = max(30.0, (within or self.budgets.recovery_s or 15.0) * _GIVE_UP_FACTOR)
        try:
            wait_for(self._served_as_asked, what="recovery", seconds=patience, every=0.0)
        except StackError as error:
            self.note(f"not recovered: {error.why}")

    def expect_caught_up(self, *, within: float) -> None:
        """Wait until the job has worked through everything sent so far."""
        self._display.now("waiting for the job to catch up")
        self._needs_pipeline().wait_caught_up(within)

    def upgrade_job(self) -> None:
        """Stop the job and start it again, as its upgrade mode says."""
        hops = self._needs_pipeline()
        self._enter(Phase.DISTURB)  # no fault, and yet results have to wait: the baseline ends here
        self._display.say("upgrade the job")
        self._display.say(f"        {hops.upgrade()}")
        self._enter(Phase.RECOVER)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transactional producer while the block runs; then watch what became of its partition."""
        logs, roles = self._order.directory.logs, self._stack.roles
        with transactional(self._load_node().enter, roles, logs) as producer:
            yield producer
            self._display.now("watching the last stable offset")
            self._record(watched(roles.bootstrap, producer.partition))

    def acked_in(self, *, seconds: float) -> int:
        """Count acknowledged records for *seconds*."""
        self._hold_until(MONOTONIC.now() + _STALE_NS)  # what is told now may be older than the fault
        before = self._progress().ok
        self._hold_until(MONOTONIC.now() + int(seconds * NANOS_PER_SECOND))
        return self._progress().ok - before

    def note(self, text: str, *, node: str = "") -> None:
        """Put a line on the timeline."""
        self._display.say(text)
        self._record(Noted(t=MONOTONIC.now(), wall=wall_label(), text=text, node=node))

    def verify(self) -> None:
        """Read everything back through the fence."""
        assert self._plan is not None, "verify() comes after load()"
        self._enter(Phase.VERIFY)
        directory, plan = self._order.directory, self._plan
        fences = read_through_fence(
            self._stack.bootstrap,
            plan.topic,
            plan.partitions,
            codec=plan.frames,
            directory=directory,
            seconds=_FENCE_S,
            closing_ms=self._hops.closing() if self._hops is not None else None,
        )
        self._record(FencePassed(t=MONOTONIC.now(), wall=wall_label(), fences=fences))
        self._fenced = True
        if self._hops is not None:
            self._display.now("reading every hop back")
            self._hops.read(fences)

    def close(self) -> None:
        """Read back what a story that ended early left unread, as far as it can be read."""
        if self._plan is not None and not self._fenced:
            with contextlib.suppress(HarnessError):
                self.verify()

    def _planned(self, asked: LoadRequest) -> LoadPlan:
        directory = self._order.directory
        return LoadPlan(
            run_id=directory.run_id,
            topic=TOPIC,
            bootstrap=self._stack.bootstrap,
            ledger=directory.ledger,
            samples=directory.samples,
            rate=asked.rate,
            shape=asked.shape,
            partitions=asked.partitions,
            keys=asked.keys,
            record_bytes=asked.record_bytes,
            producers=asked.producers,
            processes=asked.processes,
            client=dict(asked.client),
            seed=self.seed,
            irregular=asked.irregular,
        )

    def _prepare(self, plan: LoadPlan, asked: LoadRequest) -> None:
        roles, replication = self._stack.roles, asked.replication
        roles.create_topic(
            plan.topic, partitions=plan.partitions, replication=replication, config=asked.topic_config
        )
        roles.prove_ready(plan.topic, plan.frames.sentinel, _READY_S)
        if self._hops is not None:
            self._display.now("starting the job")
            self._hops.open()
        client = plan.client_config
        effective = roles.effective(plan.topic) | {f"client.{key}": value for key, value in client.items()}
        self._record(environment(self._order, effective))
        self._record(
            LoadPlanned(
                t=MONOTONIC.now(),
                wall=wall_label(),
                topic=plan.topic,
                partitions=plan.partitions,
                replication=replication,
                rate=plan.rate,
                keys=plan.keys,
                record_bytes=plan.record_bytes,
                producers=plan.producers,
                processes=plan.processes,
                client=client,
                irregular=plan.irregular,
            )
        )

    def _warm_up(self) -> None:
        """Return when the load is served at once, as it is before anything is disturbed."""
        self._display.say("warm up")
        self._hold_until(MONOTONIC.now() + int(_WARM_UP_S * NANOS_PER_SECOND))
        try:
            wait_for(self._settled, what="an even load", seconds=_WARM_UP_AT_MOST_S, every=0.0)
        except StackError as error:
            self.note(f"the baseline may be unstable: {error.why}")

    def _settled(self) -> None:
        """Two looks a second apart at next to nothing waiting; records wait for milliseconds, not more."""
        looks = []
        for _ in range(2):
            self._hold_until(MONOTONIC.now() + NANOS_PER_SECOND)
            looks.append(self._progress())
        asked = looks[1].attempted - looks[0].attempted
        waiting = max(look.waiting for look in looks)
        if waiting > _WAITING_SHARE * asked:
            raise NotYet(f"{waiting} of {asked} records a second wait")

    def _end_load(self, engine: LoadEngine, *, drain_seconds: float) -> None:
        self._display.now("draining")
        totals = engine.stop(drain_seconds=drain_seconds) if drain_seconds else engine.abort()
        self._engine = None
        self._record(
            LoadEnded(
                t=MONOTONIC.now(),
                wall=wall_label(),
                first_t=totals.first_t,
                last_t=totals.last_t,
                locust_requests=totals.locust_requests,
                locust_failures=totals.locust_failures,
                clean=totals.clean,
                detail=totals.detail,
            )
        )

    def _pipeline(self) -> Hops | None:
        """The hops behind the topic, if the stack has any."""
        order = self._order
        if order.definition.job is None:
            return None
        site = Site(order.definition, order.folder, self._stack, order.parts)
        return Hops(site, order.directory, self._log, source=TOPIC)

    def _needs_pipeline(self) -> Hops:
        if self._hops is None:
            raise BadInput(f"the stack {self._order.definition.name} has no job", fix='use stack="edge"')
        return self._hops

    def _load_node(self) -> Node:
        return next(node for node in self._stack.nodes.values() if node.role == "load")

    def _progress(self) -> LoadProgress:
        assert self._engine is not None, "only inside load()"
        return self._engine.progress()

    def _served_as_asked(self) -> None:
        before = self._progress()
        self._hold_until(MONOTONIC.now() + int(_RECOVERED_S * NANOS_PER_SECOND))
        after = self._progress()
        asked, served = after.attempted - before.attempted, after.ok - before.ok
        if asked == 0 or served < _RECOVERED_RATE * asked or after.waiting > asked / _RECOVERED_S:
            raise NotYet(f"{served} of {asked} records served in {_RECOVERED_S:g} s, {after.waiting} waiting")

    def _hold_until(self, instant: int) -> None:
        while (left := seconds_between(MONOTONIC.now(), instant)) > 0:
            self._show_progress(left)
            self._tell_of_deaths()
            MONOTONIC.sleep(min(0.5, left))
            if self._engine is not None and not self._engine.is_alive():
                raise StackError("the load generator died", fix=f"see {self._order.directory.logs}")

    def _tell_of_deaths(self) -> None:
        """Put a service that died without a fault of ours on the timeline, once."""
        for name, service in self._stack.services.items():
            alone = name not in self._injector.nodes() and name not in self._died
            if alone and not service.process.is_alive():
                self._died.add(name)
                self.note(f"{name} died, and no fault had killed it: {service.log_tail()}", node=name)

    def _show_progress(self, left: float) -> None:
        if self._engine is None:
            return
        seen = self._engine.progress()
        self._display.now(f"{left:4.0f} s left · {seen.ok:,} acknowledged · {seen.waiting:,} waiting")

    def _enter(self, phase: Phase) -> None:
        self._display.say(f"{phase.value}")
        self._record(PhaseEntered(t=MONOTONIC.now(), wall=wall_label(), phase=phase))

    def _record(self, event: Event) -> None:
        self._log.append(event)
