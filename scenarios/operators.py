"""Operators that are away while what they look after breaks, and what they do for it when they are asked.

They run on stacks that operators run: `harness run NAME --platform kind --stack edge-kafka-strimzi --set
operators.strimzi=PATH`. Elsewhere they are not executed.
"""

import pytest

from harness.scenario import (
    PIPELINE,
    Run,
    all_brokers,
    api_server,
    broker,
    delete_pod,
    kill,
    leader_of,
    operator,
    partition,
    pause,
    pause_reconciliation,
    rolling_update,
    scenario,
    task_manager,
)

pytestmark = pytest.mark.kubernetes


@scenario(nightly=True)
def test_operator_away(run: Run) -> None:
    """A leader that dies while its operator stands still comes back, and takes no record along."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(pause(operator()), seconds=20) as away:
            run.require(away.observed)
            with run.inject(kill(leader_of("orders", 0)), seconds=5) as killed:
                run.require(killed.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_operator_killed(run: Run) -> None:
    """A broker whose pod goes while its operator is dead gets another one from the operator's successor."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(kill(operator()), seconds=1) as killed:
            run.require(killed.observed)
            with run.inject(delete_pod(broker(1)), seconds=5) as deleted:
                run.require(deleted.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_operator_cut_off(run: Run) -> None:
    """An operator that does not see the API server harms nobody, and neither does a leader that dies then."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(partition(operator(), api_server()), seconds=20) as cut:
            run.require(cut.observed)
            with run.inject(kill(leader_of("orders", 0)), seconds=5) as killed:
                run.require(killed.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_operator_sees_no_broker(run: Run) -> None:
    """An operator that cannot ask the brokers rolls none of them, and costs no record."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(partition(operator(), "brokers"), seconds=30) as cut:
            run.require(cut.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_reconciliation_paused(run: Run) -> None:
    """A cluster that its operator leaves alone survives its leader, whose pod is replaced all the same."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(pause_reconciliation(all_brokers()), seconds=15) as paused:
            run.require(paused.observed)
            with run.inject(delete_pod(leader_of("orders", 0)), seconds=5) as deleted:
                run.require(deleted.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_brokers_rolled_by_operator(run: Run) -> None:
    """A rolling update that the operator was asked for costs no record, though it was killed just before."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(kill(operator()), seconds=1) as killed:
            run.require(killed.observed)
        with run.inject(rolling_update(all_brokers()), seconds=5) as rolled:
            run.require(rolled.observed)
        run.expect_recovery()
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_operators_away_from_the_pipeline(run: Run) -> None:
    """A TaskManager that dies while every operator is away comes back, and no result with it twice."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(pause(operator()), seconds=20) as away:
            run.require(away.observed)
            with run.inject(kill(task_manager(1)), seconds=5) as killed:
                run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()
