"""The museum: known bugs of the parts, each shown on a version that has it and on one that has not.

What the harness saw of each, and of those that have no scenario, stands in ``docs/explanation/museum.md``.
"""

from harness.scenario import (
    Run,
    controller,
    every_record_placed,
    flink,
    kill,
    metrics_complete,
    no_hanging_transaction,
    none_late,
    one_quorum_leader,
    partition,
    s3_refuses,
    scenario,
    task_manager,
)


def _cut_the_controller_off(run: Run) -> None:
    with run.load(rate=300):
        run.hold_steady(seconds=5)
        with run.inject(partition(controller(), "brokers"), seconds=25) as cut:
            run.require(cut.observed)
        run.expect_recovery(within=60)
    run.verify()


@scenario(
    guarantees=[one_quorum_leader()], expect="broken", nightly=True, settings={"kafka.version": "3.5.1"}
)
def test_quorum_leader_stays(run: Run) -> None:
    """KAFKA-15489: before Kafka 3.7 a quorum leader that nobody follows any more does not step down."""
    _cut_the_controller_off(run)


@scenario(guarantees=[one_quorum_leader()], nightly=True, settings={"kafka.version": "3.9.1"})
def test_quorum_leader_steps_down(run: Run) -> None:
    """Since Kafka 3.7 a quorum leader that is cut off from the others steps down."""
    _cut_the_controller_off(run)


def _abort_unheard(run: Run) -> None:
    with run.load(rate=100):
        run.hold_steady(seconds=5)
        with run.transaction() as transaction:
            with run.inject(partition(transaction.leader, "clients"), seconds=1) as cut:
                run.require(cut.observed)
                transaction.abort()
            run.expect_recovery(within=60)
    run.verify()


@scenario(
    guarantees=[no_hanging_transaction()], expect="broken", nightly=True, settings={"kafka.version": "3.5.1"}
)
def test_late_record_hangs_its_transaction(run: Run) -> None:
    """KAFKA-14402: a record that arrives after its transaction was aborted begins one that nobody ends."""
    _abort_unheard(run)


@scenario(guarantees=[no_hanging_transaction()], nightly=True, settings={"kafka.version": "3.9.1"})
def test_late_record_is_refused(run: Run) -> None:
    """Since Kafka 3.6 a leader asks the coordinator before it takes the first record of a transaction."""
    _abort_unheard(run)


def _kill_a_task_manager(run: Run) -> None:
    # One producer: in each partition its records lie in the order of their event times.
    with run.load(rate=1_500, producers=1, processes=1):
        run.hold_steady(seconds=8)
        with run.inject(kill(task_manager(1)), seconds=3) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(
    stack="edge",
    guarantees=[none_late()],
    expect="broken",
    nightly=True,
    settings={"flink.version": "1.17.2"},
)
def test_watermark_runs_ahead_after_a_restart(run: Run) -> None:
    """FLINK-32828: after a restart the watermark runs ahead of records not read yet, which are then late."""
    _kill_a_task_manager(run)


@scenario(stack="edge", guarantees=[none_late()], nightly=True, settings={"flink.version": "1.20.1"})
def test_watermark_waits_after_a_restart(run: Run) -> None:
    """In Flink 1.20 the watermark waits for every partition after a restart: no record becomes late."""
    _kill_a_task_manager(run)


@scenario(
    stack="edge",
    guarantees=[every_record_placed()],
    nightly=True,
    settings={
        "job.guarantee": "at-least-once",
        "flink.config.execution.checkpointing.timeout": "400s",
    },
    budgets={"late_share": 1.0, "throughput_share": 0.0},
)
def test_expired_record_is_not_swallowed(run: Run) -> None:
    """FLINK-35749: results that expire in a sink without transactions end the attempt, and none is lost."""
    with run.load(rate=500):
        run.hold_steady(seconds=12)
        with run.inject(partition(flink(), "brokers"), seconds=150) as cut:
            run.require(cut.observed)
        run.expect_caught_up(within=120)
    run.verify()


@scenario(stack="edge", guarantees=[metrics_complete()], expect="broken", nightly=True)
def test_vector_gives_a_refused_batch_up(run: Run) -> None:
    """vector#24215: a batch that the object store forbids (403) is not tried again, disk buffer or not."""
    with run.load(rate=500):
        run.hold_steady(seconds=12)
        with run.inject(s3_refuses(status=403), seconds=15) as refusing:
            run.require(refusing.observed)
        run.expect_caught_up(within=60)
    run.verify()
