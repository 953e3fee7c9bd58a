"""Brokers that live and cannot be reached, from everywhere, one way, or by clients alone."""

from harness.scenario import Run, follower_of, isolate, leader_of, loss, partition, pause, scenario


@scenario()
def test_leader_isolated(run: Run) -> None:
    """An acknowledged record survives its leader losing sight of everyone."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        with run.inject(isolate(leader_of("orders", 0)), seconds=20) as cut:
            run.require(cut.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_one_way_cut(run: Run) -> None:
    """An acknowledged record survives a leader that hears its followers and is not heard by them."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        cut = partition(leader_of("orders", 0), "followers", direction="out")
        with run.inject(cut, seconds=20) as deaf:
            run.require(deaf.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_clients_cut_off(run: Run) -> None:
    """What was acknowledged before clients lost a broker is there once, and the rest arrives after."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        with run.inject(partition(leader_of("orders", 0), "clients"), seconds=15) as cut:
            run.require(cut.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_packets_lost(run: Run) -> None:
    """A leader that loses every tenth packet, to whomever, is slow and loses no record."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(loss(leader_of("orders", 0), share=0.1), seconds=20) as lossy:
            run.require(lossy.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_follower_paused(run: Run) -> None:
    """A follower that freezes and thaws costs time, never a record."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        with run.inject(pause(follower_of("orders", 0)), seconds=15) as frozen:
            run.require(frozen.observed)
        run.expect_recovery()
    run.verify()
