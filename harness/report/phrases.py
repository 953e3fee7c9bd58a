"""How the report writes numbers, so that the same quantity looks the same everywhere.

Units follow a thin rule: seconds to a tenth, milliseconds to two digits that
matter, counts with thousands separators. None is never written as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.findings import Finding
from harness.verdict import Kind

NONE = "–"


def count(value: float) -> str:
    """A count with thousands separators."""
    return f"{round(value):,}"


def plural(value: int, noun: str) -> str:
    """A count and its noun: "1 fault", "2 faults", "no faults"."""
    return f"{count(value) if value else 'no'} {noun}{'' if value == 1 else 's'}"


def seconds(value: float | None, *, absent: str = NONE) -> str:
    """A duration or an instant of the run, to a tenth of a second."""
    return absent if value is None else f"{value:,.1f} s"


def duration(value: float) -> str:
    """A duration as a person says it: "42.0 s", "10 min 05 s"."""
    if value < 120:
        return seconds(value)
    minutes, rest = divmod(round(value), 60)
    return f"{minutes:,} min {rest:02d} s"


def millis(value: float | None, *, absent: str = NONE) -> str:
    """A latency: "0.4 ms", "3.2 ms", "120 ms", "8.60 s"."""
    if value is None:
        return absent
    if value >= 1000:
        return f"{value / 1000:,.2f} s"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def rate(value: float) -> str:
    """Records per second."""
    return f"{count(value)}/s"


def size(octets: int) -> str:
    """A file size in decimal units."""
    amount = float(octets)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} GB"


def counts(amounts: Mapping[str, int]) -> str:
    """Named counts: "48,210,332 acknowledged, 12 partitions"; nothing at all is said in words."""
    if not any(amounts.values()):
        return "nothing"
    return ", ".join(f"{count(n)} {_named(n, name.replace('_', ' '))}" for name, n in amounts.items())


def basis(found: Finding) -> str:
    """How far what a guarantee is about was read, and under which settings it was judged; else empty.

    What the document does not tell is said to be unknown, never left to look like proof.
    """
    if found.kind is not Kind.GUARANTEE:
        return ""
    if found.config_digest is None:
        return "fence, coverage and settings not told"
    fence = f"fence {found.fence}" if found.fence else "rests on no fence"
    covered = "" if found.covered_pct is None else f"{found.covered_pct} % covered"
    return ", ".join(part for part in (fence, covered, f"settings {found.config_digest[:12]}") if part)


def listing(words: Iterable[str]) -> str:
    """Words as a sentence lists them: "a", "a and b", "a, b and c"."""
    *rest, last = list(words) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def _named(amount: int, noun: str) -> str:
    if amount != 1 or not noun.endswith("s"):
        return noun
    return noun.removesuffix("es") if noun.endswith("ches") else noun.removesuffix("s")
