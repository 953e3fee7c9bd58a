"""What the gate of the object store is told, and what it counts: two small files.

Stands in until the gate itself comes with the object store.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

GateKind: TypeAlias = Literal["refuse", "slow", "truncate", "hang"]


@dataclass(frozen=True, slots=True)
class GateState:
    """How the gate misbehaves, with *share* of the requests, until *until* (monotonic seconds)."""

    kind: GateKind
    until: float = 0.0
    share: float = 1.0
    status: int = 503
    delay_ms: float = 0.0
    bytes_per_s: int | None = None


def write_state(path: Path, state: GateState) -> None:
    """Tell the gate, in one piece."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(state)))
    part.rename(path)


def read_stats(path: Path) -> dict[str, int]:
    """How many requests met each kind; nothing when there is no file yet."""
    try:
        counts = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(kind): int(count) for kind, count in counts.items()}
