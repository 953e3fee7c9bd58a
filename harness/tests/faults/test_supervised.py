"""Processes that end under their fault, or right after it, where somebody starts them again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import FaultLeftBehind, StackError
from harness.faults.injection import Injector
from harness.faults.journal import Fault, Journal
from harness.faults.mechanism import Mechanism
from harness.faults.prepare import Prepared
from harness.faults.selectors import Resolution, broker
from harness.faults.signals import Pause
from harness.faults.spec import FaultSpec, pause
from harness.faults.starve import Starvation
from harness.stack.seams import Strike
from harness.tests.faults.fakes import FakeNode, FakeProcess, FakeService, FakeStack
from harness.tests.faults.test_injection import FakeClock, Script


@dataclass
class Kept(FakeService):
    """A service that a kubelet starts again, and that serves after if it is to."""

    serves: bool = True
    supervisor: str = "the kubelet"

    def wait_ready(self, seconds: float) -> str:
        """As set."""
        if not self.serves:
            raise StackError("its port is closed")
        return "ready"


def ended(service: FakeService, kind: type[Pause | Starvation]) -> Pause | Starvation:
    """A fault on *service*, whose process ended meanwhile."""
    fault = (
        Pause({"operator": service}, 1)
        if kind is Pause
        else Starvation({"operator": service}, 0.5, 1, clock=FakeClock())
    )
    service.process.alive = False
    return fault


@pytest.mark.parametrize("kind", [Pause, Starvation])
def test_healing_is_over_when_what_was_started_again_serves(kind: type[Pause | Starvation]) -> None:
    """A process that the kubelet killed is not all there is to see: the one after it has to serve."""
    service = Kept(FakeProcess(1))
    seen = ended(service, kind).healed()

    assert (True, 1) == (seen.ok, service.starts)
    assert "operator: target gone, the kubelet started it again, ready" == seen.words


@pytest.mark.parametrize("kind", [Pause, Starvation])
def test_what_was_started_again_and_does_not_serve_is_no_healing(kind: type[Pause | Starvation]) -> None:
    """That its process is gone proves nothing of the next one."""
    seen = ended(Kept(FakeProcess(1), serves=False), kind).healed()

    assert (False, "operator does not serve: its port is closed") == (seen.ok, seen.words)


@pytest.mark.parametrize("kind", [Pause, Starvation])
def test_what_nobody_starts_again_is_gone(kind: type[Pause | Starvation]) -> None:
    """There is nothing left that could be stopped, and nothing to wait for."""
    service = FakeService(FakeProcess(1))
    seen = ended(service, kind).healed()

    assert (True, "operator: target gone", 0) == (seen.ok, seen.words, service.starts)


@dataclass
class Away(FakeNode):
    """A node from which nothing is reached between two instants, in seconds."""

    clock: FakeClock | None = None
    away: tuple[float, float] = (0.0, 0.0)

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """As set; an attempt in vain takes its time."""
        assert self.clock is not None
        first, last = self.away
        if not first <= self.clock.now() / 1e9 < last:
            return True
        self.clock.sleep(seconds)
        return False


class OneScript(Injector):
    """An injector whose every fault is the same script."""

    def prepare(self, spec: FaultSpec, number: int) -> Prepared:
        """The script."""
        facts = Fault(number, spec.name, spec.kind, "broker-1", ("broker-1",), "scripted")
        script: Mechanism = Script([])
        strike = Strike(spec.kind, spec.name, ("broker-1",))
        return Prepared(Resolution(("broker-1",), "scripted"), script, facts, strike)


def healed(tmp_path: Path, *, kept: bool, back_at: float) -> str:
    """The proof of healing when connections break right after it and are back after so many seconds."""
    clock, stack = FakeClock(), FakeStack()
    node = Away("load-1", "load", "198.18.0.11", clock=clock, away=(20.0, 20.0 + back_at))
    stack.nodes = {**stack.nodes, "load-1": node}
    if kept:
        stack.services = {name: Kept(FakeProcess(n)) for n, name in enumerate(stack.fakes)}
    injector = OneScript(stack, Journal(tmp_path / "journal.jsonl", clock), ready_seconds=90, clock=clock)
    with injector.inject(pause(broker(1)), seconds=20) as fault:
        pass
    return fault.healing_proof


def test_what_ends_right_after_its_fault_has_a_start_s_time_to_be_back(tmp_path: Path) -> None:
    """An operator whose lease ran out while it stood ends by itself once it runs on."""
    assert "connections open" in healed(tmp_path, kept=True, back_at=60)


@pytest.mark.parametrize(("kept", "back_at"), [(True, 400), (False, 60)])
def test_what_does_not_come_back_is_left_behind(tmp_path: Path, *, kept: bool, back_at: float) -> None:
    """A start takes its time, not for ever; where nobody starts anything, connections are back at once."""
    with pytest.raises(FaultLeftBehind, match="does not connect: load-1"):
        healed(tmp_path, kept=kept, back_at=back_at)
