"""When each partition did not serve: maximal runs of attempts that failed or were late.

A window reaches from the intended instant of its first bad attempt to that of
the next good one (or, at the end of the load, one interval beyond the last bad
one). Its edges are known to the interval between the attempts of that partition;
what is shorter than the lateness threshold and such an interval may show no window
at all, which ``blind_below`` tells and every recovery says beside its figure.
An attempt that began less than the lateness threshold before service came back is
not late, so a window may end that much early; ``recovery`` measures the return
itself. A spell of good attempts shorter than twice the threshold, service for less
than once, does not end a window: it was not back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checkers.timeline import Timeline
from harness.findings import Unavailability
from harness.ledger.evidence import Evidence, Ints


def windows(evidence: Evidence, time: Timeline) -> tuple[Unavailability, ...]:
    """Every window of every partition, by its start."""
    found = [window for partition in time.partitions() for window in _of(evidence, time, partition)]
    return tuple(sorted(found, key=lambda window: (window.from_s, window.partition)))


def resolution(time: Timeline, partition: int) -> int:
    """The median interval between the attempts of *partition* in nanoseconds; 0 with fewer than two."""
    intended = time.intended[time.partition == partition]
    return int(np.median(np.diff(intended))) if len(intended) > 1 else 0


def blind_below(time: Timeline) -> int:
    """Outages shorter than this many nanoseconds are not sure to be seen on every partition.

    An attempt shows an outage when it waits beyond the lateness threshold, and the first one that
    meets it may come an interval after its beginning.
    """
    return time.late_after + max((resolution(time, partition) for partition in time.partitions()), default=0)


def longest_unseen(time: Timeline, partition: int, start: int, end: int) -> int:
    """The longest outage of *partition* that may have begun in [start, end) unseen, in nanoseconds.

    Whatever outage there was, an attempt that met it waited until its end: so none was longer than the
    longest wait of an attempt that was not late, and the longest time without any attempt before it.
    """
    rows = np.flatnonzero((time.partition == partition) & ~time.bad)
    rows = rows[(time.done[rows] > start) & (time.intended[rows] < end)]
    if not len(rows):
        return 0
    begun = np.maximum(time.intended[rows], start)
    pauses = np.diff(np.concatenate(([start], begun)))
    return int((time.done[rows] - begun).max()) + int(pauses.max())


def runs_of(bad: np.typing.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The half-open index ranges of the maximal runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], bad, [False])).astype(np.int8)))
    return edges[::2], edges[1::2]


def _of(evidence: Evidence, time: Timeline, partition: int) -> Iterator[Unavailability]:
    rows = np.flatnonzero(time.partition == partition)
    starts, ends = runs_of(time.bad[rows])
    if not len(starts):
        return
    intended = time.intended[rows]
    starts, ends = _bridged(intended, starts, ends, 2 * time.late_after)
    after = int(intended[-1]) + resolution(time, partition)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        until = int(intended[end]) if end < len(intended) else after
        yield Unavailability(
            partition=partition,
            from_s=evidence.seconds(int(intended[start])),
            to_s=evidence.seconds(until),
            attempts=end - start,
        )


def _bridged(intended: Ints, starts: Ints, ends: Ints, spell: int) -> tuple[Ints, Ints]:
    """The runs with every good spell shorter than *spell* nanoseconds between two of them closed."""
    apart = intended[starts[1:]] - intended[ends[:-1]] >= spell
    return starts[np.concatenate(([True], apart))], ends[np.concatenate((apart, [True]))]
