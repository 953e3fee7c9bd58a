"""Time budgets for whole runs on a machine that may be small and busy; guarantees stay as strict as ever."""

from __future__ import annotations

BUDGETS = (
    "budgets.latency_p99_ms=60000",
    "budgets.recovery_slack_s=60",
    "budgets.catch_up_factor=4",
    "budgets.baseline_apart=30",
    "budgets.load_reached=0.3",
    "budgets.send_error_p99_ms=1000",
)
LOOSE = tuple(word for budget in BUDGETS for word in ("--set", budget))
"""The same as words of a command line."""
