"""A processor limit in the orchestrator's sense: pods are resized in place, and go on with less.

The kubelet tells what it applied; beyond that the kernel is asked. A process of ours joins the group of the
container and takes all the processor time that it gets: it must get some, no more than the limit, and the
kernel must count that it throttled the group. For that second the pod shares its limit with it. The process
carries the mark of a fault, and on another machine it is its agent's; either way it ends by itself
(``harness.stack.agents.burning``). The limits that the pod had stand on the pod itself
(``harness.stack.kubernetes.resizing``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.observed import FAULT, NODE
from harness.faults.pods import OnPods
from harness.stack.agents import burning
from harness.stack.agents.burning import Burned, Burnt
from harness.stack.kubernetes.resizing import UNLIMIT
from harness.stack.seams import Distant, Unreached
from harness.waiting import NotYet, wait_for

_APPLIED_S = 30.0
_MOST, _SLACK = 1.3, 0.03
"""How much of the limit our process may get at the most; the kernel gives the time out in slices."""

_RESIZE = "kubectl patch --subresource resize pod"


@dataclass
class CpuLimit(OnPods):
    """Resize pods to *milli* thousandths of a processor for each container; healed by what they had."""

    milli: int = 0
    _limited: list[str] = field(default_factory=list)
    _had: dict[str, dict[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, victim in self.victims.items():
            if isinstance(victim, Distant | Unreached) and not isinstance(victim, Burned):
                why = victim.unreached if isinstance(victim, Unreached) else ""
                raise NotExpressible(f"no process of ours reaches the processor time of {name}", why=why)
        self._had = {name: self.orchestrator.limits(name) for name in self.services}
        lacking = [name for name, had in self._had.items() if not had]
        if lacking:
            why = "a limit can be changed and not taken away: there would be none to give back"
            what = f"not expressible here, because {', '.join(lacking)} has no processor limit"
            raise NotExpressible(what, why=why, fix="give its containers resources.limits.cpu")

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        return tuple(f"{_RESIZE} {name} (to {self.milli}m)" for name in self.services)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing asks for."""
        return tuple(f"{_RESIZE} {name} (to {self._words(name)})" for name in self._had)

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """Whose limits are to be given back."""
        return tuple({"do": UNLIMIT, "node": name} for name in self.services)

    @property
    def footprint(self) -> Footprint:
        """A pod with little processor time may be slow to take connections: not judged."""
        return Footprint(severed=frozenset(), unsure=self.through)

    def inject(self) -> None:
        """Resize every pod.

        Raises:
            FaultError: one is limited already.
        """
        for name in self.services:
            if self.orchestrator.is_limited(name):
                raise FaultError(f"{name} is limited already", fix="heal the other fault first")
            self._limited.append(name)
            self.orchestrator.limit(name, self.milli)

    def landed(self) -> Seen:
        """Whether the kubelet applied the limit to every container, without a restart."""
        wanted = {name: dict.fromkeys(had, self.milli) for name, had in self._had.items()}
        seen = self._applied(wanted)
        again = [name for name, process in self.victims.items() if seen.ok and not process.is_alive()]
        return Seen(ok=False, words=f"{', '.join(again)} was restarted") if again else seen

    def traces(self) -> Seen:
        """What a process of ours in each container's group got, and whether the kernel throttled it."""
        seen = [self._burnt(name) for name in self.services]
        return Seen(ok=all(each.ok for each in seen), words="; ".join(each.words for each in seen))

    def still(self) -> Seen:
        """Whether the limits stayed."""
        now = {name: self.orchestrator.limits(name) for name in self.services}
        other = [name for name, limits in now.items() if set(limits.values()) != {self.milli}]
        return Seen(ok=not other, words=f"{', '.join(other)} has another limit" if other else NOTHING_LOST)

    def heal(self) -> None:
        """Give every pod its limits back; idempotent."""
        for name in self._limited:
            self.orchestrator.unlimit(name)

    def healed(self) -> Seen:
        """Whether the kubelet applied what they had, and every service serves."""
        back = self._applied({name: self._had[name] for name in self._limited})
        served = super().healed()
        return Seen(ok=back.ok and served.ok, words=f"{back.words}; {served.words}")

    def _applied(self, wanted: dict[str, dict[str, int]]) -> Seen:
        def observe() -> str:
            for name, limits in wanted.items():
                now, said = self.orchestrator.limits(name), self.orchestrator.resizing(name)
                if now != limits or said:
                    raise NotYet(f"{name} has {now}, not {limits} {said}".rstrip())
            return "; ".join(f"the kubelet gives {name} {limits}" for name, limits in wanted.items())

        try:
            told = wait_for(observe, what="the kubelet", seconds=_APPLIED_S, every=0.1, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        return Seen(ok=True, words=told)

    def _burnt(self, name: str) -> Seen:
        victim = self.victims[name]
        try:
            burnt = victim.burn() if isinstance(victim, Burned) else _here(name, victim.pid)
        except (OSError, FaultError) as error:
            return Seen(ok=False, words=f"what the group of {name} gets is not known: {error}")
        return judge(name, self.milli, burnt)

    def _words(self, name: str) -> str:
        return ", ".join(f"{milli}m" for milli in self._had[name].values())


def judge(name: str, milli: int, burnt: Burnt) -> Seen:
    """Whether a process that took all it got was held to *milli* by the kernel."""
    most = milli / 1000 * _MOST + _SLACK
    words = f"a process in the group of {name} got {burnt.got:.3f} of a processor"
    ok = 0 < burnt.got <= most and burnt.throttled > 0
    return Seen(ok=ok, words=f"{words}, throttled {burnt.throttled} times")


def _here(name: str, pid: int) -> Burnt:
    """See ``Burned``, on this machine.

    Raises:
        NotExpressible: the group is not seen.
        OSError: the process is gone, or its group takes no process or does not tell.
    """
    found = burning.group_of(pid)
    if found is None:
        raise NotExpressible("not expressible here, because the group that limits a container is not seen")
    return burning.burn(found, burning.start({**os.environ, FAULT: "cpu_limit", NODE: name}))
