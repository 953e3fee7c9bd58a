"""Pods that a NetworkPolicy forbids every connection: a partition made by the cluster's own network.

Whether a policy does anything is up to that network, and some do nothing. So the effect is proven by
connections alone: between pods none may be opened any more. Where they still can be, after as long as a
network may take, the fault is not proven, and its words say why. What was open before may stay so, for many
networks look at new connections only; and what comes from the pod's own machine is let in by rule: from
neither anything is concluded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.pods import OnPods
from harness.faults.reach import Pair, listed
from harness.stack.kubernetes.policies import Denial
from harness.waiting import NotYet, wait_for

ENFORCED_S = 15.0
"""So long a network may take to read a policy."""

TRY_SECONDS = 0.3
"""So long a connection is waited for."""

Tried = Callable[[frozenset[Pair]], frozenset[Pair]]
"""Which of some connections can be opened now."""


@dataclass
class Denied(OnPods):
    """Have a NetworkPolicy forbid pods everything; healed by deleting it.

    Args:
        open_now: tries connections.
    """

    open_now: Tried = frozenset
    _denials: dict[str, Denial] = field(init=False)
    _severed: frozenset[Pair] = field(init=False)
    _opened: frozenset[Pair] = frozenset()
    """What could be opened before: only that proves anything by being closed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._denials = {name: self.orchestrator.denial(name) for name in self.services}
        ends = {end for pair in self.through for end in (pair.source, pair.target)}
        pods = {name for name in ends if name in self.services or self.orchestrator.pod(name).uid}
        self._severed = frozenset(pair for pair in self.through if {pair.source, pair.target} <= pods)

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        policies = self._denials.values()
        return tuple(f"kubectl apply networkpolicy {each.name} (nothing to or from it)" for each in policies)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing asks for."""
        return tuple(f"kubectl delete networkpolicy {each.name}" for each in self._denials.values())

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """What the watchdog deletes where it gets at the cluster; elsewhere it goes with the stack."""
        return tuple(each.note for each in self._denials.values())

    @property
    def footprint(self) -> Footprint:
        """Between pods nothing can be opened; of what others open nothing is concluded."""
        return Footprint(severed=self._severed, unsure=self.through - self._severed)

    def inject(self) -> None:
        """Make a policy for every pod."""
        self._opened = self.open_now(self._severed)
        for name in self.services:
            self.orchestrator.deny(name)

    def landed(self) -> Seen:
        """Whether no pod can connect to them, nor they to any; waits for the network to read the policy."""
        if not self._opened:
            return Seen(ok=False, words="no connection between pods was open before, so none proves anything")
        try:
            what, clock = "the network to enforce a NetworkPolicy", self.clock
            wait_for(self._enforced, what=what, seconds=ENFORCED_S, every=0.25, clock=clock)
        except StackError as error:
            why = f"{error.why} {ENFORCED_S:g} s after: this cluster's network enforces no NetworkPolicy"
            return Seen(ok=False, words=why)
        return Seen(ok=True, words="the network enforces the policy")

    def still(self) -> Seen:
        """Whether every policy stayed."""
        gone = [name for name in self.services if not self.orchestrator.denied(name)]
        words = f"somebody else deleted the policy of {', '.join(gone)}" if gone else NOTHING_LOST
        return Seen(ok=not gone, words=words)

    def heal(self) -> None:
        """Delete the policies; idempotent."""
        for name in self.services:
            self.orchestrator.allow(name)

    def healed(self) -> Seen:
        """Whether no policy is left, and every service serves; waits for it."""
        left = [name for name in self.services if self.orchestrator.denied(name)]
        return Seen(ok=False, words=f"{', '.join(left)} is still denied") if left else super().healed()

    def _enforced(self) -> None:
        if still_open := self.open_now(self._opened):
            raise NotYet(f"{listed(still_open)} still connect")
