"""What is said over exec streams: lines until they end, and output that is whole."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from harness.errors import StackError
from harness.stack.kubernetes.lines import LineStream, output_of
from harness.tests.stack.agents.doubles import Exec
from harness.waiting import NotYet, wait_for


def test_a_stream_that_breaks_ends_with_its_words() -> None:
    """Whoever waits for lines is told that none will come."""
    ended: list[str] = []
    stream = LineStream(Exec(lambda _line: None), lambda _line: None, ended.append)
    stream.send("x")
    wait_for(lambda: _ended(ended), what="the end", seconds=5, every=0.01)

    assert ended == ["killed"]
    assert not stream.is_open


def _ended(ended: list[str]) -> None:
    if not ended:
        raise NotYet("it goes on")


@dataclass
class Binary:
    """An exec stream that has ended, with so much to read."""

    read: dict[int, bytes]

    def is_open(self) -> bool:
        """See ``Channel``."""
        return False

    def read_channel(self, channel: int, timeout: float = 0) -> bytes:
        """See ``Channel``."""
        return self.read.pop(channel, b"")

    def close(self) -> None:
        """See ``Channel``."""


def test_output_is_whole_or_an_error() -> None:
    """A command that failed gives no half of an archive for a whole one."""
    good = Binary({1: b"\xff\x00", 3: b'{"status":"Success"}'})
    assert b"".join(output_of(good, "tar", 1)) == b"\xff\x00"  # type: ignore[arg-type] # as far as it is used

    bad = Binary({1: b"\xff", 2: b"no space", 3: b'{"status":"Failure"}'})
    with pytest.raises(StackError, match="tar failed: no space"):
        list(output_of(bad, "tar", 1))  # type: ignore[arg-type] # as far as it is used
