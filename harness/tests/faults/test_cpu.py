"""A processor limit: what the kubelet says, and what the kernel leaves a process in the container's group."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput, FaultError, NotExpressible
from harness.faults.cluster import limit_cpu
from harness.faults.cpu import CpuLimit, group_of, judge, throttles
from harness.faults.selectors import broker
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
    assert ok == judge(NAME, MILLI, got, throttled).ok


@pytest.mark.parametrize(
    ("lines", "group"),
    [
        ("4:cpu,cpuacct:/kubepods/c1\n0::/\n", "cpu,cpuacct/kubepods/c1"),
        ("3:memory:/a\n1:cpu:/c1\n", "cpu/c1"),
        ("0::/c1\n", "c1"),
    ],
)
def test_the_group_of_a_container_is_found(tmp_path: Path, lines: str, group: str) -> None:
    """In either version of groups, by the file that counts how often it was throttled."""
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cgroup").write_text(lines)
    (tmp_path / "groups" / group).mkdir(parents=True)
    (tmp_path / "groups" / group / "cpu.stat").write_text("nr_periods 10\nnr_throttled 4\n")

    found = group_of(7, tmp_path / "proc", tmp_path / "groups")

    assert (tmp_path / "groups" / group, 4) == (found, throttles(found))


def test_a_group_that_is_not_seen_is_said(tmp_path: Path) -> None:
    """Nothing could be proven of it."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text("0::/../../c1\n")

    with pytest.raises(NotExpressible, match="is not seen"):
        group_of(7, tmp_path, tmp_path / "groups")


@pytest.mark.parametrize("milli", [5, 901, 1.5e9])
def test_a_limit_has_a_range(milli: int) -> None:
    """Within it one process of ours meets the limit within a second."""
    with pytest.raises(BadInput, match="from 20 to 900"):
        limit_cpu(broker(1), milli=milli)
