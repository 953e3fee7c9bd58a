"""A transactional producer: transactions of a few records, or transfers of a value; some are aborted."""

from __future__ import annotations

from harness.clock import MONOTONIC
from harness.workloads.kit import Kit
from harness.workloads.plan import CALL_S
from harness.workloads.sending import Sender
from harness.workloads.transacting import Transactions, settings_of

_ABORTED = 0.2
_RECORDS = (1, 2, 3, 5)
_AMOUNTS = (1, 100)
_HALVES_LEFT = 0.3
_UNHURRIED, _OPEN_S = 0.7, 0.12


class Writer:
    """Transactions until it is told to stop. A later process with its slot fences it.

    Told to use ``identities`` of its own it does so under a transactional id that nobody else uses, so that
    nobody can fence it; its history names the writer that it takes itself for. Told to write ``halves`` it
    moves a value in two transactions.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit, self._workload = kit, kit.plan.workload
        writer = identity(kit.plan.workload.name, kit.client.slot)
        used = f"{writer}-{kit.number}" if self._workload.wrong == "identities" else writer
        self._sender = Sender(kit, settings_of(used))
        self._transactions = Transactions(kit, self._sender, writer)

    def run(self) -> None:
        """Write until it is told to stop.

        Raises:
            Over: its session is.
        """
        self._transactions.open()
        while not self._kit.stopping:
            began = MONOTONIC.now()
            self._write()
            self._kit.rest(began)

    def _write(self) -> None:
        if self._workload.form == "transactions":
            records = self._kit.chance.choice(_RECORDS)
            self._one([(self._kit.chance.randrange(self._workload.keys), 0) for _ in range(records)])
        elif self._workload.wrong == "halves":
            for half in self._transfer():
                self._one([half], aborted=_HALVES_LEFT)
        else:
            self._one(self._transfer())

    def _transfer(self) -> list[tuple[int, int]]:
        """(account, value) of what leaves one account and what comes to another."""
        giver, taker = self._kit.chance.sample(range(self._workload.keys), 2)
        amount = self._kit.chance.randint(*_AMOUNTS)
        return [(giver, -amount), (taker, amount)]

    def _one(self, records: list[tuple[int, int]], *, aborted: float = _ABORTED) -> None:
        """One transaction of these (key, value)."""
        name = self._transactions.name()
        self._transactions.begin(name)
        for key, value in records:
            place = key % self._workload.partitions
            self._sender.send(self._workload.name, place, transaction=name, key=key, value=value)
        self._dwell()
        if self._kit.chance.random() < aborted:
            self._transactions.abort(len(records))
        else:
            self._transactions.commit(len(records))

    def _dwell(self) -> None:
        """Have the records in the log before the end is asked for, and let it stay open for a while: mostly.

        Else an abort would leave nothing that anybody could wrongly see.
        """
        if self._kit.chance.random() < _UNHURRIED:
            self._sender.producer.flush(CALL_S)
            self._kit.pause(self._kit.chance.uniform(0, _OPEN_S))


def identity(name: str, slot: int) -> str:
    """The transactional id of the slot of a workload."""
    return f"{name}-{slot}"
