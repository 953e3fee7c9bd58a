"""What producers may do to a pipeline: poison, disorder, lateness and clocks that are wrong."""

from harness.scenario import PIPELINE, Run, kill, leader_of, none_late, partition, scenario, task_manager


@scenario(stack="edge", guarantees=PIPELINE, nightly=True, budgets={"error_share": 0.04})
def test_poison_records(run: Run) -> None:
    """Records that nobody can process are kept aside with the reason, and hold nothing up."""
    with run.load(rate=1_500, poison_share=0.02):
        run.hold_steady(seconds=8)
        with run.inject(kill(task_manager(1)), seconds=5) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_events_out_of_order(run: Run) -> None:
    """Events up to half a second out of order are in their windows, later ones are counted and kept."""
    with run.load(rate=1_500, disorder_ms=400, late_share=0.02, late_by_ms=10_000):
        run.hold_steady(seconds=15)
        with run.inject(kill(task_manager(2)), seconds=5) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=[*PIPELINE, none_late()], nightly=True)
def test_windows_wait_for_disorder(run: Run) -> None:
    """With a bound that covers the disorder no record is late, even of those that waited for a leader."""
    # One producer: the backlogs of several may lie one behind the other, further apart than the bound.
    with run.load(rate=1_500, disorder_ms=400, producers=1, processes=1):
        run.hold_steady(seconds=8)
        with run.inject(partition(leader_of("orders", 0), "clients"), seconds=5) as cut:
            run.require(cut.observed)
        run.expect_recovery()
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_clocks_of_producers_differ(run: Run) -> None:
    """A producer whose clock is three seconds behind has its records late, never lost."""
    with run.load(rate=1_500, clock_skew_ms=(0, 0, -3_000, 200)):
        run.hold_steady(seconds=15)
        run.expect_caught_up(within=60)
    run.verify()
