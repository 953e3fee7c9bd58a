"""What a person sees while a run goes on: a live line when there is a terminal, plain lines otherwise."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.status import Status


class Display(Protocol):
    """Where a run tells what happens."""

    def say(self, text: str) -> None:
        """One line that stays."""
        ...

    def now(self, text: str) -> None:
        """What is going on at this instant; replaces what was said before."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class PlainDisplay:
    """Plain lines with the seconds since the start, for logs and pipes."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print the line."""
        sys.stderr.write(f"{time.monotonic() - self._start:6.1f}s  {text}\n")
        sys.stderr.flush()

    def now(self, text: str) -> None:
        """Nothing: a log wants facts, not progress."""

    def close(self) -> None:
        """Nothing to restore."""


class LiveDisplay:
    """Lines that stay, above one live line with a spinner."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._console = Console(stderr=True, highlight=False)
        self._status: Status = self._console.status("")
        self._status.start()

    def say(self, text: str) -> None:
        """Print the line above the live one."""
        self._console.print(f"[dim]{time.monotonic() - self._start:6.1f}s[/]  {escape(text)}")

    def now(self, text: str) -> None:
        """Show it in the live line."""
        self._status.update(escape(text))

    def close(self) -> None:
        """End the live line."""
        self._status.stop()


def open_display() -> LiveDisplay | PlainDisplay:
    """The display that fits: live on a terminal, plain without one or with NO_COLOR, TERM=dumb or CI."""
    plain = any(os.environ.get(name) for name in ("NO_COLOR", "CI")) or os.environ.get("TERM") == "dumb"
    return PlainDisplay() if plain or not sys.stderr.isatty() else LiveDisplay()


class FetchProgress:
    """Shows how much of the jars has arrived."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._said = 0

    @contextlib.contextmanager
    def shown(self) -> Iterator[FetchProgress]:
        """Clean up at the end of the block."""
        try:
            yield self
        finally:
            if self._bar is not None:
                self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """*done* of *total* bytes have arrived."""
        if sys.stderr.isatty():
            self._drawn(total).update(self._drawn(total).task_ids[0], completed=done)
        elif done * 4 // total > self._said:
            self._said = done * 4 // total
            sys.stderr.write(f"fetching jars: {done / 1e6:.0f} of {total / 1e6:.0f} MB\n")

    def _drawn(self, total: int) -> Progress:
        if self._bar is None:
            columns = (TextColumn("fetching jars"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.add_task("", total=total)
            self._bar.start()
        return self._bar
