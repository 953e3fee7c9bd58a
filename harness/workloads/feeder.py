"""A producer without transactions: single records, for groups to consume, or of keys that are compacted."""

from __future__ import annotations

from harness.clock import MONOTONIC
from harness.workloads.kit import Kit
from harness.workloads.sending import Sender

_TOMBSTONES = 0.15
_LAST_S = 30.0


class Feeder:
    """Single records until it is told to stop, then it waits for what becomes of the last ones."""

    def __init__(self, kit: Kit) -> None:
        self._kit, self._workload = kit, kit.plan.workload
        self._sender = Sender(kit, {})

    def run(self) -> None:
        """Send until it is told to stop."""
        while not self._kit.stopping:
            began = MONOTONIC.now()
            self._send()
            self._sender.producer.poll(0)
            self._kit.rest(began)
        self._sender.producer.flush(_LAST_S)

    def _send(self) -> None:
        name, chance = self._workload.name, self._kit.chance
        if self._workload.form != "compacted":
            return self._sender.send(name, chance.randrange(self._workload.partitions))
        key = chance.randrange(self._workload.keys)
        value = None if chance.random() < _TOMBSTONES else chance.randint(1, 1_000)
        return self._sender.send(name, key % self._workload.partitions, key=key, value=value)
