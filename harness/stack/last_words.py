"""What a program said last that tells why it ended: its complaint, not the calls that led to it."""

from __future__ import annotations

import re

_TELLING = re.compile(r"ERROR|FATAL|Exception|Caused by")
_FRAME = re.compile(r"\s+at |\s*\.\.\. \d+ more")


def last_words(log: str, lines: int) -> str:
    """At most *lines* lines of *log* as one: the last that complain, or where none does the last of all.

    Empty: it said nothing.
    """
    said = [line.strip() for line in log.splitlines() if line.strip() and not _FRAME.match(line)]
    telling = [line for line in said if _TELLING.search(line)]
    return " | ".join((telling or said)[-lines:])
