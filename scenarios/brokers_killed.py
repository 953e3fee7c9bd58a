"""Brokers that die: one leader, the controller, and more than the cluster can spare."""

from harness.scenario import Run, broker, controller, kill, leader_of, scenario, terminate, together


@scenario(nightly=True)
def test_leader_killed(run: Run) -> None:
    """An acknowledged record survives the sudden death of its leader."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        with run.inject(kill(leader_of("orders", 0)), seconds=12) as killed:
            run.require(killed.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_controller_killed(run: Run) -> None:
    """The cluster elects another controller, and no acknowledged record is lost on the way."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        with run.inject(kill(controller()), seconds=12) as killed:
            run.require(killed.observed)
        run.expect_recovery()
    run.verify()


@scenario(budgets={"recovery_s": 60}, nightly=True)
def test_two_brokers_killed(run: Run) -> None:
    """With two of three brokers dead writes stop, rather than be acknowledged and lost."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        with run.inject(kill(together(broker(1), broker(2))), seconds=15) as killed:
            run.require(killed.observed)
            run.require(run.acked_in(seconds=5) == 0, "records were acknowledged by one broker of three")
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_rolling_restart(run: Run) -> None:
    """Every broker is restarted in turn, as an upgrade does it, and clients only notice a short delay."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        for number in (1, 2, 3):
            with run.inject(terminate(broker(number)), seconds=1) as stopped:
                run.require(stopped.observed)
            run.expect_recovery()
    run.verify()
