"""Queueing disciplines of ours on a node's cable, as the kernel shows them.

A discipline cannot expire by itself, so it carries a handle by which anybody
finds and removes it: the mechanism, the watchdog, ``heal``, an agent. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HANDLE = "ed9e:"
SHOW = ("tc", "-s", "-j", "qdisc", "show")
_NAMED = Path("/run/netns")
_TC_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Shaped:
    """One interface that carries our discipline; ``sent`` and ``dropped`` count since it was made."""

    device: str
    kind: str
    sent: int
    dropped: int


def shaped(enter: Sequence[str]) -> list[Shaped]:
    """Every interface with our discipline in the network behind the argv prefix *enter*.

    Raises:
        OSError: tc could not be run, or did not answer.
    """
    asked = [*enter, *SHOW]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_TC_SECONDS, check=False)
    except subprocess.SubprocessError as error:
        raise OSError(f"tc did not answer: {error}") from error
    return parsed(done.returncode, done.stdout, done.stderr)


def parsed(rc: int, out: str, err: str) -> list[Shaped]:
    """Every interface with our discipline, from how ``SHOW`` ended, wherever it ran.

    Raises:
        OSError: it did not answer.
    """
    try:
        items = json.loads(out or "[]") if rc == 0 else None
    except ValueError as error:
        raise OSError(f"tc did not answer: {error}") from error
    if items is None:
        raise OSError(f"tc did not answer: {err.strip()}")
    ours = (item for item in items if item.get("handle") == HANDLE)
    return [Shaped(item["dev"], item["kind"], item["bytes"], item["drops"]) for item in ours]


def placing(enter: Sequence[str], device: str, discipline: Sequence[str]) -> list[str]:
    """The command that puts *discipline* on *device*, as ours; it replaces none but the kernel's own."""
    return [*enter, "tc", "qdisc", "add", "dev", device, "root", "handle", HANDLE, *discipline]


def removal(enter: Sequence[str], device: str) -> list[str]:
    """The command that removes our discipline from *device*."""
    return [*enter, "tc", "qdisc", "del", "dev", device, "root", "handle", HANDLE]


def remove(enter: Sequence[str]) -> list[str]:
    """Remove every discipline of ours in that network; returns the interfaces.

    Raises:
        OSError: one could not be removed and is still there.
    """
    found = [one.device for one in shaped(enter)]
    for device in found:
        remove_from(enter, device)
    return found


def remove_from(enter: Sequence[str], device: str) -> None:
    """Remove our discipline from *device* if it is there.

    Raises:
        OSError: it is still there.
    """
    done = subprocess.run(
        removal(enter, device), capture_output=True, text=True, timeout=_TC_SECONDS, check=False
    )
    if done.returncode and any(one.device == device for one in shaped(enter)):
        raise OSError(done.stderr.strip())


def remove_here(nodes: Iterable[str]) -> list[str]:
    """Remove what there is on the cables of *nodes*, from inside the enclosure; returns the interfaces."""
    ours = sorted(set(nodes) & _networks())
    prefixes = [["nsenter", f"--net={_NAMED / name}", "--"] for name in ours]
    return [device for enter in [*prefixes, []] for device in remove(enter)] if ours else []


def _networks() -> set[str]:
    try:
        return {entry.name for entry in _NAMED.iterdir()}
    except OSError:
        return set()
