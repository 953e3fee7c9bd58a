"""The seed's own settings, as they stand, and what they lose; the stack ``edge`` keeps it under the same."""

from harness.scenario import (
    Run,
    archive_complete,
    every_record_placed,
    kill,
    metrics_complete,
    results_exact,
    results_single,
    scenario,
    state_kept,
    task_manager,
)


@scenario(
    stack="edge-seed",
    expect="broken",
    nightly=True,
    guarantees=[results_exact(), every_record_placed(), archive_complete()],
)
def test_seed_task_manager_killed(run: Run) -> None:
    """The seed has no checkpoints, so no restart strategy: one dead TaskManager ends its job for good."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(kill(task_manager(1)), seconds=5) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=5)
    run.verify()


@scenario(
    stack="edge-seed",
    expect="broken",
    nightly=True,
    guarantees=[results_exact(), results_single(), state_kept()],
)
def test_seed_upgrade_forgets(run: Run) -> None:
    """The seed's stateless upgrade begins from nothing: results are repeated and totals begin anew."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        run.upgrade_job()
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge-seed", expect="broken", nightly=True, guarantees=[metrics_complete()])
def test_seed_vrl_never_matches(run: Run) -> None:
    """The seed's program fails for every event, and Vector forwards each as it came."""
    with run.load(rate=500):
        run.hold_steady(seconds=20)
    run.verify()
