"""What a story's words write down, on a site without processes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from harness.display import PlainDisplay
from harness.faults.injection import Injector
from harness.interrupts import Interrupts
from harness.model import CaughtUp, JobStarted, Phase, PhaseEntered
from harness.order import Order
from harness.run import LiveRun
from harness.scenario import Scenario
from harness.stack.definition import read_definition
from harness.stack.java import Java
from harness.stack.parts import Parts
from harness.stack.software import Software
from harness.tests.sites import STACKS, FakeSite


def run_on(site: FakeSite, **settings: str) -> LiveRun:
    """A run on *site*, as a story gets it, with *settings* of the stack's ``budgets``."""
    scenario = Scenario(
        name="one",
        title="One.",
        path=Path("one.py"),
        story=lambda _run: None,
        stack="edge",
        guarantees=(),
        expect="held",
        nightly=False,
    )
    budgets = {f"budgets.{name}": value for name, value in settings.items()}
    order = Order(
        scenario=scenario,
        definition=read_definition(STACKS, "edge", budgets),
        folder=STACKS / "edge",
        software=Software(Java(Path("/none"), "17", "a test"), {}),
        parts=Parts(job=Path("job.jar")),
        directory=site.directory,
        seed=1,
        command=("harness", "run", "one"),
        settings={},
    )
    injector = cast(Injector, None)  # no fault is injected here
    return LiveRun(order, site.stack, injector, site.log, PlainDisplay(), Interrupts())


def test_an_upgrade_ends_the_undisturbed_baseline(tmp_path: Path) -> None:
    """Results have to wait while the job is away: what follows is no measurement of the calm."""
    site = FakeSite(tmp_path, {}, agent=False)
    run = run_on(site)
    run.hold_steady(seconds=0)
    run.upgrade_job()

    phases = [event.phase for event in site.events(PhaseEntered)]
    assert phases == [Phase.STEADY, Phase.DISTURB, Phase.RECOVER]
    disturbed, recovers = site.events(PhaseEntered)[1:]
    (started,) = site.events(JobStarted)
    assert disturbed.t < started.t < recovers.t


def test_a_busy_machine_is_given_more_time_to_catch_up(tmp_path: Path) -> None:
    """What a story allows counts as often as ``catch_up_factor`` says, and is on record as such."""
    site = FakeSite(tmp_path, {}, agent=False)
    site.flink.watermark = 2**60
    run_on(site).expect_caught_up(within=40)
    run_on(site, catch_up_factor="3").expect_caught_up(within=40)

    assert [wait.within_s for wait in site.events(CaughtUp)] == [40, 120]
