"""The lifecycle of a run: prepare → steady → disturb → recover → drain → verify → report.

In this order:

1. the run directory opens with what was asked for;
2. the stack boots, the heartbeat and the watchdog start;
3. the scenario tells its story through a ``LiveRun``;
4. everything ends, the ledger is sealed;
5. checkers judge what is stored; ``run.json``, the report and JUnit follow from it.

However step 3 ends, every fault heals on the way, and 4 and 5 happen. Only input that turns out bad
before there was any load leaves nothing to judge: 4 happens, then the error ends the command.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeAlias

import harness
from harness.anomalies.stored import findings as of_workloads
from harness.checkers.compose import judge
from harness.clock import MONOTONIC, seconds_between, wall_label
from harness.display import Display
from harness.errors import BadInput, HarnessError, MissingAbility
from harness.faults.injection import Injector
from harness.faults.journal import Journal
from harness.faults.prepare import OPERATED_SECONDS, READY_SECONDS
from harness.faults.watchdog import Watch
from harness.findings import RunDocument
from harness.history import parts
from harness.interrupts import Interrupted, Interrupts
from harness.ledger import evidence, schema, tables
from harness.model import (
    Aborted,
    LoadPlanned,
    Noted,
    Phase,
    PhaseEntered,
    RunEnded,
    RunStarted,
    WorkloadPlanned,
)
from harness.oracle.tally import SecondCount
from harness.order import Order
from harness.platforms import platform
from harness.probes.agent import AgentProbe
from harness.probes.host import DistantProbe, host_sampler
from harness.probes.pipeline import pipeline_probes
from harness.probes.quorum import QuorumProbe
from harness.probes.sampler import Sampler, sampled
from harness.report.html import write_report
from harness.report.junit import write_junit
from harness.run import LiveRun
from harness.rundir import EventLog, RunDirectory
from harness.scenario import TOPIC, Run
from harness.stack.booted import BootedStack

Standing: TypeAlias = Callable[[Order, EventLog, Display, Interrupts], AbstractContextManager[Run]]
"""Has a stack stand while its block runs, and gives the run that uses it."""


def execute(
    order: Order, display: Display, interrupts: Interrupts, *, standing: Standing | None = None
) -> RunDocument:
    """Run the ordered scenario to its verdict; see the module's docstring for the steps.

    *standing* takes the place of a booted stack.

    Raises:
        BadInput, MissingAbility: found before any load; everything is healed and ended.
        Interrupted: the user asked twice; everything is healed and ended, no report is written.
    """
    log = EventLog(order.directory)
    log.append(_beginning(order))
    try:
        _tell(order, log, display, interrupts, standing or _standing)
    finally:
        with interrupts.shielded():
            _seal(order.directory)
            log.append(RunEnded(t=MONOTONIC.now(), wall=wall_label()))
            log.close()
    return report(order.directory, display)


def report(directory: RunDirectory, display: Display, *, second: SecondCount | None = None) -> RunDocument:
    """Judge what is stored in *directory* and write ``run.json``, the report and JUnit from it.

    Given a *second* count, the records are counted again and both have to agree.
    """
    display.now("judging")
    document = judge(
        evidence.load(directory),
        harness_version=harness.__version__,
        second=second,
        workloads=lambda: of_workloads(directory),
    )
    directory.write_document(document)
    write_report(directory)
    write_junit(directory)
    return document


def _beginning(order: Order) -> RunStarted:
    chosen = order.scenario
    return RunStarted(
        t=MONOTONIC.now(),
        wall=wall_label(),
        run_id=order.directory.run_id,
        scenario=chosen.name,
        title=chosen.title,
        platform=order.platform,
        stack=order.definition.name,
        seed=order.seed,
        expect=chosen.expect,
        guarantees=chosen.guarantees,
        budgets=order.budgets,
        command=order.command,
        settings=dict(order.settings),
    )


def _tell(order: Order, log: EventLog, display: Display, interrupts: Interrupts, standing: Standing) -> None:
    """Steps 2 and 3. What ends the story early becomes an ``Aborted`` event; the evidence so far stands."""
    try:
        with standing(order, log, display, interrupts) as run:
            order.scenario.story(run)
    except (Interrupted, HarnessError, AssertionError, BaseExceptionGroup) as ended:
        causes = _causes(ended)
        asked = any(isinstance(cause, Interrupted) for cause in causes)
        if not all(isinstance(cause, Interrupted | HarnessError | AssertionError) for cause in causes):
            raise
        reason = "; ".join(str(cause) or type(cause).__name__ for cause in causes)
        log.append(Aborted(t=MONOTONIC.now(), wall=wall_label(), reason=reason, by_user=asked))
        if not asked:
            _refuse(order.directory, causes)
        display.say(f"{reason} received: healed and stopped" if asked else f"ended early: {reason}")
        if interrupts.in_a_hurry:
            raise Interrupted(signal.SIGINT) from ended


def _refuse(directory: RunDirectory, causes: list[BaseException]) -> None:
    """Raise what makes the run pointless, if there was no load yet: then there is nothing to judge."""
    refusal = next((cause for cause in causes if isinstance(cause, BadInput | MissingAbility)), None)
    planned = any(isinstance(event, LoadPlanned | WorkloadPlanned) for event in directory.read_events())
    if refusal is not None and not planned:
        raise refusal


def _causes(error: BaseException) -> list[BaseException]:
    """The errors that *error* is made of; healing may fail beside what it was healing from."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for part in error.exceptions for cause in _causes(part)]
    return [error]


