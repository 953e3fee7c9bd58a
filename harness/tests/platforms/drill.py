"""A namespace that is made of dictionaries, with what runs of the harness left in it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import StackError
from harness.platforms.errand import ERRAND, JOB_KIND
from harness.platforms.remains import Kind
from harness.stack.agents.agent_pods import LABEL
from harness.stack.kubernetes import resizing
from harness.stack.kubernetes.connection import FORBIDDEN, Refused
from harness.stack.kubernetes.guest import CLAIMS, PODS
from harness.stack.kubernetes.owned import OURS, RUN
from harness.stack.kubernetes.pods_seen import PodSeen

SETS: Kind = ("apps/v1", "StatefulSet")
TOPICS: Kind = ("kafka.strimzi.io/v1beta2", "KafkaTopic")
KINDS = (SETS, TOPICS, PODS, CLAIMS)
HOME = "/var/lib/edge-harness/reports"


@dataclass
class Told:
    """A command in a pod that has ended."""

    def is_open(self) -> bool:
        """It has."""
        return False

    def close(self) -> None:
        """See ``Channel``."""


@dataclass
class Drill:
    """Stands in for ``Api``.

    Args:
        objects: every object by kind and name, as labels.
        jobs: the status of each Job.
        says: the last line of each pod's log.
        forbidden: the kinds that may not be listed.
        stuck: the kinds that nobody takes away.
        had: of each limited pod what its mark says that it had.
    """

    namespace: str = "edge-drill"
    objects: dict[tuple[Kind, str], dict[str, str]] = field(default_factory=dict)
    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    hopeless: set[str] = field(default_factory=set)
    forbidden: set[Kind] = field(default_factory=set)
    stuck: set[Kind] = field(default_factory=set)
    had: dict[str, resizing.Limits] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    undo_fails: bool = False
    resize_fails: bool = False

    def add(
        self, run: str, status: dict[str, object] | None, *, says: str = "1it runs", pod: bool = True
    ) -> None:
        """A run with a broker, its claim, an agent; *status* of its Job, None: there is no Job."""
        if status is not None:
            self.objects[JOB_KIND, f"job-{run}"] = {**OURS, ERRAND: run}
            self.jobs[f"job-{run}"] = status
        if pod:
            self.objects[PODS, f"run-{run}"] = {**OURS, ERRAND: run}
            self.says[f"run-{run}"] = says
        own = {**OURS, RUN: run}
        self.objects[SETS, f"kafka-{run}"] = own
        self.objects[PODS, f"agent-{run}"] = {**own, LABEL: run}
        self.objects[CLAIMS, f"data-{run}"] = own

    def every(self, version: str, kind: str, label: str = "") -> list[dict[str, Any]]:
        """Those of a kind with a label, or with one of that name."""
        if (version, kind) in self.forbidden:
            refused = Refused(f"{kind} is forbidden", OSError())
            refused.status = FORBIDDEN
            raise refused
        key, sign, value = label.partition("=")
        found = {name: labels for (of, name), labels in self.objects.items() if of == (version, kind)}
        chosen = {n: own for n, own in found.items() if (own.get(key) == value if sign else key in own)}
        return [self._manifest(name, own) for name, own in sorted(chosen.items())]

    def _manifest(self, name: str, labels: dict[str, str]) -> dict[str, Any]:
        told = [{"name": "HARNESS_DIR", "value": f"{HOME}/{labels.get(ERRAND)}"}]
        spec = {"containers": [{"env": told}]}
        return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": self.jobs.get(name, {})}

    def knows(self, _kind: Kind) -> bool:
        """All of them."""
        return True

    def labelled(self, kind: Kind, label: str) -> list[str]:
        """Their names."""
        return [each["metadata"]["name"] for each in self.every(*kind, label)]

    def delete(self, version: str, kind: str, name: str) -> None:
        """With a Job goes its pod."""
        self.done.append(f"delete {kind} {name}")
        if (version, kind) in self.stuck:
            return
        self.objects.pop(((version, kind), name), None)
        if kind == "Job":
            self.objects.pop((PODS, f"run-{name.removeprefix('job-')}"), None)

    def find(self, version: str, kind: str, name: str) -> dict[str, Any] | None:
        """Whether it is there, and what its mark says."""
        if ((version, kind), name) not in self.objects:
            return None
        return {"kind": kind, **resizing.marking(self.had.get(name))}

    def resize(self, pod: str, change: dict[str, Any]) -> None:
        """Whoever may."""
        if self.resize_fails:
            raise StackError(f"pod {pod} was not resized", why="exceeded quota")
        self.done.append(f"resize {pod} to {change['spec']['containers'][0]['resources']['limits']['cpu']}")

    def patch(self, version: str, kind: str, name: str, change: dict[str, Any]) -> None:
        """The mark of a limited pod goes."""
        assert ((version, kind), change) == (PODS, resizing.marking(None))
        self.done.append(f"unmark {name}")
        del self.had[name], self.objects[PODS, name][resizing.MARK]

    def let_go(self, version: str, kind: str, name: str) -> None:
        """Its finalizers are taken away, and it goes."""
        self.done.append(f"free {kind} {name}")
        self.objects.pop(((version, kind), name), None)

    def pods(self) -> dict[str, PodSeen]:
        """Ready, but for those without hope."""
        names = [name for (kind, name) in self.objects if kind == PODS]
        return {
            name: PodSeen(
                name, "10.0.0.1", "worker", name not in self.hopeless, 0,
                "ErrImagePull" if name in self.hopeless else "", "run" if name in self.hopeless else "",
            )
            for name in names
        }  # fmt: skip

    def log(self, pod: str, lines: int | None = None) -> str:
        """Its last line."""
        return self.says.get(pod, "")

    def exec(self, pod: str, argv: Sequence[str]) -> Told:
        """A run that is told to end does."""
        self.done.append(f"tell {pod} {' '.join(argv[-2:])}")
        self.says[pod] = "0130"
        return Told()

    def output(self, pod: str, argv: Sequence[str], *, seconds: float) -> Iterator[bytes]:
        """What an agent undid, or a run's directory."""
        self.done.append(f"{argv[-1]} in {pod}")
        if argv[0] != "tar":
            if self.undo_fails:
                raise StackError(f"{argv[0]} in pod {pod} failed")
            yield b'{"held": 1, "pods": 2, "left": false}\n'
            return
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(f"{argv[-1]}/run.json")
            entry.size = 2
            archive.addfile(entry, io.BytesIO(b"{}"))
        yield packed.getvalue()
