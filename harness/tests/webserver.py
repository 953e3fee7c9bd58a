"""An HTTP server on loopback for tests: it answers each path as told, and keeps what it was asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Answers:
    """What a path answers. ``waits`` holds the answer back until the event is set."""

    text: str = "{}"
    status: int = 200
    waits: threading.Event | None = None


class WebServer:
    """Runs while it is entered; a path that nothing was told for answers 404."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []
        """Method, path and body of each request."""
        self._answers: dict[str, Answers] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def says(self, path: str, answers: Answers) -> None:
        """Answer *path*, query included, so from now on."""
        self._answers[path] = answers

    def url(self, path: str) -> str:
        """The address of *path*."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for answers in self._answers.values():
            if answers.waits is not None:
                answers.waits.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.seen.append((self.command, self.path, body.decode(errors="replace")))
                answers = outer._answers.get(self.path, Answers("not here", 404))
                if answers.waits is not None:
                    answers.waits.wait()
                content = answers.text.encode()
                self.send_response(answers.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else content)

            do_GET = do_POST = do_PATCH = do_HEAD = answer  # noqa: N815 - named by http.server

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
                """Say nothing."""

        return Handler
