"""All checks of a history, merged: the worst wins, and a check that fails to work is UNKNOWN."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from pydantic import Field

from harness.anomalies.facts import Facts
from harness.anomalies.found import Found, finding
from harness.anomalies.freshness import lag
from harness.anomalies.groups import (
    commit_ahead,
    inputs_left_out,
    inputs_twice,
    left_behind,
    redelivered_committed,
)
from harness.anomalies.keyed import conservation, latest_value
from harness.anomalies.order import nonmono_send, read_before_write, realtime_offset
from harness.anomalies.places import (
    ack_offset_mismatch,
    divergent_readers,
    duplicate_log,
    epoch_regression,
    inconsistent_offset,
)
from harness.anomalies.presence import aborted_read, damaged, lost, misrouted, phantom
from harness.anomalies.reading import int_nonmono_poll, int_poll_skip, nonmono_poll, poll_skip
from harness.anomalies.transactions import (
    hanging_transaction,
    own_read,
    precommitted_read,
    read_cycle,
    torn_transaction,
    zombie_write,
)
from harness.findings import Finding, Reached, digest
from harness.history.columns import Columns
from harness.history.operations import History
from harness.model import Frozen
from harness.verdict import Kind, Verdict, exit_code, worst

SCHEMA: Literal["edge-harness/history-verdict/1"] = "edge-harness/history-verdict/1"

_LOG = logging.getLogger(__name__)

Check: TypeAlias = Callable[[Facts], Found | None]

ALWAYS: tuple[Check, ...] = (lost, duplicate_log, phantom, misrouted, damaged, aborted_read)
"""Checks that every history has something for; nothing to compare makes them UNKNOWN."""

WHERE_TOLD: tuple[Check, ...] = (
    ack_offset_mismatch,
    inconsistent_offset,
    divergent_readers,
    realtime_offset,
    nonmono_send,
    read_before_write,
    int_poll_skip,
    poll_skip,
    nonmono_poll,
    int_nonmono_poll,
    torn_transaction,
    precommitted_read,
    own_read,
    read_cycle,
    zombie_write,
    hanging_transaction,
    redelivered_committed,
    commit_ahead,
    left_behind,
    inputs_twice,
    inputs_left_out,
    lag,
    epoch_regression,
    latest_value,
    conservation,
)
"""Checks of what not every history has, e.g. transactions; ``nothing_for`` names those left out."""


class HistoryVerdict(Frozen):
    """What was found in a history. ``fence``: whether every partition was read through one.

    ``nothing_for`` names the checks that the history has nothing for. ``covered_percent`` is the share of
    the due records that somebody read for, rounded down. ``settings_digest`` is the SHA-256 of the
    settings under which it was judged.
    """

    schema_: Literal["edge-harness/history-verdict/1"] = Field(default=SCHEMA, alias="schema")
    verdict: Verdict
    exit_code: int
    settings: History
    settings_digest: str
    fence: Reached
    covered_percent: int
    operations: int
    findings: tuple[Finding, ...]
    nothing_for: tuple[str, ...]


def judge(columns: Columns, operations: int) -> HistoryVerdict:
    """Every check of *columns*, which hold that many operations."""
    facts = Facts(columns)
    found = tuple(_findings(facts))
    made = {each.checker for each in found}
    fence, percent = _fence(facts), _covered_percent(facts, found)
    settings = digest(columns.settings.model_dump_json())
    told = {"fence": fence, "covered_pct": percent, "config_digest": settings}
    findings = tuple(each.model_copy(update=told) for each in found)
    return HistoryVerdict(
        verdict=worst(each.verdict for each in findings),
        exit_code=int(exit_code([(each.kind, each.verdict) for each in findings], aborted=False)),
        settings=columns.settings,
        settings_digest=settings,
        fence=fence,
        covered_percent=percent,
        operations=operations,
        findings=findings,
        nothing_for=tuple(name for check in WHERE_TOLD if (name := check.__name__) not in made),
    )


def _covered_percent(facts: Facts, found: tuple[Finding, ...]) -> int:
    due = int(facts.records.due.sum())
    covered = next((each.compared.get("covered", 0) for each in found if each.checker == "lost"), 0)
    return 100 * covered // due if due else 0


def _findings(facts: Facts) -> Iterator[Finding]:
    for check in (*ALWAYS, *WHERE_TOLD):
        found = _checked(facts, check)
        if isinstance(found, Finding):
            yield found
        elif found is not None and (check in ALWAYS or not found.idle):
            yield finding(facts, found)


def _checked(facts: Facts, check: Check) -> Found | Finding | None:
    """What *check* says; a defect of its own must neither hide the others nor pass for a PASS."""
    try:
        return check(facts)
    except Exception as error:  # noqa: BLE001 - as in harness.checkers.compose
        name = check.__name__
        _LOG.exception("check failed name=%s", name)
        summary = f"Not proven: the check itself failed ({type(error).__name__}: {error})."
        return Finding(checker=name, kind=Kind.GUARANTEE, verdict=Verdict.UNKNOWN, summary=summary)


def _fence(facts: Facts) -> Reached:
    whole = facts.whole_logs
    if len(whole) and whole.all():
        return "complete"
    return "partial" if whole.any() else "none"
