"""How what a client asked for ended: the table that decides what a checker may demand of it.

*fail* is a promise, so it is given only where nothing can have been sent. A commit is tried again by
the client itself, so its last answer says nothing of an earlier try; an abort that was granted says that the
transaction was not committed, for a coordinator that had committed it would have refused.
"""

# ruff: noqa: SLF001 - the client marks its local errors, public all the same, with an underscore

from __future__ import annotations

from confluent_kafka import KafkaError

from harness.history.operations import End
from harness.model import Outcome

_NEVER_SENT = {
    KafkaError._NO_OFFSET: "there was nothing to commit",
    KafkaError._INVALID_ARG: "the client refused the call",
}
"""Errors of a commit of offsets that are *fail*: the client had not asked the coordinator."""

_ENDS: dict[Outcome, End] = {Outcome.OK: "ok", Outcome.FAIL: "fail", Outcome.UNKNOWN: "unknown"}


def end_of(outcome: Outcome) -> End:
    """The outcome of an attempt, in the words of a history."""
    return _ENDS[outcome]


def of_offsets(error: KafkaError | None) -> End:
    """How a commit of a group's offset ended.

    A generation that is over, a member that is not known, a rebalance: refused this time, and an earlier try
    of the same call may have been taken.
    """
    if error is None:
        return "ok"
    return "fail" if error.code() in _NEVER_SENT else "unknown"
