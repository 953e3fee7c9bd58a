"""How a transaction ended is told by what the coordinator certainly said, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from harness.history.operations import End, Transaction
from harness.tests.workloads.kits import kit, planned, told
from harness.workloads.kit import Over
from harness.workloads.sending import Sender
from harness.workloads.spec import transactions
from harness.workloads.transacting import Transactions

LATER = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "later", retriable=True)
ABORT = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "abort it", txn_requires_abort=True)
FENCED = KafkaError(KafkaError._FENCED, "another one", fatal=True)


class Answering:
    """A producer that answers as it is told, then always well; ``asked`` is what it was asked for."""

    def __init__(self, *answers: KafkaError | None) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    @property
    def producer(self) -> Answering:
        """Itself, as a sender has one."""
        return self

    def begin_transaction(self) -> None:
        """Always granted."""

    def commit_transaction(self, seconds: float) -> None:
        """Answer."""
        self._answer("commit")

    def abort_transaction(self, seconds: float) -> None:
        """Answer."""
        self._answer("abort")

    def _answer(self, asked: str) -> None:
        self.asked.append(asked)
        error = self._answers.pop(0) if self._answers else None
        if error is not None:
            raise KafkaException(error)


@pytest.mark.parametrize(
    ("answers", "asked", "end", "outcome"),
    [
        ((), ["commit"], "commit", "ok"),
        ((LATER, LATER), ["commit", "commit", "commit"], "commit", "ok"),
        ((ABORT,), ["commit", "abort"], "abort", "ok"),
        ((LATER, ABORT, LATER), ["commit", "commit", "abort", "abort"], "abort", "ok"),
        ((FENCED,), ["commit"], "commit", "unknown"),
        ((LATER, FENCED), ["commit", "commit"], "commit", "unknown"),
        ((ABORT, FENCED), ["commit", "abort"], "abort", "unknown"),
        ((ABORT, ABORT), ["commit", "abort"], "abort", "unknown"),
    ],
)
def test_a_commit_ends_as_the_coordinator_said(
    tmp_path: Path, answers: tuple[KafkaError, ...], asked: list[str], end: str, outcome: End
) -> None:
    """Granted: it is committed. An abort that was granted: it is not. Everything else: nobody knows."""
    plan, producer = planned(tmp_path, transactions()), Answering(*answers)
    made = Transactions(kit(plan, "writer", 4), cast(Sender, producer), "writer")
    made.begin("t")
    if outcome == "unknown":
        with pytest.raises(Over):
            made.commit(3)
    else:
        assert made.commit(3) == (end == "commit")
    (line,) = [each for each in told(plan) if isinstance(each, Transaction)]

    assert producer.asked == asked
    assert (line.end, line.outcome, line.records, line.incarnation) == (end, outcome, 3, 4)
    assert (line.t[1] is None) == (outcome == "unknown")


def test_names_of_transactions_are_never_used_twice(tmp_path: Path) -> None:
    """Two incarnations of one transactional id tell of different transactions."""
    plan = planned(tmp_path, transactions())
    sender = cast(Sender, Answering())
    names = [Transactions(kit(plan, "writer", n), sender, "writer").name() for n in (1, 2)]

    assert len(set(names)) == 2
