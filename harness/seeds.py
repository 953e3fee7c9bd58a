"""Every random draw of a run comes from here, so that one seed repeats a run's choices.

A stream is named: drawing more from one never shifts another.
"""

from __future__ import annotations

import hashlib
import random
import secrets


def fresh_seed() -> int:
    """A new seed, 32 bits, for a run that was not given one."""
    return secrets.randbits(32)


def stream(seed: int, name: str) -> random.Random:
    """The random stream *name* of *seed*; equal arguments give equal draws on any machine."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return random.Random(int.from_bytes(digest[:8]))  # noqa: S311 - repeatability is the point
