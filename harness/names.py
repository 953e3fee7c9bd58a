"""The closed sets of names that scenarios ask by: guarantees of a ledger, anomalies of a history."""

from __future__ import annotations

from typing import Literal

GuaranteeName = Literal[
    "no_loss",
    "no_duplicates",
    "order_per_key",
    "no_phantoms",
    "integrity",
    "results_exact",
    "results_single",
    "every_record_placed",
    "state_kept",
    "archive_complete",
    "archive_single",
    "archive_intact",
    "metrics_complete",
    "none_late",
    "one_quorum_leader",
    "no_hanging_transaction",
]

AnomalyName = Literal[
    "lost",
    "duplicate_log",
    "phantom",
    "misrouted",
    "damaged",
    "aborted_read",
    "ack_offset_mismatch",
    "inconsistent_offset",
    "divergent_readers",
    "realtime_offset",
    "nonmono_send",
    "read_before_write",
    "int_poll_skip",
    "poll_skip",
    "nonmono_poll",
    "int_nonmono_poll",
    "torn_transaction",
    "precommitted_read",
    "own_read",
    "read_cycle",
    "zombie_write",
    "hanging_transaction",
    "redelivered_committed",
    "commit_ahead",
    "left_behind",
    "inputs_twice",
    "inputs_left_out",
    "lag",
    "epoch_regression",
    "latest_value",
    "conservation",
]
"""Those that `harness.anomalies.judge` looks for; docs/reference/history.md says what violates each."""
