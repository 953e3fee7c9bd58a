"""Vector's remap language by its own engine: compile a program, run it on one event.

The engine is that of Vector itself, so what it says of a program is what Vector
would say. Functions that only a running Vector has are unknown to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyvrl

ONLY_IN_VECTOR = (
    *("get_secret", "set_secret", "remove_secret", "set_semantic_meaning"),
    *("get_enrichment_table_record", "find_enrichment_table_records"),
    *("find_vector_metrics", "get_vector_metric", "aggregate_vector_metrics"),
)
"""Functions that a running Vector adds to the language: a program that calls one cannot be checked here."""

_INSTANT = "instant "
_PRELUDE = f"""
if starts_with(string(.timestamp) ?? "", "{_INSTANT}") {{
  .timestamp = parse_timestamp!(slice!(.timestamp, {len(_INSTANT)}), "%+")
}}
"""
"""The engine's Python side takes no instants: an event's goes in as marked words. What the compiler
knows of ``.timestamp`` stays "anything", as in Vector."""

_POSITION = re.compile(r" at \((\d+):\d+\)")
_PLACE = re.compile(r"┌─ :(\d+):\d+")


class Refused(ValueError):
    """The engine refused a program or an event; ``line`` of the program counts from 1, 0: not told.

    ``said`` is its first complaint on one line, ``shown`` the compiler's whole answer as it draws it.
    """

    def __init__(self, said: str, line: int = 0, shown: str = "") -> None:
        self.said, self.line, self.shown = said, line, shown
        super().__init__(said)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that compiled; see ``compile_vrl``."""

    source: str
    _compiled: pyvrl.Transform

    def run(self, event: Mapping[str, object]) -> object:
        """What the program makes of *event*, whose ``timestamp`` may be a datetime with its zone.

        Raises:
            Refused: the program failed on it; in the engine's own words.
        """
        try:
            return self._compiled.remap({name: _marked(value) for name, value in event.items()})
        except ValueError as error:
            said = _POSITION.sub("", str(error).strip().removeprefix("remap failure: "))
            words = said.splitlines()[0] if said else "no reason given"
            raise Refused(words, self._line(str(error))) from error

    def _line(self, said: str) -> int:
        """The line of the source that *said* has a byte position in; 0 when it has none."""
        at = _POSITION.search(said)
        before = len(_PRELUDE.encode())
        return self.source.encode()[: int(at[1]) - before].count(b"\n") + 1 if at else 0


def compile_vrl(source: str) -> Program:
    """Compile *source*; what it returns is the event, as Vector sees it.

    Raises:
        Refused: it does not compile; the first complaint with its line.
    """
    try:
        pyvrl.Transform(source)
        # Vector goes on with the event, the engine with a program's last expression: so that is the event.
        return Program(source, pyvrl.Transform(f"{_PRELUDE}{source}\n.\n"))
    except ValueError as error:
        raise _refused(str(error)) from error


def _marked(value: object) -> object:
    return _INSTANT + value.isoformat() if isinstance(value, datetime) else value


def _refused(said: str) -> Refused:
    """The first complaint of a compiler's answer: its headline, what it says of the place, and the line."""
    lines = [line.strip() for line in said.strip().splitlines()]
    notes = [line.lstrip("│╭─ ^-") for line in lines if line.startswith("│")]
    detail = next((note for note in notes if re.match(r"(?!or )\W*[a-z]{2}", note)), "")
    place = _PLACE.search(said)
    words = (lines[0] if lines else "no reason given", detail)
    line = int(place.group(1)) if place else 0
    return Refused(": ".join(word for word in words if word), line, said.strip("\n"))
