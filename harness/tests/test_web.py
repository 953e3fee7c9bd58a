"""The HTTP client: bounded, typed errors, no proxy, and what was last seen is kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.tests.webserver import Answers, WebServer
from harness.web import Refused, get_json, get_text, patch_json, post_file, post_json, status_of


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A server on loopback that answers as a test tells it to."""
    with WebServer() as running:
        yield running


def test_json_comes_back_as_values(server: WebServer) -> None:
    """An answer is parsed, and the method and body of each call arrive as given."""
    server.says("/jobs", Answers(text='{"jobs": [1]}'))

    assert get_json(server.url("/jobs"), 1) == {"jobs": [1]}
    assert post_json(server.url("/jobs"), 1, {"a": 1}) == {"jobs": [1]}
    assert patch_json(server.url("/jobs"), 1) == {"jobs": [1]}
    assert server.seen == [("GET", "/jobs", ""), ("POST", "/jobs", '{"a": 1}'), ("PATCH", "/jobs", "{}")]


def test_a_refusal_keeps_its_status_and_words(server: WebServer) -> None:
    """A status that is no success is an error with the status and what the server said."""
    server.says("/jars", Answers(status=404, text="no such\njar"))

    with pytest.raises(Refused) as told:
        get_text(server.url("/jars"), 1)

    assert told.value.status == 404
    assert "answered 404: no such jar" in told.value.sentence()


def test_an_answer_that_is_no_json_is_refused(server: WebServer) -> None:
    """A page of HTML where JSON belongs is an error, and an empty answer is None."""
    server.says("/page", Answers(text="<html>"))
    server.says("/empty", Answers(text=""))

    with pytest.raises(Refused, match="no JSON: <html>"):
        get_json(server.url("/page"), 1)
    assert get_json(server.url("/empty"), 1) is None


def test_silence_is_bounded(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing costs the given time and no more; no proxy is asked."""
    monkeypatch.setenv("http_proxy", server.url("/"))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        with pytest.raises(StackError, match="no answer within"):
            get_json(f"http://127.0.0.1:{port}/jobs", 0.1)

    assert server.seen == []


def test_a_file_is_sent_as_a_form(server: WebServer, tmp_path: Path) -> None:
    """A jar goes up under the field's name and its own, and a missing one is an error of the stack."""
    jar = tmp_path / "edge.jar"
    jar.write_bytes(b"PK")
    server.says("/jars/upload", Answers(text='{"status": "success"}'))

    assert post_file(server.url("/jars/upload"), 1, "jarfile", jar) == {"status": "success"}
    assert 'name="jarfile"; filename="edge.jar"' in server.seen[0][2]
    with pytest.raises(StackError):
        post_file(server.url("/jars/upload"), 1, "jarfile", tmp_path / "none.jar")


def test_any_status_is_an_answer_to_head(server: WebServer) -> None:
    """Whoever only asks whether someone is there gets the status, good or bad."""
    server.says("/", Answers(status=403, text=""))

    assert status_of(server.url("/"), 1) == 403
