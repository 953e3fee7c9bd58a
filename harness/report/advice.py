"""What a reader does next about each finding that is not a pass.

One step per kind of anomaly, chosen by the words in the checker's name, so a
new checker gets the general step until it has one of its own.
"""

from __future__ import annotations

from harness.report.headline import Trouble
from harness.verdict import Kind, Verdict

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
    known = next((step for words, step in _BY_WORD if any(word in name for word in words)), "")
    if known and (trouble.verdict is Verdict.FAIL or trouble.kind is Kind.SOUNDNESS):
        return known
    return _NOT_PROVEN if trouble.verdict is Verdict.UNKNOWN else _GENERAL
