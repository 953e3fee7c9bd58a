"""Pipelines that are set up to break a promise: each must be found broken, with its witnesses.

Every one differs from the stack ``edge``, which holds under the same fault, in the settings shown.
"""

from harness.scenario import (
    Run,
    archive_complete,
    disk_full,
    every_record_placed,
    job_manager,
    kill,
    leader_of,
    none_late,
    object_store,
    partition,
    results_exact,
    results_single,
    s3_refuses,
    s3_slow,
    scenario,
    starve,
    state_kept,
    task_manager,
)

IMPATIENT = {
    "flink.config.execution.checkpointing.tolerable-failed-checkpoints": "0",
    "flink.config.execution.checkpointing.timeout": "8s",
    "flink.config.restart-strategy": "none",
    "job.transaction_timeout_ms": "20000",
}
"""A checkpoint that takes longer than eight seconds ends the job, and its transactions soon after it."""


@scenario(
    stack="edge",
    expect="broken",
    guarantees=[results_single()],
    # Without the archive nothing but checkpoints needs the object store: results go on while it refuses.
    settings={"job.guarantee": "at-least-once", "job.archive": ""},
)
def test_sink_without_exactly_once(run: Run) -> None:
    """A sink that is not exactly-once repeats the results since the last checkpoint."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(s3_refuses(), seconds=10) as refusing:
            run.require(refusing.observed)
            run.require(run.acked_in(seconds=4) > 0, "nothing came that no checkpoint holds")
            with run.inject(kill(task_manager(1)), seconds=3) as killed:
                run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    nightly=True,
    guarantees=[results_exact(), every_record_placed()],
    settings={
        "job.transaction_timeout_ms": "6000",
        "kafka.properties.transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    },
)
def test_transaction_timeout_too_short(run: Run) -> None:
    """A transaction that the broker gives up before its checkpoint completes loses its records, silently."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(s3_slow(delay_ms=5_000), seconds=40) as slow:
            run.require(slow.observed)
        run.expect_caught_up(within=120)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    nightly=True,
    guarantees=[results_exact(), every_record_placed(), archive_complete()],
    settings={"flink.config.restart-strategy": "none"},
)
def test_no_restart_strategy(run: Run) -> None:
    """Without a restart strategy the first death of a TaskManager ends the job for good."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(kill(task_manager(1)), seconds=3) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=5)
    run.verify()


@scenario(stack="edge", expect="broken", nightly=True, guarantees=[state_kept(), results_exact()])
def test_job_manager_lost_without_ha(run: Run) -> None:
    """Without high availability a lost JobManager takes the state along: totals begin anew."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(kill(job_manager()), seconds=3) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    nightly=True,
    guarantees=[none_late()],
    settings={"job.out_of_order_ms": "0"},
)
def test_windows_close_too_early(run: Run) -> None:
    """A bound of disorder smaller than what producers do closes windows before their records are there."""
    with run.load(rate=1_500, disorder_ms=400):
        run.hold_steady(seconds=15)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(
    stack="edge", expect="broken", nightly=True, guarantees=[none_late()], settings={"job.idle_ms": "1000"}
)
def test_silent_partition_forgotten(run: Run) -> None:
    """A partition that is taken for idle while its leader is out of reach has its records late afterwards."""
    with run.load(rate=1_500, producers=1, processes=1):
        run.hold_steady(seconds=8)
        with run.inject(partition(leader_of("orders", 0), "clients"), seconds=5) as cut:
            run.require(cut.observed)
        run.expect_recovery()
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", expect="broken", nightly=True, guarantees=[none_late()])
def test_slow_clock_is_late(run: Run) -> None:
    """A producer whose clock is slow by more than the bound of disorder has its records late."""
    with run.load(rate=1_500, clock_skew_ms=(0, 0, -3_000, 200)):
        run.hold_steady(seconds=15)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    nightly=True,
    guarantees=[results_exact(), every_record_placed()],
    settings={"job.invalid": "fail", "flink.config.restart-strategy.fixed-delay.attempts": "3"},
)
def test_poison_pill(run: Run) -> None:
    """A job that fails on a record it cannot process fails on it after each restart, until it gives up."""
    with run.load(rate=500, poison_share=0.001):
        run.hold_steady(seconds=15)
        run.expect_caught_up(within=5)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    nightly=True,
    guarantees=[results_exact(), every_record_placed()],
    settings=IMPATIENT,
)
def test_back_pressure_ends_the_job(run: Run) -> None:
    """Checkpoints wait behind a starved TaskManager's records; a job that tolerates no late one gives up."""
    with run.load(rate=4_000):
        run.hold_steady(seconds=8)
        with run.inject(starve(task_manager(1), share=0.05), seconds=45) as starved:
            run.require(starved.observed)
        run.expect_caught_up(within=5)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    nightly=True,
    guarantees=[results_exact(), every_record_placed(), archive_complete()],
    settings=IMPATIENT,
)
def test_full_disk_ends_the_job(run: Run) -> None:
    """A job that tolerates no failed checkpoint does not outlive a full disk at the object store."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(disk_full(object_store()), seconds=40) as full:
            run.require(full.observed)
        run.expect_caught_up(within=5)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    nightly=True,
    guarantees=[archive_complete()],
    settings={"flink.config.restart-strategy.fixed-delay.attempts": "3"},
)
def test_object_store_wiped(run: Run) -> None:
    """An object store that comes back empty has lost the archive, and what the job would go on from."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(kill(object_store(), wipe=True), seconds=3) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()
