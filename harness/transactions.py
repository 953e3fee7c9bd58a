"""Transactions that are given up while a record is on its way, and what becomes of the log behind them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.clock import MONOTONIC, seconds_between, wall_label
from harness.errors import LoadError, StackError
from harness.faults.selectors import LeaderOf
from harness.ledger.fence import Topic, end_and_stable
from harness.load.transaction import ABORTED, READY
from harness.model import TransactionSettled
from harness.rundir import private
from harness.stack.kafka.admin import KafkaAdmin
from harness.waiting import NotYet, wait_for

TOPIC, PARTITIONS, IDENTITY = "transactions", 3, "edge-harness"
WATCHED_S = 20.0
"""So long a log may hold its readers back behind an aborted transaction before they are said to hang."""


class Transaction:
    """A transactional producer on a load node, and the partition that it is to write to."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log
        self.partition = 0
        self._expect(READY)

    @property
    def leader(self) -> LeaderOf:
        """Who leads its partition, and does not coordinate its transactions."""
        return LeaderOf(TOPIC, self.partition)

    def abort(self) -> None:
        """Begin a transaction, send a record that nobody acknowledges, give it up after five seconds, abort.

        Raises:
            LoadError: the producer ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self.partition}\n")
        self._process.stdin.flush()
        self._expect(ABORTED)

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != word:
            what = f"the transactional producer was to say {word!r}"
            raise LoadError(what, why=said or "it ended", fix=f"see {self._log}")


@contextlib.contextmanager
def transactional(
    enter: Callable[[Sequence[str]], list[str]], admin: KafkaAdmin, logs: Path
) -> Iterator[Transaction]:
    """A transactional producer while the block runs.

    Raises:
        LoadError: it did not come to its first commit.
    """
    admin.create_topic(TOPIC, partitions=PARTITIONS, replication=3, config={})
    told = [admin.bootstrap, TOPIC, str(PARTITIONS), IDENTITY]
    argv = enter([sys.executable, "-P", "-m", "harness.load.transaction", *told])
    log = logs / "transaction.log"
    with open(log, "a", encoding="utf-8", opener=private) as errors:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    with process:
        try:
            made = Transaction(process, log)
            coordinator = admin.transaction_coordinator(IDENTITY)
            leaders = {partition: admin.leader(TOPIC, partition) for partition in range(PARTITIONS)}
            made.partition = next(n for n, leader in leaders.items() if leader != coordinator)
            yield made
        finally:
            process.kill()


def watched(bootstrap: str, partition: int) -> TransactionSettled:
    """What the log of *partition* came to within ``WATCHED_S`` after its transaction was aborted."""
    topic, began, seen = Topic(bootstrap, TOPIC, PARTITIONS), MONOTONIC.now(), (0, 0)

    def settled() -> None:
        nonlocal seen
        seen = end_and_stable(topic, partition)
        if seen[1] < seen[0]:
            raise NotYet(f"end {seen[0]}, last stable offset {seen[1]}")

    with contextlib.suppress(StackError):
        wait_for(settled, what="the last stable offset", seconds=WATCHED_S, every=0.5)
    now = MONOTONIC.now()
    return TransactionSettled(
        t=now,
        wall=wall_label(),
        topic=TOPIC,
        partition=partition,
        end=seen[0],
        stable=seen[1],
        watched_s=seconds_between(began, now),
    )
