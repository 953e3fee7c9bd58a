"""What a story's words write down, on a site without processes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from harness.display import PlainDisplay
from harness.faults.injection import Injector
from harness.interrupts import Interrupts
from harness.model import JobStarted, Phase, PhaseEntered
from harness.order import Order
from harness.run import LiveRun
from harness.scenario import Scenario
from harness.stack.definition import read_definition
from harness.stack.java import Java
from harness.stack.parts import Parts
from harness.stack.software import Software
from harness.tests.sites import STACKS, FakeSite


def run_on(site: FakeSite) -> LiveRun:
    """A run on *site*, as a story gets it."""
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
    order = Order(
        scenario=scenario,
        definition=read_definition(STACKS, "edge", {}),
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
