"""Vector Remap Language, compiled and run by the real engine: the words of its errors are VRL's own.

The engine works in a short-lived process of its own. A program is somebody
else's text, and the engine recurses: one that nests deep enough ends its
process, and one that is long enough keeps it busy, so neither may be ours. This file
is also that process's program, so it needs the standard library and the engine only.

Events are what JSON can hold. A value ``{"$time": "2024-05-06T07:08:09Z"}`` becomes a VRL
timestamp, which JSON has no word for.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Event = Mapping[str, object]

TIME = "$time"
LONGEST = 64_000
"""Characters of the longest program that is tried."""

_SECONDS = 5
_BYTES = 1 << 30
_PLACE = re.compile(r"^\s*┌─ [^\n]*?:(\d+):\d+$", re.MULTILINE)
_SPAN = re.compile(r" at \((\d+):(\d+)\)")


@dataclass(frozen=True, slots=True)
class VrlRun:
    """How a program did on one event.

    ``event`` is what it made of it, None when it failed; ``error`` is VRL's message, and ``line`` the
    line of the program that it speaks of, counted from 1.
    """

    event: object = None
    error: str = ""
    line: int = 1


def compile_vrl(source: str) -> str | None:
    """VRL's own message when *source* does not compile, None when it does."""
    refused, _ = _in_a_child(source, ())
    return refused or None


def run_vrl(source: str, events: Sequence[Event]) -> tuple[VrlRun, ...]:
    """How the program *source* does on each of *events*; a program that does not compile fails on each."""
    refused, ends = _in_a_child(source, events)
    if refused:
        return (VrlRun(error=refused, line=error_line(refused, source)),) * len(events)
    return tuple(ends)


def error_line(message: str, source: str) -> int:
    """The line of *source*, counted from 1, that VRL's *message* speaks of; 1 when it names none."""
    if place := _PLACE.search(message):
        return int(place[1])
    if span := _SPAN.search(message):
        return source.encode()[: int(span[1])].count(b"\n") + 1
    return 1


def _in_a_child(source: str, events: Sequence[Event]) -> tuple[str, list[VrlRun]]:
    """What the engine refuses the program for, or how each event went."""
    if len(source) > LONGEST:
        return f"the program has {len(source)} characters; at most {LONGEST} are tried", []
    prefix = "".join(_timed(events))
    asked = json.dumps({"source": source, "prefix": prefix, "events": [_plain(event) for event in events]})
    try:
        done = subprocess.run(
            [sys.executable, "-I", __file__], input=asked, capture_output=True, text=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"VRL was still busy with the program after {_SECONDS} s", []
    if done.returncode != 0:
        return f"VRL did not survive the program (exit {done.returncode}): it nests too deep", []
    answer = json.loads(done.stdout)
    return answer["refused"], [_run(end, source, len(prefix.encode())) for end in answer["ends"]]


def _timed(events: Sequence[Event]) -> list[str]:
    """Statements that turn text into timestamps where the events have them; all on the first line."""
    keys = sorted({key for event in events for key, value in event.items() if _is_time(value)})
    return [f'if is_string(.{key}) {{ .{key} = parse_timestamp(.{key}, "%+") ?? .{key} }}; ' for key in keys]


def _is_time(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {TIME}


def _plain(event: Event) -> dict[str, object]:
    return {
        key: value[TIME] if isinstance(value, Mapping) and _is_time(value) else value
        for key, value in event.items()
    }


def _run(end: Mapping[str, object], source: str, shift: int) -> VrlRun:
    error = str(end["error"])
    moved = _SPAN.sub(lambda at: f" at ({int(at[1]) - shift}:{int(at[2]) - shift})", error)
    return VrlRun(end["event"], moved, error_line(moved, source) if moved else 1)


def _serve() -> None:
    """The child: read one program and its events, say how they went."""
    import pyvrl  # noqa: PLC0415 - in the child only

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    asked = json.load(sys.stdin)
    refused, ends = "", []
    try:
        pyvrl.Transform(asked["source"])
        # The last expression is what the engine hands back: the event, as the program left it.
        program = pyvrl.Transform(f"{asked['prefix']}{asked['source']}\n.") if asked["events"] else None
    except ValueError as error:
        refused, program = str(error).strip("\n"), None
    if program is not None:
        ends = [_one(program, event) for event in asked["events"]]
    json.dump({"refused": refused, "ends": ends}, sys.stdout, default=str)


def _one(program: object, event: object) -> dict[str, object]:
    try:
        return {"event": program.remap(event), "error": ""}  # type: ignore[attr-defined]
    except ValueError as error:
        return {"event": None, "error": str(error)}


if __name__ == "__main__":
    _serve()
