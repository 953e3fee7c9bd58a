"""Durations as Flink's configuration writes them: ``10s``, ``1 min``, ``500`` (milliseconds)."""

from __future__ import annotations

import re

_UNITS = {
    **dict.fromkeys(("ms", "milli", "millis", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1_000),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
}
_DURATION = re.compile(r"(\d{1,15})\s*([a-z]*)")


def milliseconds(text: str) -> int | None:
    """What *text* is in milliseconds; None when it is no duration."""
    match = _DURATION.fullmatch(text.strip().lower())
    unit = _UNITS.get(match[2] or "ms") if match else None
    return int(match[1]) * unit if match and unit else None
