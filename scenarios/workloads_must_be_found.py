"""Clients that do one thing wrong, and settings that lose: each must end as FAIL, with its anomaly named.

Each has a twin in ``workloads.py`` that holds.
"""

from harness.scenario import (
    Run,
    Workload,
    compacted,
    copies,
    group,
    leader_of,
    no_anomaly,
    partition,
    scenario,
    transactions,
    transfers,
)


def _play(run: Run, workload: Workload, *, seconds: float = 10) -> None:
    with run.workload(workload):
        run.hold_steady(seconds=seconds)
    run.verify()


@scenario(expect="broken", guarantees=[no_anomaly("conservation")], nightly=True)
def test_halves_of_transfers_are_found(run: Run) -> None:
    """A transfer whose halves are two transactions creates and destroys money when one of them is aborted."""
    _play(run, transfers(wrong="halves"))


@scenario(expect="broken", guarantees=[no_anomaly("zombie_write")], nightly=True)
def test_zombies_that_nobody_fences_are_found(run: Run) -> None:
    """With a transactional id for each process nobody fences a frozen one, and it writes on when it thaws."""
    _play(run, transactions(wrong="identities"), seconds=25)


@scenario(expect="broken", guarantees=[no_anomaly("int_poll_skip")], nightly=True)
def test_a_reader_that_leaves_records_out_is_found(run: Run) -> None:
    """A consumer that drops a record of a poll has passed over what another one was handed."""
    _play(run, transactions(wrong="skips"))


@scenario(expect="broken", guarantees=[no_anomaly("poll_skip")], nightly=True)
def test_a_reader_that_jumps_is_found(run: Run) -> None:
    """A consumer whose next poll begins too high has skipped what is visible between the two."""
    _play(run, transactions(wrong="jumps"))


@scenario(expect="broken", guarantees=[no_anomaly("aborted_read")], nightly=True)
def test_a_reader_of_open_transactions_is_found(run: Run) -> None:
    """A consumer that forgot isolation.level sees what is not committed, and what never will be."""
    _play(run, transactions(wrong="sees_open"))


@scenario(expect="broken", guarantees=[no_anomaly("commit_ahead")], nightly=True)
def test_offsets_committed_ahead_are_found(run: Run) -> None:
    """A member that commits more than it was handed loses it for its group when it dies."""
    _play(run, group(wrong="commits_ahead"))


@scenario(expect="broken", guarantees=[no_anomaly("inputs_twice")], nightly=True)
def test_offsets_committed_beside_the_transaction_are_found(run: Run) -> None:
    """With input offsets outside of its transactions an application copies some inputs twice."""
    _play(run, copies(wrong="commits_apart"), seconds=20)


@scenario(expect="broken", guarantees=[no_anomaly("latest_value")], nightly=True)
def test_deleted_values_are_found(run: Run) -> None:
    """A compacted topic whose records are deleted as well has lost the last value of some keys."""
    _play(run, compacted(wrong="forgets"))


@scenario(expect="broken", guarantees=[no_anomaly("lag")], nightly=True)
def test_records_that_wait_for_a_dead_member_are_found(run: Run) -> None:
    """What a member that froze had to read waits until its session has run out: longer than a second."""
    _play(run, group(fresh_s=1), seconds=20)


@scenario(expect="broken", guarantees=[no_anomaly("lost")], nightly=True)
def test_acks_one_loses_what_readers_had_seen(run: Run) -> None:
    """With acks=1 a leader cut off from its followers shows records that its successor never had."""
    weak = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
    with run.workload(group(client={"acks": "1", "enable.idempotence": "false"}, topic_config=weak)):
        run.hold_steady(seconds=5)
        with run.inject(partition(leader_of("group", 0), "brokers"), seconds=18) as cut:
            run.require(cut.observed)
        run.expect_recovery()
    run.verify()
