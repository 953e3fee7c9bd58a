"""``no_hanging_transaction``: behind an aborted transaction the log lets its readers go on.

A transaction hangs when a record of it is appended after its end: the broker then takes it for open,
and nobody will ever end it. Readers of committed records stand at the last stable offset for good
(KAFKA-14402, KIP-890).
"""

from __future__ import annotations

from harness.checkers.guarantees import Count, judged, records
from harness.findings import Finding, Witness
from harness.ledger.evidence import Evidence
from harness.model import TransactionSettled

NAME = "no_hanging_transaction"


def check(evidence: Evidence) -> Finding | None:
    """Count the aborted transactions behind which readers hang; None unless the scenario asks for it."""
    if NAME not in {each.name for each in evidence.started.guarantees}:
        return None
    looked = [event for event in evidence.events if isinstance(event, TransactionSettled)]
    unread = [event for event in looked if not event.end]
    hanging = [event for event in looked if event.stable < event.end]
    count = Count(
        compared={"aborted transactions": len(looked) - len(unread)},
        violations=len(hanging),
        held=f"Behind {records(len(looked), 'aborted transaction')} readers go on.",
        broken=f"Of {records(len(looked), 'aborted transaction')}, {len(hanging)} hang: readers stand still.",
        doubt=f"{records(len(unread), 'partition')} did not name its end" if unread else "",
        witnesses=tuple(_witness(evidence, event) for event in hanging),
    )
    return judged(NAME, evidence, count)


def _witness(evidence: Evidence, event: TransactionSettled) -> Witness:
    return Witness(
        partition=event.partition,
        offsets=(event.stable,),
        at_s=evidence.seconds(event.t),
        detail=f"{event.topic}/{event.partition} ends at {event.end}, and {event.watched_s:.0f} s later its "
        f"last stable offset is {event.stable}",
    )
