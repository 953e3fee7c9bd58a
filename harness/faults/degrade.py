"""Constructors of the faults that degrade a part instead of taking it away.

Slow or lossy networks, disks that take no more, processors that are short, an
object store that refuses: most outages begin like that.
"""

from __future__ import annotations

from harness.faults.places import object_store
from harness.faults.selectors import Selector
from harness.faults.spec import Direction, FaultSpec, Peers


def bandwidth(target: Selector, *, to_mbit: float) -> FaultSpec:
    """Limit what the target sends, and what it receives, to *to_mbit* megabits per second each."""
    return FaultSpec("bandwidth", target, to_mbit=to_mbit)


def loss(
    target: Selector, peers: Peers = "everyone", *, share: float = 0.1, direction: Direction = "both"
) -> FaultSpec:
    """Lose *share* of the packets between the target and *peers*, each packet by its own chance."""
    return FaultSpec("loss", target, peers, direction=direction, share=share)


def latency(target: Selector, *, ms: float) -> FaultSpec:
    """Delay what the target sends by *ms* milliseconds, so every round trip takes as much longer.

    Where the kernel has no netem a Toxiproxy delays what it answers to others; what it asks of them is not.
    Where one stands between it and its clients, as in Docker, that delays what it answers to them alone.
    """
    return FaultSpec("latency", target, ms=ms)


def disk_full(target: Selector) -> FaultSpec:
    """Leave no room on the target's disk; a service that died of it is started again at the healing."""
    return FaultSpec("disk_full", target)


def disk_read_only(target: Selector) -> FaultSpec:
    """Make the target's disk read-only; a service with files open for writing is killed and started on it."""
    return FaultSpec("disk_read_only", target)


def starve(target: Selector, *, share: float = 0.1) -> FaultSpec:
    """Let the target run for *share* of the time only, in turns of a tenth of a second."""
    return FaultSpec("starve", target, share=share)


def s3_refuses(*, status: int = 503, share: float = 1.0) -> FaultSpec:
    """The object store answers *share* of the requests with *status* and does nothing."""
    return FaultSpec("s3_refuse", object_store(), status=status, share=share)


def s3_slow(*, delay_ms: float = 1_000, bytes_per_s: int | None = None) -> FaultSpec:
    """The object store answers *delay_ms* later, and then at *bytes_per_s* at the most."""
    return FaultSpec("s3_slow", object_store(), ms=delay_ms, bytes_per_s=bytes_per_s)


def s3_cuts_bodies(*, share: float = 1.0) -> FaultSpec:
    """The object store breaks off *share* of its answers in the middle."""
    return FaultSpec("s3_truncate", object_store(), share=share)


def s3_hangs() -> FaultSpec:
    """The object store takes requests and answers none."""
    return FaultSpec("s3_hang", object_store())
