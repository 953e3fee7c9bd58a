"""The far end of an agent, and of the stream to it, for tests without a cluster."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.stack.agents.notes import Notes
from harness.stack.agents.serving import Serving, answered


@dataclass
class Websocket:
    """What ``LineStream`` selects on."""

    sock: socket.socket


class Exec:
    """An exec stream whose other end is a function from lines to lines; None ends the stream."""

    def __init__(self, answers: Callable[[str], str | None]) -> None:
        mine, self._theirs = socket.socketpair()
        self.sock, self._answers, self._open = Websocket(mine), answers, True
        self._ending = False
        self._read: dict[int, str] = {}

    def is_open(self) -> bool:
        """See ``Channel``."""
        return self._open

    def update(self, timeout: float = 0) -> None:
        """See ``Channel``."""
        self._read[1] = self._read.get(1, "") + self.sock.sock.recv(65536).decode()
        self._open = not self._ending

    def read_channel(self, channel: int, timeout: float = 0) -> str:
        """See ``Channel``."""
        return self._read.pop(channel, "")

    def write_stdin(self, data: str) -> None:
        """See ``Channel``."""
        answer = self._answers(data.rstrip("\n"))
        if answer is None:
            self._read[3] = "killed"
            self._theirs.sendall(b"\n")
            self._ending = True
        elif answer:
            # In two pieces: lines do not come whole.
            self._theirs.sendall(answer[:5].encode())
            self._theirs.sendall(f"{answer[5:]}\n".encode())

    def close(self) -> None:
        """See ``Channel``."""
        self._open = False
        self.sock.sock.close()
        self._theirs.close()


@dataclass
class Double:
    """An agent's far end that answers by the real verbs, or as a test says."""

    folder: Path
    found: list[list[object]] = field(default_factory=lambda: [[4, 9, "c"]])
    opened: int = 0
    dies: int = 0
    """So many questions more end its stream."""
    mute: bool = False
    beats: int = 0

    def __post_init__(self) -> None:
        self.notes = Notes(self.folder)
        self.serving = Serving(self.notes)

    def open(self) -> Exec:
        """A new stream."""
        self.opened += 1
        return Exec(self.answer)

    def answer(self, line: str) -> str | None:
        """What the agent says to *line*."""
        asked = json.loads(line)
        self.notes.beat()
        if asked["id"] == 0:
            self.beats += 1
        if self.dies:
            self.dies -= 1
            return None
        if self.mute and asked["id"]:
            return ""
        if asked["do"] == "find":
            return json.dumps({"id": asked["id"], "found": self.found})
        return json.dumps(answered(self.serving, line))
