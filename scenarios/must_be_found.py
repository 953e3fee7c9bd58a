"""Stacks that are set up to break a promise: the harness must say FAIL and show the records.

A tool that never fails proves nothing. Each of these has a twin above that holds.
"""

from harness.scenario import (
    Run,
    kill,
    leader_of,
    no_duplicates,
    no_loss,
    order_per_key,
    partition,
    scenario,
)


@scenario(expect="broken", guarantees=[no_loss()])
def test_acks_one_loses(run: Run) -> None:
    """With acks=1 a leader cut off from its followers acknowledges records that its successor never had."""
    client = {"acks": "1", "enable.idempotence": "false"}
    topic = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
    with run.load(rate=4_000, client=client, topic_config=topic):
        run.hold_steady(seconds=5)
        with run.inject(partition(leader_of("orders", 0), "brokers"), seconds=18) as cut:
            run.require(cut.observed)
        run.expect_recovery()
    run.verify()


@scenario(expect="broken", guarantees=[no_duplicates(), order_per_key()], nightly=True)
def test_retries_without_idempotence_repeat(run: Run) -> None:
    """Without idempotence a record whose acknowledgement was cut off is sent, and stored, again."""
    client = {"enable.idempotence": "false", "socket.timeout.ms": "1000", "request.timeout.ms": "1000"}
    with run.load(rate=4_000, client=client):
        run.hold_steady(seconds=5)
        for _ in range(4):
            flap = partition(leader_of("orders", 0), "clients", direction="out")
            with run.inject(flap, seconds=3) as cut:
                run.require(cut.observed)
            run.expect_recovery()
    run.verify()


@scenario(expect="broken", guarantees=[no_loss()], nightly=True)
def test_single_replica_wiped_loses(run: Run) -> None:
    """With one replica and a wiped disk every record of that partition is gone, acknowledged or not."""
    with run.load(rate=4_000, replication=1, topic_config={"min.insync.replicas": "1"}):
        run.hold_steady(seconds=5)
        with run.inject(kill(leader_of("orders", 0), wipe=True), seconds=12) as wiped:
            run.require(wiped.observed)
        run.expect_recovery()
    run.verify()
