"""Programs of others, compiled and run in a short-lived process of their own.

The engine recurses, so a program that nests deep enough ends its process, and
one that is long enough keeps it busy: neither may be the process that audits.
Run as a program this module is that other process: it reads one program and
its events as JSON and says how they went.

A value ``{"$time": "2024-05-06T07:08:09Z"}`` of an event stands for an instant, which JSON has no word for.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness import vrl

Event = Mapping[str, object]

TIME = "$time"
LONGEST = 64_000
"""Characters of the longest program that is tried."""

_SECONDS = 5
_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Refusal:
    """What VRL says against a program: in its own words, with the line of the program, counted from 1."""

    shown: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program did on one event: what it made of it, or what VRL said against it."""

    event: object = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How a program did: why it does not compile, or how it went with each event.

    ``unknown`` is a program that calls what only a running Vector has; nothing can be said of it.
    """

    refusal: Refusal | None = None
    runs: tuple[Ran, ...] = ()
    unknown: bool = False


def try_program(source: str, events: Sequence[Event]) -> Trial:
    """Compile the VRL program *source* and run it on each of *events*."""
    if len(source) > LONGEST:
        return Trial(Refusal(f"the program has {len(source)} characters; at most {LONGEST} are tried"))
    asked = json.dumps({"source": source, "events": list(events)})
    try:
        done = _child(asked)
    except subprocess.TimeoutExpired:
        return Trial(Refusal(f"VRL was still busy with the program after {_SECONDS} s"))
    if done.returncode != 0:
        return Trial(Refusal("VRL did not survive the program: it nests too deep or is too large"))
    trial = _trial(json.loads(done.stdout))
    calls_vector = any(f"{function}(" in source for function in vrl.ONLY_IN_VECTOR)
    return Trial(unknown=True) if trial.refusal and calls_vector else trial


def _child(asked: str) -> subprocess.CompletedProcess[str]:
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    argv, environment = [sys.executable, "-P", "-m", __name__], os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        argv, env=environment, input=asked, capture_output=True, text=True, timeout=_SECONDS, check=False
    )


def _trial(answer: Mapping[str, object]) -> Trial:
    runs = answer["runs"]
    assert isinstance(runs, list)
    return Trial(
        _refusal(answer["refusal"]), tuple(Ran(run["event"], _refusal(run["refusal"])) for run in runs)
    )


def _refusal(told: object) -> Refusal | None:
    return Refusal(str(told["shown"]), int(told["line"])) if isinstance(told, dict) else None


def _serve() -> None:
    """The child: one program from standard input, how it went to standard output."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    asked = json.load(sys.stdin)
    refusal, runs = None, []
    try:
        program = vrl.compile_vrl(asked["source"])
        runs = [_one(program, event) for event in asked["events"]]
    except vrl.Refused as refused:
        refusal = _told(refused)
    json.dump({"refusal": refusal, "runs": runs}, sys.stdout, default=_written)


def _one(program: vrl.Program, event: Mapping[str, object]) -> dict[str, object]:
    try:
        return {"event": program.run({key: _read(value) for key, value in event.items()}), "refusal": None}
    except vrl.Refused as refused:
        return {"event": None, "refusal": _told(refused)}


def _told(refused: vrl.Refused) -> dict[str, object]:
    return {"shown": refused.shown or refused.said, "line": max(refused.line, 1)}


def _read(value: object) -> object:
    return datetime.fromisoformat(value[TIME]) if isinstance(value, dict) and set(value) == {TIME} else value


def _written(value: object) -> object:
    return {TIME: value.isoformat()} if isinstance(value, datetime) else str(value)


if __name__ == "__main__":
    _serve()
