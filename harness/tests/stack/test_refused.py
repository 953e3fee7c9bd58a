"""Whatever way the API server's refusal takes, its own words and status come out."""

from __future__ import annotations

import json

import pytest
from kubernetes.client.exceptions import ApiException

from harness.stack.kubernetes.connection import Refused

BODY = json.dumps({"kind": "Status", "message": 'pods "a" is forbidden: User "b" cannot get it', "code": 403})


def by_http() -> ApiException:
    """As the client raises it for a plain call."""
    error = ApiException(status=403, reason="Forbidden")
    error.body = BODY
    return error


def by_websocket() -> ApiException:
    """As the client raises it for ``exec``: the handshake's answer, in words of its own."""
    return ApiException(
        status=0, reason=f"Handshake status 403 Forbidden -+-+- {{'date': 'now'}} -+-+- {BODY}\n"
    )


@pytest.mark.parametrize("error", [by_http(), by_websocket()], ids=["http", "websocket"])
def test_a_missing_right_is_told_in_the_servers_words(error: ApiException) -> None:
    """What is forbidden to whom, and which command prints the Role that allows it."""
    told = Refused("true could not be run in pod a", error)

    assert told.status == 403
    assert told.why == 'pods "a" is forbidden: User "b" cannot get it'
    assert "harness rbac" in told.fix


def test_no_answer_is_no_refusal() -> None:
    """A handshake that never got an answer has no status, and no remedy is made up."""
    told = Refused("true could not be run in pod a", ApiException(status=0, reason="Connection reset"))

    assert (told.status, told.fix) == (0, "")
    assert "Connection reset" in told.why
