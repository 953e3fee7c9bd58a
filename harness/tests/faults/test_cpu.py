"""A processor limit: what the kubelet says, and what the kernel leaves a process in the container's group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import BadInput, FaultError, NotExpressible
from harness.faults.cluster import limit_cpu
from harness.faults.cpu import CpuLimit, judge
from harness.faults.observed import FAULT, NODE
from harness.faults.selectors import broker
from harness.stack.agents import burning
from harness.stack.agents.burning import Burnt
from harness.tests.faults.fakes import FakeProcess
from harness.tests.faults.orchestrated import Later, PodStack

NAME, MILLI = "broker-1", 200


def limit(stack: PodStack) -> CpuLimit:
    """The first broker's limit."""
    pods = {NAME: stack.pods[NAME]}
    return CpuLimit(pods, stack.orchestrator, 60.0, clock=Later(), milli=MILLI)


def test_a_limit_is_applied_and_given_back() -> None:
    """The kubelet says so both times; the pod is the same one, and not restarted."""
    stack = PodStack()
    fault = limit(stack)
    fault.inject()

    assert (fault.landed().ok, fault.still().ok) == (True, True)
    fault.heal()
    fault.heal()
    healed = fault.healed()
    assert (True, True) == (healed.ok, "the kubelet gives broker-1 {'kafka': 8000}" in healed.words)
    assert fault.undo_commands == ("kubectl patch --subresource resize pod broker-1 (to 8000m)",)


def test_what_was_asked_for_is_not_what_was_applied() -> None:
    """A machine without room defers the resize: its own words stand in the place of a proof."""
    stack = PodStack()
    stack.orchestrator.late = "PodResizePending Deferred"
    fault = limit(stack)
    fault.inject()

    seen = fault.landed()

    assert (False, True) == (seen.ok, "PodResizePending Deferred" in seen.words)


def test_a_limit_that_is_still_there_is_not_healed() -> None:
    """Whatever the API server answered to the request."""
    stack = PodStack()
    fault = limit(stack)
    fault.inject()
    stack.orchestrator.had.clear()
    fault.heal()

    assert not fault.healed().ok


def test_a_limit_that_somebody_changed_did_not_stay() -> None:
    """A new pod of that name, or another resize."""
    stack = PodStack()
    fault = limit(stack)
    fault.inject()
    stack.orchestrator.cpu[NAME] = {"kafka": 1_000}

    assert not fault.still().ok


def test_a_container_that_was_restarted_is_seen() -> None:
    """In place means that the process goes on."""
    stack = PodStack()
    fault = limit(stack)
    fault.inject()
    stack.pods[NAME].process.alive = False

    assert "was restarted" in fault.landed().words


def test_where_there_is_no_limit_there_is_none_to_give_back() -> None:
    """Kubernetes changes limits in place and takes none away."""
    stack = PodStack()
    stack.orchestrator.cpu[NAME] = {}

    with pytest.raises(NotExpressible, match="broker-1 has no processor limit"):
        limit(stack)


def test_a_pod_is_limited_once() -> None:
    """The first healing would end both; of the second, which was refused, nothing is undone."""
    stack = PodStack()
    first, second = limit(stack), limit(stack)
    first.inject()

    with pytest.raises(FaultError, match="broker-1 is limited already"):
        second.inject()
    second.heal()
    assert first.still().ok


@pytest.mark.parametrize(
    ("got", "throttled", "ok"),
    [(0.2, 9, True), (0.05, 9, True), (0.4, 9, False), (0.2, 0, False), (0.0, 9, False)],
)
def test_the_kernel_is_judged_by_both_bounds(got: float, throttled: int, ok: bool) -> None:  # noqa: FBT001
    """More than the limit is none, nothing at all is a stop, and slow without throttling a busy machine."""
    assert ok == judge(NAME, MILLI, Burnt(got, throttled)).ok


@dataclass
class FarProcess(FakeProcess):
    """On another machine, where its agent burns, or says why it cannot."""

    burnt: Burnt | None = None

    def burn(self) -> Burnt:
        """As set."""
        if self.burnt is None:
            raise FaultError("the agent on worker-1 could not burn", why="its group is not seen")
        return self.burnt


@pytest.mark.parametrize(
    ("burnt", "ok", "words"),
    [
        (Burnt(0.2, 9), True, "got 0.200 of a processor, throttled 9 times"),
        (Burnt(0.9, 0), False, "got 0.900 of a processor, throttled 0 times"),
        (None, False, "could not burn: its group is not seen"),
    ],
)
def test_an_agent_proves_it_on_its_own_machine(burnt: Burnt | None, ok: bool, words: str) -> None:  # noqa: FBT001
    """What it saw is judged as what is seen here; what it could not see proves nothing."""
    stack = PodStack()
    stack.pods[NAME].process = FarProcess(1, burnt=burnt)

    seen = limit(stack).traces()

    assert (ok, True) == (seen.ok, words in seen.words)


@dataclass
class OutOfReach(FakeProcess):
    """In a pod beside which no agent may stand."""

    unreached: str = "violates PodSecurity"


def test_where_nothing_can_be_proven_nothing_is_limited() -> None:
    """The API server would do it all the same."""
    stack = PodStack()
    stack.pods[NAME].process = OutOfReach(1)

    with pytest.raises(NotExpressible, match="reaches the processor time of broker-1: violates PodSecurity"):
        limit(stack)


def test_here_a_process_with_the_mark_of_a_fault_burns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By it the watchdog and heal find the process and end it."""
    started: list[dict[str, str]] = []
    monkeypatch.setattr(burning, "group_of", lambda _pid: tmp_path)
    monkeypatch.setattr(burning, "start", started.append)
    monkeypatch.setattr(burning, "burn", lambda group, _burner: Burnt(0.2 * (group == tmp_path), 9))

    assert limit(PodStack()).traces().ok
    assert ("cpu_limit", NAME) == (started[0][FAULT], started[0][NODE])


def test_a_group_that_is_not_seen_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could be proven of it."""
    monkeypatch.setattr(burning, "group_of", lambda _pid: None)

    with pytest.raises(NotExpressible, match="is not seen"):
        limit(PodStack()).traces()


@pytest.mark.parametrize("milli", [5, 901, 1.5e9])
def test_a_limit_has_a_range(milli: int) -> None:
    """Within it one process of ours meets the limit within a second."""
    with pytest.raises(BadInput, match="from 20 to 900"):
        limit_cpu(broker(1), milli=milli)
