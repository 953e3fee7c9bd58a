"""Pipelines that are set up to break a promise: each must be found broken, with its witnesses.

Every one differs from the stack ``edge``, which holds under the same fault, in the settings shown.
"""

from harness.scenario import (
    Run,
    archive_complete,
    every_record_placed,
    job_manager,
    kill,
    results_exact,
    results_single,
    s3_slow,
    scenario,
    state_kept,
    task_manager,
)


@scenario(
    stack="edge",
    expect="broken",
    guarantees=[results_single()],
    settings={"job.guarantee": "at-least-once"},
)
def test_sink_without_exactly_once(run: Run) -> None:
    """A sink that is not exactly-once repeats the results since the last checkpoint."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=6)
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
    """A transaction that the broker gives up before its checkpoint is complete loses what it held, silently."""
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
