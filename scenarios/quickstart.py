"""The first drill: what a stranger runs, and the shortest proof that the harness is worth reading on."""

from harness.scenario import Run, another_broker_than, isolate, kill, leader_of, scenario


@scenario()
def test_quickstart(run: Run) -> None:
    """Records stay whole, single and in order while a leader is killed and another broker is cut off."""
    leader = leader_of("orders", 0)
    with run.load(rate=4_000):
        run.hold_steady(seconds=5)
        with run.inject(kill(leader), seconds=10) as killed:
            run.require(killed.observed)
        run.expect_recovery()
        with run.inject(isolate(another_broker_than(leader)), seconds=10) as cut:
            run.require(cut.observed)
        run.expect_recovery()
    run.verify()
