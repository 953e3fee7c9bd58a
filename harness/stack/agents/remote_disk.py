"""The disks of pods' claims where only agents reach them: faults on disks fill them through the agents.

Which volume is a pod's disk the cluster tells: the one that its only claim is bound to. Whether it is a file
system for itself, so that nothing but the pod is filled, its agent tells (``harness.stack.agents.volumes``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.errors import NotExpressible, StackError
from harness.stack.agents.agents import AGENT, Agent, VolumeTold
from harness.stack.agents.remote import Placed
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.owned import Manifest
from harness.waiting import NotYet, wait_for

_PLACED_S = 60.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """The volume of a pod's claim, by the names of both, and the agent where the pod is."""

    pod: str
    volume: str
    agent: Agent

    def told(self) -> VolumeTold:
        """As it is now.

        Raises:
            FaultError: the agent cannot say.
        """
        return self.agent.volume(self.pod, self.volume)


@dataclass
class RemoteDisk:
    """The disk of the pod *node*; see ``harness.stack.disks.AnyDisk`` and ``DiskAt``.

    Args:
        place: where its machine had it when the fault was made ready.
        claimed: tells which volume it is now: another pod of the name may have come.
    """

    node: str
    namespace: str
    place: str
    agent: Agent
    claimed: Callable[[], Claimed]
    _filled: Claimed | None = field(default=None, repr=False)
    """What was filled: it is freed there, whatever became of the pod."""

    @property
    def undo(self) -> dict[str, str]:
        """Nothing that anybody but its agent could do."""
        return {"place": self.place, "by": "agent"}

    def commands(self, *, read_only: bool) -> tuple[str, ...]:
        """In words: only a process that stays can do it."""
        assert not read_only, "such a fault is refused before"
        where = f"{self.place} on {self.agent.machine}"
        return (f"fill {where} with a file that a process of {self.agent.pod} holds open",)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """The end of that process, with all that the agent holds."""
        words = ["kubectl", "--namespace", self.namespace, "exec", self.agent.pod, "--", *AGENT, "undo"]
        return (" ".join(words),)

    def find(self) -> RemoteDisk:
        """Itself: it follows its pod."""
        return self

    @property
    def megabytes(self) -> int:
        """Its size."""
        return self.claimed().told().megabytes

    @property
    def whole(self) -> bool:
        """Whether it is neither read-only nor filled by an agent."""
        return self.claimed().told().whole

    def fill(self) -> None:
        """Leave no room, for as long as the agent hears of this harness."""
        self._filled = self.claimed()
        self._filled.agent.fill_volume(self._filled.pod, self._filled.volume)

    def freeze(self) -> None:
        """Nobody can.

        Raises:
            NotExpressible: always.
        """
        raise NotExpressible(f"the disk of {self.node} cannot be made read-only here")

    def restore(self) -> None:
        """Give it its room back; idempotent."""
        if self._filled is not None:
            self._filled.agent.free_volume(self._filled.volume)

    def probe(self) -> int:
        """See ``AnyDisk``."""
        now = self.claimed()
        return now.agent.try_volume(now.pod, now.volume)[0]

    def is_readable(self) -> bool:
        """See ``AnyDisk``."""
        now = self.claimed()
        return now.agent.try_volume(now.pod, now.volume)[1]


@dataclass(frozen=True)
class RemoteClaims:
    """The claims of the namespace of *api*; see ``harness.stack.kubernetes.orchestrated.Volumes``.

    ``placed`` tells where a pod is.
    """

    api: Api
    placed: Callable[[str], Placed | None]
    storage_class: str = ""
    """Whatever the cluster gives."""

    def of(self, node: str) -> RemoteDisk:
        """The disk of the pod's only claim.

        Raises:
            NotExpressible: it has none, or several, or filling it would fill more than it.
            StackError: the cluster does not tell.
        """
        found = self._claimed(node)
        told = found.told()
        if told.why:
            why = f"volume {found.volume} is not a file system of its own: {told.why}"
            raise NotExpressible(f"the disk of {node} cannot be filled here", why=why)
        return RemoteDisk(node, self.api.namespace, told.place, found.agent, lambda: self._claimed(node))

    def _claimed(self, node: str) -> Claimed:
        """Where it is now; between two pods of the name it is waited for."""
        what = f"pod {node} to be somewhere"
        place = wait_for(lambda: self._placed(node), what=what, seconds=_PLACED_S, every=0.25)
        claim = self._only_claim(node)
        found = self.api.find("v1", "PersistentVolumeClaim", claim) or {}
        volume = str(found.get("spec", {}).get("volumeName") or "")
        if not volume:
            raise StackError(f"claim {claim} of {node} has no volume")
        return Claimed(place.uid, volume, place.agent)

    def _only_claim(self, node: str) -> str:
        claims = list(_claims_of(self.api.find("v1", "Pod", node) or {}))
        if len(claims) == 1:
            return claims[0]
        why = f"which of its {len(claims)} claims is its disk is not known" if claims else "it has no claim"
        raise NotExpressible(f"the disk of {node} cannot be filled here", why=why)

    def _placed(self, node: str) -> Placed:
        found = self.placed(node)
        if found is None:
            raise NotYet("there is no pod of that name")
        return found


def _claims_of(pod: Manifest) -> Iterator[str]:
    """The claims that its containers mount: who has none of it mounted has no disk of it."""
    spec = pod.get("spec", {})
    used = {each["name"] for one in spec.get("containers", ()) for each in one.get("volumeMounts") or ()}
    for volume in spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume and volume["name"] in used:
            yield str(volume["persistentVolumeClaim"]["claimName"])
