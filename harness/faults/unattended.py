"""An operator that is asked to leave a custom resource alone: what breaks meanwhile, nobody repairs or rolls.

No node is hit, so no connection may go. The effect is proven by what the operator itself says of the
resource: an annotation that it never read has paused nothing. It is over when the operator says so no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.clock import MONOTONIC, Clock
from harness.errors import FaultError, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.stack.kubernetes.orchestrated import Attention, Orchestrator
from harness.stack.kubernetes.reconciliation import Paused
from harness.stack.seams import Service
from harness.waiting import NotYet, wait_for

HEARD_S = 180.0
"""An operator hears of a change at once, but ends the reconciliation that it is at first."""


@dataclass
class Unattended:
    """Pause the reconciliation of what pods belong to; healed by having it go on."""

    services: Mapping[str, Service]
    orchestrator: Orchestrator
    clock: Clock = MONOTONIC
    heard_s: float = HEARD_S
    resources: dict[str, Attention] = field(init=False)
    """What is paused, by the node by which it was found first; as it was before."""

    def __post_init__(self) -> None:
        found: dict[str, tuple[str, Attention]] = {}
        for node in self.services:
            now = self.orchestrator.attention(node)
            found.setdefault(now.name, (node, now))
        self.resources = dict(found.values())
        for now in self.resources.values():
            if now.asked or now.paused:
                why, fix = now.said or "its annotation says so", "have it reconciled again first"
                raise FaultError(f"Kafka {now.name} is paused already", why=why, fix=fix)

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        words = "strimzi.io/pause-reconciliation=true"
        return tuple(f"kubectl annotate kafka {each.name} {words}" for each in self.resources.values())

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing asks for."""
        words = "strimzi.io/pause-reconciliation-"
        return tuple(f"kubectl annotate kafka {each.name} {words}" for each in self.resources.values())

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """What the watchdog takes away where it gets at the cluster; elsewhere it goes with the resource."""
        named = (Paused(each.cluster, each.namespace, each.name) for each in self.resources.values())
        return tuple(each.note for each in named)

    @property
    def footprint(self) -> Footprint:
        """Every connection stays."""
        return Footprint(severed=frozenset(), unsure=frozenset())

    def inject(self) -> None:
        """Ask for it."""
        for node in self.resources:
            self.orchestrator.pause_reconciliation(node, paused=True)

    def landed(self) -> Seen:
        """Whether the operator says that it leaves every resource alone; waits for it."""
        return self._waits(paused=True)

    def traces(self) -> Seen:
        """Nothing beside what the operator says."""
        return Seen(ok=True, words="")

    def still(self) -> Seen:
        """Whether it stayed so."""
        back = [each.name for each in self._now() if not (each.asked and each.paused)]
        words = f"Kafka {', '.join(back)} was reconciled again" if back else NOTHING_LOST
        return Seen(ok=not back, words=words)

    def heal(self) -> None:
        """Take the request away; idempotent."""
        for node in self.resources:
            self.orchestrator.pause_reconciliation(node, paused=False)

    def healed(self) -> Seen:
        """Whether the operator has looked after every resource again; waits for it."""
        return self._waits(paused=False)

    def _now(self) -> list[Attention]:
        return [self.orchestrator.attention(node) for node in self.resources]

    def _waits(self, *, paused: bool) -> Seen:
        def observe() -> str:
            now = self._now()
            words = "; ".join(f"Kafka {each.name}: {each.said or 'no condition'}" for each in now)
            if any((each.asked, each.paused) != (paused, paused) for each in now):
                raise NotYet(words)
            return words

        try:
            what, clock = "its operator to take notice", self.clock
            told = wait_for(observe, what=what, seconds=self.heard_s, every=0.25, clock=clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        return Seen(ok=True, words=told)
