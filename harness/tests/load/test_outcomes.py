"""Outcomes: only what cannot be in the log is a failure."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from harness.load import outcomes
from harness.model import Outcome


def test_no_error_is_ok() -> None:
    """A delivery report without an error is an acknowledgement."""
    assert outcomes.of_delivery(None) is Outcome.OK


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD])
def test_rejected_content_is_fail(code: int) -> None:
    """What the broker rejects for the record's own bytes was never appended."""
    assert outcomes.of_delivery(code) is Outcome.FAIL


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._FATAL,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN,
        12_345,
    ],
)
def test_doubt_is_unknown(code: int) -> None:
    """Timeouts, disconnects, purges, retriable answers and codes nobody knows may have reached the log."""
    assert outcomes.of_delivery(code) is Outcome.UNKNOWN


def test_no_code_is_in_both_tables() -> None:
    """A code is definite or not, never both."""
    assert set() == outcomes.REJECTED_BY_CONTENT.keys() & outcomes.MAY_EXIST.keys()


def test_ledger_text_names_code_and_reason() -> None:
    """The ledger's error names the client's code and why it leaves what it leaves open."""
    text = outcomes.described(KafkaError._PURGE_QUEUE, "_PURGE_QUEUE")

    assert text == "_PURGE_QUEUE: purged while queued, perhaps for a retry"
