r"""The Prometheus text format, as far as an exporter's numbers need it.

    metric_name{label="value",other="a \"quoted\" one"} 12.5 1700000000000

Comments, timestamps and lines that are no sample are passed over; an escaped
quote inside a label's value does not end it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE = re.compile(r'([A-Za-z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)')
_LABEL = re.compile(r'(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Measured:
    """One sample of an exposition."""

    name: str
    labels: Mapping[str, str]
    value: float


def parse(text: str) -> Iterator[Measured]:
    """Every sample in *text* that has a number."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        name, labels, number = found.groups()
        try:
            value = float(number)
        except ValueError:
            continue
        yield Measured(name, dict(_LABEL.findall(labels or "")), value)
