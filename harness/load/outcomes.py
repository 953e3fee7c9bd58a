"""How an attempt ended, by the client's error code: the table that decides what a checker may demand.

*fail* is a promise that the record is not in the log; a wrong one turns a correct cluster into
a FAIL. So it is given in two cases only: the client refused the record at hand-over, or the
broker rejected the record's own bytes, which every earlier try of the same bytes met as well.
Everything else is *unknown*: a retried message may have been appended by a try whose answer
was lost, whatever the last answer says.
"""

# ruff: noqa: SLF001 - the client marks its local errors, public all the same, with an underscore

from __future__ import annotations

from confluent_kafka import KafkaError

from harness.model import Outcome

REJECTED_BY_CONTENT = {
    KafkaError.MSG_SIZE_TOO_LARGE: "the size limit is checked before the append, on every try",
    KafkaError.RECORD_LIST_TOO_LARGE: "the batch exceeds a segment, on every try",
    KafkaError.INVALID_RECORD: "the log layer refused the content, on every try",
    KafkaError.INVALID_TIMESTAMP: "the timestamp lies outside the topic's limits, on every try",
}
"""Broker answers that are *fail*, with the reason."""

MAY_EXIST = {
    KafkaError._MSG_TIMED_OUT: "expired in the client, perhaps after a try that reached the log",
    KafkaError._TIMED_OUT: "the request had no answer in time",
    KafkaError._TRANSPORT: "the connection broke with the request under way",
    KafkaError._ALL_BROKERS_DOWN: "no broker was left to ask",
    KafkaError._PURGE_QUEUE: "purged while queued, perhaps for a retry",
    KafkaError._PURGE_INFLIGHT: "purged while the request was under way",
    KafkaError._DESTROY: "the client was closed first",
    KafkaError._FATAL: "the producer session ended while the record was in its hands",
    KafkaError._STATE: "the producer session ended while the record was in its hands",
    KafkaError.REQUEST_TIMED_OUT: "appended by the leader, not confirmed by its followers in time",
    KafkaError.NOT_ENOUGH_REPLICAS: "refused this time; an earlier try may have been appended",
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: "appended by the leader, then too few followers",
    KafkaError.NOT_LEADER_FOR_PARTITION: "not definite: KAFKA-13574",
    KafkaError.LEADER_NOT_AVAILABLE: "refused this time; an earlier try may have been appended",
    KafkaError.KAFKA_STORAGE_ERROR: "the disk failed at an unknown point of the append",
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER: "an earlier batch of the session is in doubt",
    KafkaError.UNKNOWN_PRODUCER_ID: "the broker forgot the session; earlier tries are in doubt",
    KafkaError.INVALID_PRODUCER_EPOCH: "another session took over; earlier tries are in doubt",
    KafkaError.INVALID_MSG: "damaged on the way this time; an earlier try may have been appended",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the metadata may be stale; an earlier try may have been appended",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "rights may have been lost between two tries",
}
"""Answers that are known to be *unknown*, with the reason; so is every code not named anywhere."""


def of_delivery(code: int | None) -> Outcome:
    """The outcome of a delivery report with error *code*, None when there was none."""
    if code is None:
        return Outcome.OK
    return Outcome.FAIL if code in REJECTED_BY_CONTENT else Outcome.UNKNOWN


def of_refusal() -> Outcome:
    """The outcome of a record that ``produce_batch`` did not accept.

    Queue full, too large, no such partition: it was never queued, so nothing can have been sent.
    """
    return Outcome.FAIL


def described(code: int, name: str) -> str:
    """The error as the ledger states it: the client's *name* for *code*, and what it leaves open."""
    reason = REJECTED_BY_CONTENT.get(code) or MAY_EXIST.get(code) or "not known to be definite"
    return f"{name}: {reason}"
