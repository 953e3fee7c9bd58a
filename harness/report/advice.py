"""What a reader does next about each finding that is not a pass.

One step per checker of the pipeline, by its name; for all others one step per
kind of anomaly, chosen by the words in the name, so that a new checker gets the
general step until it has one of its own.
"""

from __future__ import annotations

from harness.report.headline import Trouble
from harness.verdict import Kind, Verdict

_BY_NAME = {
    "results_exact": (
        "Take a witness, a key and a window, and look in the hop table whether the source log was read to "
        "the end. A count too low points to records that were dropped as late or lost with a state, one "
        "too high to a replay that the deduplication no longer knew: compare job.dedup_ttl_ms with the "
        "longest outage."
    ),
    "results_single": (
        "Check job.guarantee: at-least-once sinks repeat what they wrote after the last checkpoint. With "
        "exactly-once, check that the reader sees committed records only, and compare the offsets of a "
        "witness with the instants of the restarts in the pipeline's panels."
    ),
    "every_record_placed": (
        "A record is in no window, not late and not refused. Look at the instant of a witness for a "
        "restart without a state (job-started, restored_from), and for a transaction that a broker aborted: "
        "compare transaction.timeout.ms with the longest stretch without a completed checkpoint."
    ),
    "state_kept": (
        "Running totals jumped: the job began without its state. Look at job-started in the events for what "
        "it was restored from, and at flink.upgrade: stateless forgets everything."
    ),
    "archive_complete": (
        "Look at the checkpoints around the witness: part files become objects when a checkpoint completes. "
        "Check that the job was restored from its last checkpoint, and that nothing in the bucket expires "
        "or was deleted. The record itself is still in the source log."
    ),
    "archive_single": (
        "The same offset lies in two objects: compare their times with the restarts in the panels. "
        "A job that restarts without its state reads again what it had archived already."
    ),
    "archive_intact": (
        "Fetch the object that the witness names and unpack it. A cut gzip stream points to an upload that "
        "ended early: look for the object store's stretches without an answer in the pipeline's panels."
    ),
    "metrics_complete": (
        "Look at Vector's panel: errors while it scraped, or buffers that filled and then dropped. Then "
        "check that its buffer is on disk and that acknowledgements are on."
    ),
    "processing_latency": (
        "Compare the panels of lag, watermark and back pressure: a lag that grows means the job is too slow, "
        "a watermark that stands still with no lag means a source partition is idle."
    ),
    "throughput": (
        "See in the panel of the busiest vertex which it is, busy or back pressured: the first busy vertex "
        "behind the pressed ones is the bottleneck. Give it slots, or lower the rate."
    ),
    "error_rate": (
        "Read the reasons of the dead letters in the ledger (placed), then Vector's errors in the pipeline's "
        "panels: the two have different owners."
    ),
    "resource_utilisation": (
        "Find the node that grows in the resources: a memory that never levels is a state without an end, "
        "a full CPU is a bottleneck. Give the stack more, or the load less."
    ),
}

_BY_WORD: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("loss", "lost"),
        (
            "Take a witness from the table above: find the leader of its partition at that instant in the "
            "logs, and look for an election or a log truncation. Then check acks, min.insync.replicas and "
            "unclean.leader.election.enable in the environment."
        ),
    ),
    (
        ("dup",),
        (
            "Check enable.idempotence and retries of the producer in the environment. Then compare the "
            "offsets of one witness: neighbours point to a client's retry, far ones to a producer that "
            "was started again."
        ),
    ),
    (
        ("order",),
        (
            "Check enable.idempotence and max.in.flight.requests.per.connection in the environment. Then "
            "read the witness's partition around its instant for a retry that its successor overtook."
        ),
    ),
    (
        ("phantom",),
        (
            "A record came back that was never attempted, or whose attempt had definitely failed. Check "
            "that nothing else writes to the topic, and with which error the witness's attempt ended."
        ),
    ),
    (
        ("integrity", "corrupt"),
        (
            "Read the witness's offset with a plain consumer and compare the bytes. If they differ there "
            "too, the damage is on a broker's disk or on the wire."
        ),
    ),
    (
        ("recover", "unavail", "avail"),
        (
            "Compare expected and measured in the recovery table and read from which settings the "
            "expectation was computed. Then read the controller's log from the injection on."
        ),
    ),
    (
        ("latency",),
        (
            "See in the timeline whether the slow moments lie inside a fault. If they do not, look at the "
            "harness's own strips first: a starved client looks like a slow broker."
        ),
    ),
    (
        ("load", "send"),
        (
            "The load fell short, so the run proves less than it should. Look at the harness's strips in "
            "the timeline; lower the rate, or give the machine to the run alone."
        ),
    ),
    (
        ("fence", "read", "ledger", "complete"),
        (
            "Not everything was read back, and unseen is not lost. Look for a partition without a leader "
            "at the end of the run, then run the scenario again with the same seed."
        ),
    ),
)

_FAULT_LEFT = (
    "Run “harness heal” now, on the machine where the run was made, and read what it removed. "
    "It is safe to repeat."
)
_NOT_PROVEN = (
    "Run the scenario again with the same seed. If it stays unknown, read the notes and the logs for what "
    "kept the harness from seeing."
)
_GENERAL = "Look up the first witness in the ledger and read the logs around its instant."


def next_step(trouble: Trouble) -> str:
    """What to do about *trouble*."""
    if trouble.verdict is Verdict.UNSAFE:
        return _FAULT_LEFT
    name = trouble.name.lower()
    by_word = (step for words, step in _BY_WORD if any(word in name for word in words))
    known = _BY_NAME.get(name) or next(by_word, "")
    if known and (trouble.verdict is Verdict.FAIL or trouble.kind is Kind.SOUNDNESS):
        return known
    return _NOT_PROVEN if trouble.verdict is Verdict.UNKNOWN else _GENERAL
