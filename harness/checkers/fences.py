"""What was provably read to the end, so that "not seen" may be called "lost".

A partition is covered when the load had stopped before the fence, its fence is
complete and of this reading, and, if the ledger's tail was cut, every offset up
to the fence is still among the reads. Nothing else turns an unseen record into a
lost one. Records whose offsets lie below the log's start when the reading began
were deleted: nobody looked for them in time.

A fence is of another reading when a record came back from where its sentinel lies,
or from behind where its reader stood: then nobody knows where this reading ended.
An acknowledgement beyond a fence's end contradicts nothing by itself: a log that
was truncated has it, and the record is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.checkers.sequences import History, Strange
from harness.checkers.spans import Spans, union
from harness.findings import Finding, Reached
from harness.ledger.evidence import Evidence, Reads
from harness.model import Fence, FencePassed, LoadEnded, LoadPlanned, Outcome, ReadState


@dataclass(frozen=True, slots=True)
class Coverage:
    """``fences`` by covered partition; ``gaps`` says, by partition, why another one is not covered.

    Of ``acked`` acknowledged records, ``looked_for`` came back or were looked for where they must lie.
    """

    fences: dict[int, Fence]
    gaps: dict[int, str]
    acked: int
    looked_for: int

    @property
    def complete(self) -> bool:
        """Whether every partition of the run is covered."""
        return bool(self.fences) and not self.gaps

    @property
    def fence(self) -> Reached:
        """The same in one word."""
        return "complete" if self.complete else "partial" if self.fences else "none"

    def beside(self, found: Finding) -> Finding:
        """*found* with how far what it judges was read."""
        percent = 100 * self.looked_for // self.acked if self.acked else 0
        return found.model_copy(update={"fence": self.fence, "covered_pct": percent})

    def why_not(self) -> str:
        """The reason of the first partition that is not covered, and how many there are."""
        if self.complete:
            return ""
        if not self.gaps:
            return "no partition was read through a fence"
        partition, reason = min(self.gaps.items())
        rest = f" (and {len(self.gaps) - 1} more)" if len(self.gaps) > 1 else ""
        return f"partition {partition}{rest} {reason}"


def coverage(evidence: Evidence, history: History) -> Coverage:
    """Which partitions of the run were read through a complete fence."""
    passed = evidence.last(FencePassed)
    found = {fence.partition: fence for fence in passed.fences} if passed else {}
    late = _load_outlived(evidence, passed)
    overrun = _overrun(evidence.reads, found)
    gaps: dict[int, str] = {}
    for partition in _expected(evidence, history) | found.keys():
        reason = late or _gap(evidence, found.get(partition)) or overrun.get(partition, "")
        if reason:
            gaps[partition] = reason
    fences = {p: fence for p, fence in found.items() if p not in gaps}
    looked = history.seen | (history.lanes.of_partitions(fences) - deleted(evidence, history, fences))
    return Coverage(fences, gaps, history.acked.count(), (history.acked & looked).count())


def deleted(evidence: Evidence, history: History, fences: dict[int, Fence]) -> Spans:
    """Records of covered partitions that may have lain below the first offset that could still be read."""
    attempts, lanes = evidence.attempts, history.lanes
    start = {p: fence.first_offset for p, fence in fences.items() if fence.first_offset > 0}
    if not start:
        return Spans()
    first = np.asarray([start.get(p, 0) for p in attempts.partition.tolist()], np.int64)
    below = np.clip(first - attempts.base_offset, 0, attempts.count)
    # An acknowledgement without an offset (-1) may have been below the start as well, where there is one.
    below = np.where(attempts.base_offset < 0, np.where(first > 0, attempts.count, 0), below)
    below = np.where(attempts.outcome == Outcome.OK, below, 0)
    low = lanes.base[lanes.find(attempts.partition, attempts.producer)[0]] + attempts.first_seq
    return union(low, low + below)


def read_offsets(reads: Reads | Strange, partition: int) -> Spans:
    """Every offset of *partition* that came back, whatever was in it."""
    rows = reads.partition == partition
    return union(reads.first_offset[rows], reads.first_offset[rows] + reads.count[rows])


def _expected(evidence: Evidence, history: History) -> set[int]:
    plans = [event for event in evidence.events if isinstance(event, LoadPlanned)]
    planned = {partition for plan in plans for partition in range(plan.partitions)}
    return planned | set(history.lanes.partition.tolist())


def _load_outlived(evidence: Evidence, passed: FencePassed | None) -> str:
    if passed is None:
        return "was not read through a fence"
    ended = evidence.last(LoadEnded)
    if ended is None or ended.t > passed.t:
        return "was fenced before the load had stopped"
    return ""


def _gap(evidence: Evidence, fence: Fence | None) -> str:
    if fence is None:
        return "has no fence"
    if not fence.complete:
        return f"was read to offset {fence.position}, not through its fence"
    if evidence.tail_cut and (missing := _unread(evidence.reads, fence)):
        return f"lacks {missing} read offsets, for the ledger's tail was cut"
    return ""


def _overrun(reads: Reads, found: dict[int, Fence]) -> dict[int, str]:
    """By partition, the record that this fence's reader cannot have read."""
    if not found:
        return {}
    fences = [found[partition] for partition in sorted(found)]
    names = ("partition", "sentinel_offset", "position")
    partition, sentinel, position = (
        np.asarray([getattr(fence, name) for fence in fences], np.int64) for name in names
    )
    at = np.minimum(np.searchsorted(partition, reads.partition), len(fences) - 1)
    end = reads.first_offset + reads.count
    over = (end > position[at]) | ((reads.first_offset <= sentinel[at]) & (sentinel[at] < end))
    over &= (partition[at] == reads.partition) & (reads.state == ReadState.GOOD)
    rows = np.flatnonzero(over)
    _, first = np.unique(reads.partition[rows], return_index=True)
    return {
        int(reads.partition[row]): f"has a record at offset {int(end[row]) - 1}, and its fence's "
        f"sentinel at {int(sentinel[at[row]])}: it is of another reading"
        for row in rows[first].tolist()
    }


def _unread(reads: Reads, fence: Fence) -> int:
    whole = union(np.asarray([fence.first_offset]), np.asarray([fence.end_offset]))
    return (whole - read_offsets(reads, fence.partition)).count()