@contextlib.contextmanager
def _standing(order: Order, log: EventLog, display: Display, interrupts: Interrupts) -> Iterator[LiveRun]:
    """A booted stack with its guards around it, and the run that uses it."""
    directory = order.directory
    log.append(PhaseEntered(t=MONOTONIC.now(), wall=wall_label(), phase=Phase.PREPARE))
    display.say(f"boot    {order.definition.title}, {order.definition.versions}")
    display.now("booting")
    started = MONOTONIC.now()
    with contextlib.ExitStack() as ends:
        stack = ends.enter_context(platform(order.platform).boot(order))
        display.say(f"        up after {seconds_between(started, MONOTONIC.now()):.1f} s")
        ends.enter_context(_guarded(directory, order, stack))
        for text in stack.notes:
            log.append(Noted(t=MONOTONIC.now(), wall=wall_label(), text=text))
        journal = ends.enter_context(contextlib.closing(Journal(directory.journal)))
        patience = OPERATED_SECONDS if order.definition.operated else READY_SECONDS
        made = Injector(stack, journal, check=stack.check, ready_seconds=patience)
        injector = ends.enter_context(contextlib.closing(made))
        run = LiveRun(order, stack, injector, log, display, interrupts)
        ends.callback(run.close)
        yield run


@contextlib.contextmanager
def _guarded(directory: RunDirectory, order: Order, stack: BootedStack) -> Iterator[None]:
    """The heartbeat, the samples and the watchdog that listens for the heartbeat."""
    probes = pipeline_probes(
        order.definition,
        stack.flink,
        bootstrap=stack.bootstrap,
        source=TOPIC,
        vector=stack.agent is not None,
    )
    if any(guarantee.name == "one_quorum_leader" for guarantee in order.scenario.guarantees):
        probes.append(QuorumProbe(order.definition))
    samplers = [host_sampler(directory.samples, stack.live_pids, stack.disks())]
    if stack.agent is not None:
        probes.append(AgentProbe(stack.agent))
    if stack.distant():
        probes.append(DistantProbe(stack.distant))
    samplers += [Sampler(directory.samples, probe) for probe in probes]
    with Watch(directory.root, directory.run_id), sampled(samplers):
        yield


def _seal(directory: RunDirectory) -> None:
    for name, columns in (
        ("attempts", schema.ATTEMPTS),
        ("announced", schema.ANNOUNCED),
        ("reads", schema.READS),
    ):
        tables.seal(directory.ledger, name, columns)
    # What only a pipeline has; whoever reads a bucket seals it by himself.
    for name, columns in (
        ("inputs", schema.INPUTS),
        ("results", schema.RESULTS),
        ("placed", schema.PLACED),
    ):
        if any(directory.ledger.glob(f"{name}-*.arrow")):
            tables.seal(directory.ledger, name, columns)
    for name, columns in schema.BEHIND.items():
        if any(directory.ledger.glob(f"{name}-*.arrow")):
            tables.seal(directory.ledger, name, columns)
    tables.seal(directory.samples, "samples", schema.SAMPLES)
    parts.seal(directory.history)
