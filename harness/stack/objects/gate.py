"""What the object store's gate is told to do and what it did: two small files, written whole or not at all.

The gate (``harness.stack.objects.s3_gate``) stands in front of the S3 server and passes everything on unless
its control file says otherwise. What the file says is a lease: past ``until`` the gate behaves by itself, so
a harness that died leaves no fault behind. Standard library only.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, cast, get_args

from harness.errors import StackError

Kind = Literal["refuse", "slow", "truncate", "hang"]
KINDS = get_args(Kind)


@dataclass(frozen=True, slots=True)
class GateState:
    """A fault of the object store.

    Args:
        kind: ``refuse`` answers with *status*; ``slow`` waits *delay_ms* and passes *bytes_per_s*
            (None: all there are) in both directions, all connections together; ``truncate`` ends bodies of
            answers after *cut_after* bytes; ``hang`` reads a request and never answers.
        until: the instant, in seconds of CLOCK_MONOTONIC, after which it is over.
        share: of the requests that the fault is meant for, this part is hit, evenly spread.
        methods: the HTTP methods that it is meant for; none named: all.
    """

    kind: Kind
    until: float = 0.0
    share: float = 1.0
    status: int = 503
    delay_ms: float = 0
    bytes_per_s: int | None = None
    cut_after: int = 0
    methods: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self
        assert 0.0 <= self.share <= 1.0, self
        assert 400 <= self.status < 600, self
        assert min(self.delay_ms, self.bytes_per_s or 0, self.cut_after) >= 0, self

    def is_meant_for(self, method: str) -> bool:
        """Whether a request of *method* may be hit."""
        return not self.methods or method in self.methods


@dataclass(frozen=True, slots=True)
class GateStats:
    """What the gate did since it started.

    ``requests`` came in; ``meant`` of them found a fault in force that was meant for them. ``refused``,
    ``slowed``, ``truncated`` and ``hung`` were hit: the sum is at most ``meant``, for a body that is
    shorter than the cut passes whole. ``delayed_ms`` is the waiting that ``slow`` added, over all requests.
    """

    requests: int = 0
    meant: int = 0
    refused: int = 0
    slowed: int = 0
    truncated: int = 0
    hung: int = 0
    delayed_ms: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def hit_by(self, kind: Kind) -> int:
        """How many requests a fault of *kind* hit."""
        match kind:
            case "refuse":
                return self.refused
            case "slow":
                return self.slowed
            case "truncate":
                return self.truncated
            case "hang":
                return self.hung


def write_state(path: Path, state: GateState) -> None:
    """Put *state* in force, or renew its lease; the gate follows at its next request."""
    _replace(path, json.dumps(asdict(state)))


def clear_state(path: Path) -> None:
    """End whatever fault is in force."""
    path.unlink(missing_ok=True)


def read_state(path: Path) -> GateState | None:
    """What the control file says; None when there is none.

    Raises:
        StackError: the file is damaged.
    """
    try:
        told = json.loads(path.read_bytes())
        return GateState(**{**told, "methods": tuple(told.get("methods", ()))})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise StackError(f"{path} is not a state of the gate", why=str(error)) from error


def write_stats(path: Path, stats: GateStats) -> None:
    """Tell what was done so far."""
    _replace(path, json.dumps(asdict(stats)))


def read_stats(path: Path) -> GateStats:
    """What the gate did so far; all zero before its first word.

    Raises:
        StackError: the file is damaged.
    """
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        return GateStats()
    except (OSError, ValueError) as error:
        raise StackError(f"{path} does not tell what the gate did", why=str(error)) from error
    return GateStats(**{each.name: int(cast(int, told[each.name])) for each in fields(GateStats)})


def _replace(path: Path, text: str) -> None:
    handle, part = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(part).replace(path)
