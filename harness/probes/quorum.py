"""Which brokers take themselves for the leader of the metadata quorum."""

from __future__ import annotations

from harness.errors import StackError
from harness.ledger.schema import LEADS_QUORUM
from harness.probes.sampler import CALL_S, Sample
from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.kafka.files import brokers_of
from harness.stack.kafka.quorum import leads_quorum


class QuorumProbe:
    """Asks every broker of *definition* at its controller listener, which speaks for itself alone."""

    name = "quorum"

    def __init__(self, definition: StackDefinition) -> None:
        self._brokers, self._port = brokers_of(definition), definition.kafka.controller_port

    def sample(self) -> list[Sample]:
        """1 for each broker that takes itself for the leader, else 0; nothing for a silent one."""
        return [found for node in self._brokers for found in self._asked(node)]

    def _asked(self, node: NodeDefinition) -> list[Sample]:
        try:
            leads = leads_quorum(node.address, self._port, seconds=CALL_S / len(self._brokers))
        except StackError:
            return []
        return [(node.name, LEADS_QUORUM, float(leads))]
