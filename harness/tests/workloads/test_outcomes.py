"""A claim that is too bold makes a correct cluster look wrong: what may have taken effect is unknown."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from harness.history.operations import End
from harness.load.outcomes import MAY_EXIST, REJECTED_BY_CONTENT, of_delivery
from harness.workloads.outcomes import end_of, of_offsets

_CODES = [value for name, value in vars(KafkaError).items() if isinstance(value, int) and name.isupper()]


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (None, "ok"),
        *((code, "fail") for code in REJECTED_BY_CONTENT),
        *((code, "unknown") for code in MAY_EXIST),
        (KafkaError._FENCED, "unknown"),
        (KafkaError.INVALID_TXN_STATE, "unknown"),
    ],
)
def test_a_delivery_fails_only_where_it_certainly_did(code: int | None, end: End) -> None:
    """The table of the load, in the words of a history."""
    assert end_of(of_delivery(code)) == end


@pytest.mark.parametrize("code", _CODES)
def test_a_commit_of_offsets_is_unknown_unless_it_was_never_asked_for(code: int) -> None:
    """A generation that is over says nothing of an earlier try of the same call."""
    if not code:
        return
    never_sent = code in {KafkaError._NO_OFFSET, KafkaError._INVALID_ARG}

    assert of_offsets(KafkaError(code)) == ("fail" if never_sent else "unknown")


def test_a_commit_without_an_error_took_effect() -> None:
    """The coordinator said so for that very partition."""
    assert of_offsets(None) == "ok"
