"""JSON over HTTP to a component of the stack: every call is bounded, every failure keeps what was last seen.

No proxy of the environment is asked, nothing is retried: whoever waits does so with
``harness.waiting`` and retries on ``StackError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO

import requests
from pydantic import JsonValue

from harness.errors import StackError

_SHOWN = 300
"""So many characters of an answer that says no are kept: an error page can be long."""


class Refused(StackError):
    """An answer came and it was no.

    ``status`` is the HTTP status (0: what came is not JSON), ``said`` the whole text.
    """

    def __init__(self, url: str, status: int, said: str) -> None:
        self.status, self.said = status, said
        super().__init__(f"{url} answered {status or 'no JSON'}", why=" ".join(said.split())[:_SHOWN])


def get_json(url: str, seconds: float) -> JsonValue:
    """What *url* answers. Connecting, and each pause in the answer, may take *seconds*.

    Raises:
        StackError: no answer in time; ``Refused`` when there was one, but no JSON with a good status.
    """
    return _json(_answer("GET", url, seconds))


def get_text(url: str, seconds: float) -> str:
    """The text that *url* answers; raises as ``get_json`` does."""
    return _answer("GET", url, seconds).text


def post_json(url: str, seconds: float, body: Mapping[str, JsonValue] | None = None) -> JsonValue:
    """What *url* answers to *body*; raises as ``get_json`` does."""
    return _json(_answer("POST", url, seconds, body or {}))


def patch_json(url: str, seconds: float, body: Mapping[str, JsonValue] | None = None) -> JsonValue:
    """What *url* answers to the change *body*; raises as ``get_json`` does."""
    return _json(_answer("PATCH", url, seconds, body or {}))


def post_file(url: str, seconds: float, name: str, path: Path) -> JsonValue:
    """What *url* answers to the file at *path*, sent as form field *name*; raises as ``get_json`` does."""
    try:
        with path.open("rb") as content:
            form = {name: (path.name, content, "application/octet-stream")}
            return _json(_answer("POST", url, seconds, files=form))
    except OSError as error:
        raise StackError(f"{path} could not be sent to {url}", why=str(error)) from error


def post_bytes(url: str, seconds: float, body: bytes) -> bytes:
    """The bytes that *url* answers to *body*; raises as ``get_json`` does."""
    return _answer("POST", url, seconds, data=body).content


def status_of(url: str, seconds: float) -> int:
    """The HTTP status that *url* answers to HEAD, whatever it is.

    Raises:
        StackError: no answer in time.
    """
    return _answer("HEAD", url, seconds).status_code


def _answer(
    method: str,
    url: str,
    seconds: float,
    body: Mapping[str, JsonValue] | None = None,
    files: Mapping[str, tuple[str, IO[bytes], str]] | None = None,
    data: bytes | None = None,
) -> requests.Response:
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, url, json=body, files=files, data=data, timeout=seconds)
    except requests.RequestException as error:
        raise StackError(f"{url} gave no answer within {seconds:g} s", why=str(error)) from error
    if not answer.ok and method != "HEAD":
        raise Refused(url, answer.status_code, answer.text)
    return answer


def _json(answer: requests.Response) -> JsonValue:
    try:
        found: JsonValue = answer.json() if answer.content else None
    except ValueError as error:
        raise Refused(answer.url, 0, answer.text) from error
    return found
