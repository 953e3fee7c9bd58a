"""Transactions of one transactional id: begun, ended, and put into the history with how they ended."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

from confluent_kafka import KafkaError, KafkaException

from harness.clock import MONOTONIC, NANOS_PER_SECOND
from harness.history.operations import Consumed, Transaction
from harness.workloads.kit import Kit, Over
from harness.workloads.plan import CALL_S
from harness.workloads.sending import Sender

_Call = Callable[[float], None]
_PATIENCE_S = 40.0
_TIMEOUT_MS = 25_000
"""After so long the coordinator aborts a transaction whose writer is gone for good."""


def settings_of(identity: str) -> dict[str, str]:
    """What makes a producer transactional."""
    return {"transactional.id": identity, "transaction.timeout.ms": str(_TIMEOUT_MS)}


class Transactions:
    """The transactions of one session. Its incarnation is its client's number: it grows."""

    def __init__(self, kit: Kit, sender: Sender, writer: str) -> None:
        self._kit, self._sender, self._writer = kit, sender, writer
        self._numbers = itertools.count()
        self._current = ""

    def open(self) -> None:
        """Fence whoever had this transactional id before.

        Raises:
            Over: no coordinator took it in time.
        """
        self._patiently(self._sender.producer.init_transactions)

    def name(self) -> str:
        """The name of the next one."""
        return f"{self._writer}/{self._kit.number}/{next(self._numbers)}"

    def begin(self, name: str) -> None:
        """Begin the one with that *name*.

        Raises:
            Over: the session is.
        """
        self._current = name
        try:
            self._sender.producer.begin_transaction()
        except KafkaException as error:
            raise Over(str(error)) from error

    def commit(self, records: int, consumed: Sequence[Consumed] = ()) -> bool:
        """Commit the current one; whether it was: if it cannot be committed it is aborted.

        Raises:
            Over: nobody knows whether it was, or the session is over.
        """
        asked = self._asked("commit", records, consumed)
        self._kit.write(asked)
        try:
            self._patiently(self._sender.producer.commit_transaction)
        except _MustAbort:
            self.abort(records, consumed)
            return False
        self._kit.write(_known(asked))
        self._kit.did()
        return True

    def abort(self, records: int, consumed: Sequence[Consumed] = ()) -> None:
        """Abort the current one.

        Raises:
            Over: nobody knows whether it was, or the session is over.
        """
        asked = self._asked("abort", records, consumed)
        self._kit.write(asked)
        self._patiently(self._sender.producer.abort_transaction)
        self._kit.write(_known(asked))
        self._kit.did()

    def _asked(
        self, end: Literal["commit", "abort"], records: int, consumed: Sequence[Consumed]
    ) -> Transaction:
        return Transaction(
            transaction=self._current,
            writer=self._writer,
            incarnation=self._kit.number,
            t=(MONOTONIC.now(), None),
            end=end,
            outcome="unknown",
            records=records,
            consumed=tuple(consumed),
        )

    def _patiently(self, call: _Call) -> None:
        """Make *call* again while the client says that it may be tried again."""
        deadline = MONOTONIC.now() + int(_PATIENCE_S * NANOS_PER_SECOND)
        while True:
            try:
                return call(CALL_S)
            except KafkaException as error:
                self._refused(error, late=MONOTONIC.now() > deadline)

    @staticmethod
    def _refused(error: KafkaException, *, late: bool) -> None:
        """Return when the call may be made again.

        Raises:
            Over: it may not, or not any more.
            _MustAbort: the transaction can only be aborted.
        """
        told: KafkaError = error.args[0]
        if told.txn_requires_abort():
            raise _MustAbort(str(told)) from error
        if late or not told.retriable():
            raise Over(str(told)) from error


class _MustAbort(Over):
    """The transaction has to be aborted; an abort that has to be is the end."""


def _known(asked: Transaction) -> Transaction:
    return asked.model_copy(update={"t": (asked.t[0], MONOTONIC.now()), "outcome": "ok"})
