"""Which brokers name themselves leader of the metadata quorum."""

from __future__ import annotations

from harness.errors import StackError
from harness.ledger.schema import LEADS_QUORUM
from harness.probes.sampler import CALL_S, Sample
from harness.stack.definition import StackDefinition
from harness.stack.kafka_files import brokers_of
from harness.stack.quorum import quorum_leader


class QuorumProbe:
    """Asks every broker of *definition* who leads."""

    name = "quorum"

    def __init__(self, definition: StackDefinition) -> None:
        self._brokers, self._port = brokers_of(definition), definition.kafka.client_port

    def sample(self) -> list[Sample]:
        """1 for each broker that names itself, 0 for one that names another; nothing for a silent one."""
        found = ((node.name, own, self._named(node.address)) for own, node in enumerate(self._brokers, 1))
        return [(name, LEADS_QUORUM, float(leader == own)) for name, own, leader in found if leader]

    def _named(self, address: str) -> int:
        """The node id that the broker at *address* names; 0 when it names none."""
        try:
            return quorum_leader(address, self._port, seconds=CALL_S / len(self._brokers))
        except StackError:
            return 0
