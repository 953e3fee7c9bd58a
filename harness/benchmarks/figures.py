"""One measured figure beside what it should reach, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SETTINGS = {"kafka.properties.log.segment.delete.delay.ms": "1000"}
"""Each turn gives its disk back; otherwise the brokers' disks would set the length of a turn."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``reached`` is None when there is no number to reach."""

    name: str
    measured: str
    to_reach: str
    reached: bool | None
    detail: str = ""


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = ["| figure | measured | to reach | reached | how |", "|---|---|---|---|---|"]
    for one in figures:
        mark = {True: "yes", False: "no", None: ""}[one.reached]
        rows.append(f"| {one.name} | {one.measured} | {one.to_reach} | {mark} | {one.detail} |")
    return "\n".join(rows) + "\n"
