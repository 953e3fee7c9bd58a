"""Clients that use Kafka as applications do, through brokers that die and leaders that are cut off.

Their own clients are killed, frozen and replaced all the while. Each writes a history of single operations,
in which every known anomaly is looked for.
"""

from harness.scenario import (
    Run,
    compacted,
    coordinator_of,
    copies,
    group,
    isolate,
    kill,
    leader_of,
    scenario,
    transactions,
    transfers,
)


@scenario(nightly=True)
def test_transfers_survive_their_leader(run: Run) -> None:
    """What moved between accounts in transactions sums to zero after the leader of an account died."""
    with run.workload(transfers()):
        run.hold_steady(seconds=5)
        with run.inject(kill(leader_of("transfers", 0)), seconds=10) as killed:
            run.require(killed.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_transactions_outlive_an_isolated_leader(run: Run) -> None:
    """Transactions are whole or absent, and zombies fenced, though a leader loses sight of everyone."""
    with run.workload(transactions()):
        run.hold_steady(seconds=8)
        with run.inject(isolate(leader_of("transactions", 0)), seconds=20) as cut:
            run.require(cut.observed)
        run.expect_recovery()
        run.hold_steady(seconds=10)
    run.verify()


@scenario(nightly=True)
def test_transactions_outlive_their_coordinator(run: Run) -> None:
    """No transaction is torn, nor left open, when the broker that coordinates some of them dies."""
    with run.workload(transactions(), transfers()):
        run.hold_steady(seconds=8)
        with run.inject(kill(leader_of("__transaction_state", 0)), seconds=15) as killed:
            run.require(killed.observed)
        run.expect_recovery()
        run.hold_steady(seconds=10)
    run.verify()


@scenario(nightly=True)
def test_copies_take_every_input_once(run: Run) -> None:
    """Consume, transform, produce: every input is in one committed transaction, whoever dies on the way."""
    with run.workload(copies()):
        run.hold_steady(seconds=8)
        with run.inject(kill(coordinator_of("copies")), seconds=15) as killed:
            run.require(killed.observed)
        run.expect_recovery()
        with run.inject(isolate(leader_of("copies", 1)), seconds=15) as cut:
            run.require(cut.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_a_group_begins_where_it_stood(run: Run) -> None:
    """A new owner begins where its group had committed, and soon, though the coordinator died."""
    with run.workload(group(fresh_s=60)):
        run.hold_steady(seconds=8)
        with run.inject(kill(coordinator_of("group")), seconds=15) as killed:
            run.require(killed.observed)
        run.expect_recovery()
        run.hold_steady(seconds=10)
    run.verify()


@scenario(nightly=True)
def test_compaction_keeps_the_last_values(run: Run) -> None:
    """Each key has its last acknowledged value after compaction and the death of a leader."""
    with run.workload(compacted()):
        run.hold_steady(seconds=20)
        with run.inject(kill(leader_of("compacted", 0)), seconds=15) as killed:
            run.require(killed.observed)
        run.expect_recovery()
        run.hold_steady(seconds=20)
    run.verify()
