"""The counters of the metrics agent's present life, kept so that they outlive it.

A Vector that is killed takes its counters along. What it had scraped by then is at least what was
sampled last; the checker of the metrics hop holds that against the bucket, life by life.
"""

from __future__ import annotations

from harness.errors import StackError
from harness.ledger.metrics import LIFE_DISCARDED, LIFE_SCRAPED, LIFE_STARTED
from harness.stack.vector.agent import MetricsAgent


class AgentProbe:
    """Samples one agent once a second."""

    name = "agent"

    def __init__(self, agent: MetricsAgent) -> None:
        self._agent = agent

    def sample(self) -> list[tuple[str, str, float]]:
        """Source, name and value of each sample.

        Raises:
            StackError: it gave no answer, or was started anew meanwhile.
        """
        started, said = self._agent.started_ms, self._agent.answers.said()
        if started != self._agent.started_ms:
            raise StackError(f"{self._agent.node.name} was started anew")
        found = {LIFE_STARTED: started, LIFE_SCRAPED: said.scraped, LIFE_DISCARDED: said.discarded}
        return [(self._agent.node.name, name, float(value)) for name, value in found.items()]
