"""A processor limit in the orchestrator's sense: pods are resized in place, and go on with less.

The kubelet tells what it applied; beyond that the kernel is asked. A process of ours joins the group of the
container and takes all the processor time that it gets: it must get some, no more than the limit, and the
kernel must count that it throttled the group. For that second the pod shares its limit with it. The process
carries the mark of a fault; the limits that the pod had stand on the pod itself
(``harness.stack.kubernetes.resizing``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import seconds_between
from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.observed import FAULT, NODE, PROC, processor_seconds
from harness.faults.pods import OnPods
from harness.stack.kubernetes.resizing import UNLIMIT
from harness.waiting import NotYet, wait_for

_APPLIED_S = 30.0
_BURN_S = 1.0
_MOST, _SLACK = 1.3, 0.03
"""How much of the limit our process may get at the most; the kernel gives the time out in slices."""

_RESIZE = "kubectl patch --subresource resize pod"
_GROUPS = Path("/sys/fs/cgroup")
# It waits until it is in the group, then takes what it gets.
_BURN = "import sys; sys.stdin.read(1)\nwhile True: pass"


@dataclass
class CpuLimit(OnPods):
    """Resize pods to *milli* thousandths of a processor for each container; healed by what they had."""

    milli: int = 0
    _limited: list[str] = field(default_factory=list)
    _had: dict[str, dict[str, int]] = field(init=False)
    _burning: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
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
        self._end_burning()
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
        group = group_of(self.victims[name].pid)
        marks = {**os.environ, FAULT: "cpu_limit", NODE: name}
        argv = [sys.executable, "-I", "-S", "-c", _BURN]
        burner = subprocess.Popen(argv, stdin=subprocess.PIPE, env=marks)
        self._burning.append(burner)
        try:
            return self._measured(name, group, burner)
        except OSError as error:
            return Seen(ok=False, words=f"{group} takes no process: {error}")
        finally:
            self._end_burning()

    def _measured(self, name: str, group: Path, burner: subprocess.Popen[bytes]) -> Seen:
        assert burner.stdin is not None
        (group / "cgroup.procs").write_text(str(burner.pid))
        throttled, used, began = throttles(group), processor_seconds(burner.pid), self.clock.now()
        burner.stdin.write(b"x")
        burner.stdin.close()
        self.clock.sleep(_BURN_S)
        got = (processor_seconds(burner.pid) - used) / seconds_between(began, self.clock.now())
        return judge(name, self.milli, got, throttles(group) - throttled)

    def _end_burning(self) -> None:
        for burner in self._burning:
            burner.kill()
            burner.wait()
        self._burning.clear()

    def _words(self, name: str) -> str:
        return ", ".join(f"{milli}m" for milli in self._had[name].values())


def judge(name: str, milli: int, got: float, throttled: int) -> Seen:
    """Whether a process that took all it got, *got* of a processor, was held to *milli* by the kernel."""
    most = milli / 1000 * _MOST + _SLACK
    words = f"a process in the group of {name} got {got:.3f} of a processor, throttled {throttled} times"
    return Seen(ok=0 < got <= most and throttled > 0, words=words)


def throttles(group: Path) -> int:
    """How often the kernel throttled the processes of *group*.

    Raises:
        OSError: it does not tell.
    """
    counts = dict(line.split(maxsplit=1) for line in (group / "cpu.stat").read_text().splitlines())
    return int(counts["nr_throttled"])


def group_of(pid: int, proc: Path = PROC, groups: Path = _GROUPS) -> Path:
    """The folder of the group that limits the processor time of *pid*, in either version of groups.

    Raises:
        NotExpressible: it is not seen here.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError as error:
        raise FaultError(f"process {pid} is not running", why=str(error)) from error
    for line in lines:
        _, controllers, path = line.split(":", 2)
        first = [groups / each for each in (controllers, "cpu") if "cpu" in controllers.split(",")]
        for place in first or ([groups] if not controllers else []):
            found = place / path.lstrip("/")
            if path != "/" and (found / "cpu.stat").is_file():
                return found
    raise NotExpressible("not expressible here, because the group that limits a container is not seen")
