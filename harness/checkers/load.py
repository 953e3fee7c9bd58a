"""Whether the load was the one asked for, and whether its two book-keepers agree.

The send error is the harness's own lateness, actual minus intended send. When
it is beyond its budget the harness was starved, and a missed budget of time
says nothing about the stack. Nor does it when a worker of the load was lost.
Locust counts batches and the ledger rows; a batch that ended mixed has several
rows in a row, which count as one batch.
"""

from __future__ import annotations

import numpy as np

from harness.checkers.guarantees import records, sentence
from harness.checkers.sequences import attempted_twice
from harness.checkers.timeline import SAMPLES_FOR_P99, millis, quantile
from harness.clock import NANOS_PER_SECOND
from harness.findings import Attempts, Finding, LoadReached
from harness.ledger.evidence import Evidence
from harness.model import LoadEnded, LoadPlanned, Outcome, Phase, PhaseEntered
from harness.verdict import Kind, Verdict


def reached(evidence: Evidence) -> LoadReached | None:
    """What the load asked for and reached; None when no load was planned."""
    if evidence.last(LoadPlanned) is None:
        return None
    attempts = evidence.attempts
    asked, seconds = _asked(evidence)
    number = int(attempts.count.sum())
    ended = {outcome: int(attempts.count[attempts.outcome == outcome].sum()) for outcome in Outcome}
    return LoadReached(
        asked_per_s=round(asked / seconds, 3) if seconds else 0.0,
        reached_per_s=round(number / seconds, 3) if seconds else 0.0,
        records=number,
        attempts=Attempts(ok=ended[Outcome.OK], fail=ended[Outcome.FAIL], unknown=ended[Outcome.UNKNOWN]),
        send_error_p99_ms=send_error_p99_ms(evidence),
    )


def send_error_p99_ms(evidence: Evidence) -> float | None:
    """The p99 of actual minus intended send in milliseconds; None with too few batches.

    Counted from the steady phase on: what fresh JVMs take from the load before is no measurement.
    """
    rows = evidence.attempts
    steady = [e.t for e in evidence.events if isinstance(e, PhaseEntered) and e.phase is Phase.STEADY]
    counted = rows.t_intended >= min(steady, default=0)
    late = np.maximum(rows.t_sent - rows.t_intended, 0)[counted]
    return millis(quantile(late, rows.count[counted], 0.99, SAMPLES_FOR_P99))


def starvation(evidence: Evidence) -> str:
    """How the harness itself was late beyond its budget, or lost a worker, as a clause; empty: neither."""
    if (unclean := _unclean(evidence)) is not None:
        return f"the load itself did not end cleanly: {unclean.detail}"
    late, limit = send_error_p99_ms(evidence), evidence.started.budgets.send_error_p99_ms
    if late is None or late <= limit:
        return ""
    return f"the harness itself was starved: it sent {late:,.1f} ms late at p99 (limit {limit:g} ms)"


def timed_verdict(*, known: bool, missed: bool, starved: str) -> Verdict:
    """The verdict of a budget of time or rate: a miss by a starved harness is UNKNOWN."""
    if not known or (missed and starved):
        return Verdict.UNKNOWN
    return Verdict.FAIL if missed else Verdict.PASS


def check_reached(evidence: Evidence, *, starved: str) -> Finding | None:
    """Hold the load reached against the load asked; None without a load of a given rate."""
    load = reached(evidence)
    if load is None or not any(e.rate > 0 for e in evidence.events if isinstance(e, LoadPlanned)):
        return None
    floor = evidence.started.budgets.load_reached
    known = bool(load.asked_per_s and load.records)
    missed = known and load.reached_per_s < floor * load.asked_per_s
    said = f"{load.reached_per_s:,.0f} of {load.asked_per_s:,.0f} records per second were attempted"
    return Finding(
        checker="load_reached",
        kind=Kind.BUDGET,
        verdict=timed_verdict(known=known, missed=missed, starved=starved),
        summary=sentence((said if known else "not proven: no load was measured", starved if missed else "")),
        compared={"records": load.records},
        violations=int(missed),
        limit=f"≥ {floor:.0%} of the load asked for",
    )


def check_agreement(evidence: Evidence) -> Finding | None:
    """Hold Locust's totals against the ledger, and the ledger against itself; None without a load."""
    if evidence.last(LoadPlanned) is None:
        return None
    ends = [event for event in evidence.events if isinstance(event, LoadEnded)]
    batches, failed = _batches(evidence)
    doubts = _doubts(evidence, ends, batches, failed)
    return Finding(
        checker="ledger_whole",
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNKNOWN if doubts or not batches else Verdict.PASS,
        summary=sentence(doubts or [f"Locust and the ledger agree: {records(batches, 'request')}"]),
        compared={"batches": batches, "locust requests": sum(event.locust_requests for event in ends)},
        violations=len(doubts),
    )


def _doubts(evidence: Evidence, ends: list[LoadEnded], batches: int, failed: int) -> list[str]:
    counted, lost = sum(e.locust_requests for e in ends), sum(e.locust_failures for e in ends)
    unclean = _unclean(evidence)
    again = attempted_twice(evidence)
    differ = f"Locust counted {counted:,} requests, the ledger {batches:,} batches"
    doubts = {
        "the load did not say that it ended": not ends,
        f"the load did not end cleanly ({unclean.detail if unclean else ''})": unclean is not None,
        "the ledger's tail was cut, so its last attempts count as unknown": evidence.tail_cut,
        f"{records(again)} attempted under an id already used": again > 0,
        differ: bool(ends) and counted != batches,
        f"Locust counted {lost:,} failures, the ledger {failed:,}": bool(ends) and lost != failed,
    }
    return [doubt for doubt, holds in doubts.items() if holds]


def _unclean(evidence: Evidence) -> LoadEnded | None:
    """The first load that did not end as it should."""
    ends = (event for event in evidence.events if isinstance(event, LoadEnded))
    return next((event for event in ends if not event.clean), None)


def _batches(evidence: Evidence) -> tuple[int, int]:
    """How many batches the ledger's rows make, and how many of them did not end ok."""
    rows = evidence.attempts
    if not rows.rows:
        return 0, 0
    order = np.lexsort((rows.first_seq, rows.producer, rows.partition))
    columns = np.stack([c[order] for c in (rows.partition, rows.producer, rows.t_intended, rows.t_sent)])
    touches = rows.first_seq[order][1:] == (rows.first_seq + rows.count)[order][:-1]
    opens = np.concatenate(([True], np.any(columns[:, 1:] != columns[:, :-1], axis=0) | ~touches))
    bad = np.logical_or.reduceat(rows.outcome[order] != Outcome.OK, np.flatnonzero(opens))
    return int(opens.sum()), int(bad.sum())


def _asked(evidence: Evidence) -> tuple[float, float]:
    """How many records all loads together were to send, and over how many seconds."""
    plans = [event for event in evidence.events if isinstance(event, LoadPlanned)]
    ends = [event for event in evidence.events if isinstance(event, LoadEnded)]
    if len(plans) != len(ends):
        intended = evidence.attempts.t_intended
        seconds = float(np.ptp(intended)) / NANOS_PER_SECOND if len(intended) else 0.0
        return plans[-1].rate * seconds, seconds
    times = [(end.last_t - end.first_t) / NANOS_PER_SECOND for end in ends]
    return sum(plan.rate * time for plan, time in zip(plans, times, strict=True)), sum(times)
