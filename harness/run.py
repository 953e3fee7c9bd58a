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
from harness.load.engine import Engine, LoadEngine, LoadProgress
from harness.load.fleet import Fleet
from harness.load.plan import LoadPlan
from harness.load.request import LoadOptions, LoadRequest
from harness.model import (
    Event,
    FencePassed,
    Noted,
    NotExecuted,
    Phase,
    PhaseEntered,
    RecoveryExpected,
)
from harness.order import Order, environment
from harness.rundir import EventLog
from harness.scenario import TOPIC
from harness.stack.booted import BootedStack
from harness.stack.seams import Remote
from harness.transactions import Transaction, transactional, watched
from harness.waiting import NotYet, wait_for
from harness.workloads.spec import Workload
from harness.workloads.stage import Stage, Venue

_DRAIN_S = 30.0
_WARM_UP_S, _WARM_UP_AT_MOST_S = 3.0, 20.0
"""Fresh JVMs are slow; what they do in this time belongs to no phase that is judged."""
_BUMPS_EPOCHS = 4
"""Since this Kafka each transaction has an epoch of its own (KIP-890)."""
_NO_PROCESS = "the harness can start no process in the load's pod"
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
        stack: BootedStack,
        injector: Injector,
        log: EventLog,
        display: Display,
        interrupts: Interrupts,
    ) -> None:
        self.budgets = order.budgets
        self.seed = order.seed
        self._order, self._stack, self._injector = order, stack, injector
        self._log, self._display, self._interrupts = log, display, interrupts
        self._engine: Engine | None = None
        self._plan: LoadPlan | None = None
        self._hops = self._pipeline()
        self._stage = Stage(self._record, self.note)
        self._fenced = False
        self._died: set[str] = set()

    @contextlib.contextmanager
    def load(self, *, rate: float, **options: Unpack[LoadOptions]) -> Iterator[None]:
        """Drive the load while the block runs, then drain."""
        asked = LoadRequest(rate, **options)
        plan = self._planned(asked)
        self._prepare(plan, asked)
        self._injector.topic = plan.topic
        engine = self._driven(plan)
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

    @contextlib.contextmanager
    def workload(self, *asked: Workload) -> Iterator[None]:
        """Have the workloads' clients at work while the block runs, then let them end."""
        try:
            self._display.say(f"play    {', '.join(workload.name for workload in asked)}")
            self._stage.open(asked, self._venue())
            if self._plan is None:
                effective = self._stack.roles.effective(asked[0].topics[0])
                self._record(environment(self._order, effective, self._stack.proxies))
            yield
        except BaseException:
            with self._interrupts.shielded():
                self._stage.abort()
            raise
        self._enter(Phase.DRAIN)
        self._display.now("letting the workloads end")
        self._stage.close()

    def _venue(self) -> Venue:
        """Where workloads are played.

        Raises:
            NotExpressible: the harness can start no process there.
        """
        load, order = self._stack.load_node, self._order
        if isinstance(load, Remote):
            raise NotExpressible("workloads cannot be played here", why=_NO_PROCESS)
        major = int(order.definition.kafka.version.partition(".")[0])
        bootstrap = self._stack.entrance or self._stack.bootstrap
        version = 2 if major >= _BUMPS_EPOCHS else 1
        return Venue(order.directory, self._stack.roles, load.enter, bootstrap, self.seed, version)

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
            served = self._served_as_asked if self._engine else self._played_on
            wait_for(served, what="recovery", seconds=patience, every=0.0)
        except StackError as error:
            self.note(f"not recovered: {error.why}")

    def expect_caught_up(self, *, within: float) -> None:
        """Wait until the job has worked through everything sent so far."""
        self._display.now("waiting for the job to catch up")
        self._needs_pipeline().wait_caught_up(within * self.budgets.catch_up_factor)

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
        logs, roles, load = self._order.directory.logs, self._stack.roles, self._stack.load_node
        if isinstance(load, Remote):
            raise NotExpressible("a transaction of the scenario's own cannot be made here", why=_NO_PROCESS)
        with transactional(load.enter, roles, logs) as producer:
            yield producer
            self._display.now("watching the last stable offset")
            self._record(watched(roles.bootstrap, producer.partition))

    def acked_in(self, *, seconds: float) -> int:
        """Count acknowledged records for *seconds*."""
        self._hold_until(MONOTONIC.now() + _STALE_NS)  # what is told now may be older than the fault
        before = self._done()
        self._hold_until(MONOTONIC.now() + int(seconds * NANOS_PER_SECOND))
        return self._done() - before

    def note(self, text: str, *, node: str = "") -> None:
        """Put a line on the timeline."""
        self._display.say(text)
        self._record(Noted(t=MONOTONIC.now(), wall=wall_label(), text=text, node=node))

    def verify(self) -> None:
        """Read everything back through the fence."""
        assert self._plan is not None or self._stage.used, "verify() comes after load() or workload()"
        self._enter(Phase.VERIFY)
        self._fenced = True
        if self._plan is not None:
            self._read_load(self._plan)
        self._display.now("reading the workloads back")
        self._stage.read_back()

    def _read_load(self, plan: LoadPlan) -> None:
        directory = self._order.directory
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
        if self._hops is not None:
            self._display.now("reading every hop back")
            self._hops.read(fences)

    def close(self) -> None:
        """Read back what a story that ended early left unread, as far as it can be read."""
        if (self._plan is not None or self._stage.used) and not self._fenced:
            with contextlib.suppress(HarnessError):
                self.verify()

    def _driven(self, plan: LoadPlan) -> Engine:
        """What drives the load: Locust in pods where the stack has them, else on the load's node."""
        if self._stack.load_pods is not None:
            return Fleet(plan, self._stack.load_pods)
        logs = self._order.directory.logs
        return LoadEngine(plan, enter=self._stack.load_node.enter, folder=logs / "load", logs=logs)

    def _planned(self, asked: LoadRequest) -> LoadPlan:
        directory = self._order.directory
        load = self._order.definition.load
        asked = asked.on(load.workers, load.share)
        return LoadPlan(
            run_id=directory.run_id,
            topic=TOPIC,
            bootstrap=self._stack.entrance or self._stack.bootstrap,
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
        if self._hops is not None:
            effective |= self._hops.job.effective
        self._record(environment(self._order, effective, self._stack.proxies))
        self._record(plan.planned(replication))

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

    def _end_load(self, engine: Engine, *, drain_seconds: float) -> None:
        self._display.now("draining")
        totals = engine.stop(drain_seconds=drain_seconds) if drain_seconds else engine.abort()
        self._engine = None
        self._record(totals.ended())

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

    def _progress(self) -> LoadProgress:
        assert self._engine is not None, "only inside load()"
        return self._engine.progress()

    def _done(self) -> int:
        """What the load had acknowledged and the workloads had done so far."""
        loaded = self._engine.progress().ok if self._engine else 0
        return loaded + sum(self._stage.done().values())

    def _played_on(self) -> None:
        before = self._stage.done()
        self._hold_until(MONOTONIC.now() + int(_RECOVERED_S * NANOS_PER_SECOND))
        if idle := [who for who, done in self._stage.done().items() if done <= before.get(who, 0)]:
            raise NotYet(f"nothing was done in {_RECOVERED_S:g} s by {', '.join(idle)}")

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
            trouble = (self._engine.trouble() if self._engine else "") or self._stage.failure()
            if trouble:
                raise StackError(
                    "the load generator died", why=trouble, fix=f"see {self._order.directory.logs}"
                )

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
