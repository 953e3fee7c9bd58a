"""Flink's part: windows, state and recovery while its processes die, freeze or lose each other."""

from harness.scenario import (
    PIPELINE,
    Run,
    all_task_managers,
    broker,
    flink,
    job_manager,
    kill,
    partition,
    pause,
    scenario,
    starve,
    task_manager,
    terminate,
)

KEPT = {"flink.high_availability": "true"}


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_task_manager_paused(run: Run) -> None:
    """A TaskManager that freezes and thaws costs time, and neither a window nor a running total."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(pause(task_manager(1)), seconds=12) as frozen:
            run.require(frozen.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_task_manager_cut_off(run: Run) -> None:
    """A TaskManager that nobody hears is given up, and its work goes on elsewhere without loss."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(partition(task_manager(2), "everyone"), seconds=15) as cut:
            run.require(cut.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_every_task_manager_killed(run: Run) -> None:
    """State that was in no process any more comes back from the last checkpoint."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(kill(all_task_managers()), seconds=5) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True, settings=KEPT)
def test_job_manager_killed(run: Run) -> None:
    """With high availability a new JobManager takes the job over, from its last checkpoint."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(kill(job_manager()), seconds=5) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True, settings=KEPT)
def test_job_manager_paused(run: Run) -> None:
    """A JobManager that freezes for longer than its leadership lasts does not split the job in two."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(pause(job_manager()), seconds=20) as frozen:
            run.require(frozen.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_flink_cut_off_from_kafka(run: Run) -> None:
    """While Flink cannot reach a broker nothing is lost, and it catches up by itself."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(partition(flink(), "brokers"), seconds=15) as cut:
            run.require(cut.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_task_manager_starved(run: Run) -> None:
    """A TaskManager that gets a fifth of its processor holds its source back, and loses nothing."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(starve(task_manager(1), share=0.2), seconds=15) as starved:
            run.require(starved.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_brokers_restarted_under_the_job(run: Run) -> None:
    """Transactions outlive a rolling restart of the brokers: every window has one result."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        for number in (1, 2, 3):
            with run.inject(terminate(broker(number)), seconds=1) as stopped:
                run.require(stopped.observed)
            run.expect_recovery()
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_job_upgraded_with_its_state(run: Run) -> None:
    """A job that is stopped with a savepoint goes on from it: totals continue, no window is torn."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        run.upgrade_job()
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True, settings={"flink.upgrade": "last-state"})
def test_job_restarted_from_its_last_checkpoint(run: Run) -> None:
    """A job that is cancelled hard goes on from its last checkpoint as if nothing had been."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        run.upgrade_job()
        run.expect_caught_up(within=60)
    run.verify()
