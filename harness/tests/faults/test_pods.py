"""Faults that an orchestrator makes: proven by the API server and the process together, and undone once."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from harness.errors import FaultError, StackError
from harness.faults.mechanism import Seen
from harness.faults.pods import Deletion, Drain, MissingImage, OnPods, Roll, Unlisting
from harness.faults.reach import Pair
from harness.tests.faults.orchestrated import BUDGET, Later, PodStack

M = TypeVar("M", bound=OnPods)
NAME = "broker-1"
TO, FROM = Pair("load-1", NAME), Pair(NAME, "broker-2")


def on(stack: PodStack, kind: type[M], *names: str, clock: Later | None = None) -> M:
    """A fault of that kind on pods of *stack*, the first one if none is named."""
    services = {name: stack.pods[name] for name in names or (NAME,)}
    to, through = frozenset({TO}), frozenset({TO, FROM})
    return kind(services, stack.orchestrator, 60.0, to, through, clock=clock or Later())


def test_a_deleted_pod_is_gone_and_so_is_its_process() -> None:
    """The proof names the pod that went; its successor is ready and the fault over."""
    stack = PodStack()
    fault = on(stack, Deletion)
    fault.inject()

    assert fault.landed() == Seen(ok=True, words="pod broker-1 (uid-brok) and its process gone")
    assert fault.still().ok
    assert fault.healed() == Seen(ok=True, words="broker-1: ready")


def test_what_the_api_server_says_alone_proves_nothing() -> None:
    """Another pod stands in its place, but the process of the first one lives: not proven."""
    stack = PodStack()
    stack.orchestrator.says_only = True
    fault = on(stack, Deletion)
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="last seen: broker-1 is still there")


def test_a_dead_process_alone_proves_nothing() -> None:
    """A container that died in a pod that stayed is no deleted pod."""
    stack = PodStack()
    fault = on(stack, Deletion)
    stack.pods[NAME].process.alive = False

    assert fault.landed() == Seen(ok=False, words="last seen: broker-1 is still there")


def test_a_deletion_waits_for_as_long_as_the_pod_was_given() -> None:
    """A pod that uses its grace is not yet a pod that stays."""
    stack = PodStack()
    stack.orchestrator.says_only = True
    clock = Later(lambda: setattr(stack.pods[NAME].process, "alive", clock.slept < 40))
    fault = on(stack, Deletion, clock=clock)
    fault.grace_s = 30.0
    fault.inject()

    assert stack.orchestrator.told == ["delete broker-1 30"]
    assert fault.landed().ok
    assert fault.commands == ("kubectl delete pod broker-1 --grace-period=30",)


def test_a_pod_that_is_not_ready_is_refused() -> None:
    """What another fault holds already cannot be hit; the refusal carries the cluster's reason."""
    stack = PodStack()
    stack.orchestrator.pods[NAME] = replace(stack.orchestrator.pods[NAME], ready=False, said="CrashLoop")

    with pytest.raises(FaultError, match=r"pod broker-1 is not ready: last seen: CrashLoop\. Fix: heal"):
        on(stack, Deletion)
    del stack.orchestrator.pods[NAME]
    with pytest.raises(FaultError, match="there is no such pod"):
        on(stack, Deletion)


def test_a_pod_that_is_ready_soon_is_waited_for() -> None:
    """The kubelet calls a pod ready a moment after it served."""
    stack = PodStack()
    ready = stack.orchestrator.pods[NAME]
    stack.orchestrator.pods[NAME] = replace(ready, ready=False)
    clock = Later(lambda: stack.orchestrator.pods.update({NAME: ready}))

    assert on(stack, Deletion, clock=clock).before == {NAME: ready}
    assert clock.slept > 0


def test_claims_that_stayed_are_no_wiped_pod() -> None:
    """The successor must stand on claims with other uids, else the healing is not proven."""
    stack = PodStack()
    gone = on(stack, Deletion)
    gone.claims = True
    gone.inject()
    assert gone.healed().ok
    stack.orchestrator.keeps_claims = True
    kept = on(stack, Deletion, "broker-2")
    kept.claims = True
    kept.inject()

    assert kept.healed() == Seen(ok=False, words="broker-2 kept a claim")
    assert kept.commands[0] == "kubectl delete pvc (those of broker-2)"


def test_without_wiping_claims_stay() -> None:
    """A plain deletion is healed by a pod on the same claims."""
    stack = PodStack()
    fault = on(stack, Deletion)
    fault.inject()

    assert stack.orchestrator.claims(NAME) == {"data-broker-1": "claim-broker-1-1"}
    assert fault.healed().ok


@pytest.mark.parametrize("kind", [Deletion, Roll, Drain, MissingImage, Unlisting])
def test_healing_is_proven_by_a_service_that_serves(kind: type[OnPods]) -> None:
    """Each waits for the service for as long as it may take, and tells who does not serve."""
    stack = PodStack()
    fault = on(stack, kind)
    assert fault.healed().ok
    assert stack.pods[NAME].waited == [60.0]
    stack.pods[NAME].unready = StackError("it has no leader")

    assert fault.healed() == Seen(ok=False, words="broker-1 does not serve: it has no leader")


def test_a_drained_machine_is_closed_and_opened_once() -> None:
    """The machine is closed first, each pod evicted, and opening again changes nothing."""
    stack = PodStack()
    fault = on(stack, Drain)
    fault.inject()

    assert stack.orchestrator.told == ["close worker-1", "evict broker-1"]
    assert fault.landed().ok
    assert fault.still().ok
    fault.heal()
    fault.heal()
    assert stack.orchestrator.closed == set()
    assert fault.undo_commands == ("kubectl uncordon worker-1",)


def test_a_disruption_budget_is_quoted() -> None:
    """An eviction that stays forbidden is asked for again, and then not proven, in the budget's own words."""
    stack = PodStack()
    stack.orchestrator.budget = BUDGET
    fault = on(stack, Drain)
    fault.inject()

    assert stack.orchestrator.told.count("evict broker-1") > 2
    assert fault.landed() == Seen(ok=False, words=f"not evicted: broker-1: last seen: {BUDGET}")


def test_an_eviction_is_granted_when_the_budget_allows_it() -> None:
    """The next pod leaves once the first one's successor is ready: the wait is part of draining."""
    stack = PodStack()
    stack.orchestrator.budget = BUDGET
    clock = Later(lambda: setattr(stack.orchestrator, "budget", ""))
    fault = on(stack, Drain, clock=clock)
    fault.inject()

    assert fault.landed().ok


def test_a_machine_that_somebody_opened_is_not_still_closed() -> None:
    """An operator's uncordon ends the fault early."""
    stack = PodStack()
    fault = on(stack, Drain)
    fault.inject()
    stack.orchestrator.cordon("worker-1", closed=False)

    assert fault.still() == Seen(ok=False, words="worker-1 was opened by somebody else")


def test_a_machine_that_stayed_closed_is_not_healed() -> None:
    """A drain is over when pods may come back to the machine, not when they serve elsewhere."""
    stack = PodStack()
    fault = on(stack, Drain)
    fault.inject()

    assert fault.healed() == Seen(ok=False, words="worker-1 is still closed")
    fault.heal()
    assert fault.healed().ok


def test_a_controller_is_rolled_once_for_all_its_pods() -> None:
    """Two pods of one controller are one rolling update, and what is awaited is every pod of it."""
    stack = PodStack()
    fault = on(stack, Roll, NAME, "broker-2")
    fault.inject()

    assert stack.orchestrator.told == ["roll broker-1"]
    assert not fault.landed().ok
    stack.orchestrator.replaced("broker-3")
    assert fault.landed().words == "broker-3 of broker-1, broker-2, broker-3 replaced"


def test_a_rolling_update_is_over_when_every_pod_is_another_one_and_ready() -> None:
    """Healing waits for the last pod; one that is replaced but not ready is not done."""
    stack = PodStack()
    orchestrator = stack.orchestrator
    left = ["broker-3", "broker-2", "broker-1"]
    fault = on(stack, Roll, clock=Later(lambda: orchestrator.replaced(left.pop(0)) if left else None))
    fault.inject()

    assert fault.healed().ok
    assert left == []
    orchestrator.pods["broker-2"] = replace(orchestrator.pods["broker-2"], ready=False)
    seen = fault.healed()
    assert not seen.ok
    assert "broker-2 is the old one or not ready" in seen.words


def test_a_rolling_update_that_never_begins_is_not_proven() -> None:
    """A controller that replaces nobody leaves the effect unproven."""
    stack = PodStack()
    fault = on(stack, Roll)
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="last seen: every pod is the old one")


def test_a_pod_without_its_image_says_so_and_gets_it_back() -> None:
    """Proven by the old process gone and the cluster's own word; undone once, however often asked."""
    stack = PodStack()
    fault = on(stack, MissingImage)
    fault.inject()

    assert fault.landed().words == "broker-1: ErrImageNeverPull"
    assert fault.still().ok
    fault.heal()
    healed = stack.orchestrator.pod(NAME)
    fault.heal()
    assert fault.still() == Seen(ok=False, words="broker-1 is ready")
    assert stack.orchestrator.pod(NAME) == healed


def test_an_image_that_was_found_after_all_is_not_missed() -> None:
    """A successor that starts is no pod without an image."""
    stack = PodStack()
    fault = on(stack, MissingImage)
    fault.inject()
    stack.orchestrator.replaced(NAME, ready=True, said="Running")

    assert fault.landed() == Seen(ok=False, words="last seen: broker-1: Running")


def test_endpoints_that_somebody_gave_back_end_the_fault() -> None:
    """Without endpoints it is in force; with one it is not; giving them back twice is the same as once."""
    stack = PodStack()
    fault = on(stack, Unlisting)
    fault.inject()

    assert fault.landed().words == "service-broker-1 has 0 endpoints"
    assert fault.still().ok
    stack.orchestrator.endpoints["service-broker-1"] = 1
    assert fault.still() == Seen(ok=False, words="service-broker-1 has endpoints again")
    fault.heal()
    fault.heal()
    assert fault.healed().words == "broker-1: ready"


def test_a_pod_that_no_service_leads_to_cannot_be_unlisted() -> None:
    """Nothing to take away is a fault that is refused, and a Service that vanished proves nothing."""
    stack = PodStack()
    stack.orchestrator.endpoints.clear()
    fault = on(stack, Unlisting)

    with pytest.raises(FaultError, match="no Service leads there: broker-1"):
        fault.inject()
    assert not fault.landed().ok
    assert not fault.healed().ok


@pytest.mark.parametrize(
    ("kind", "severed", "unsure"),
    [
        (Deletion, {TO}, {FROM}),
        (MissingImage, {TO}, {FROM}),
        (Drain, set(), {TO, FROM}),
        (Roll, set(), {TO, FROM}),
        (Unlisting, set(), set()),
    ],
)
def test_each_kind_says_what_it_does_to_connections(
    kind: type[OnPods], severed: set[Pair], unsure: set[Pair]
) -> None:
    """Only what certainly cannot be opened is judged; who knows an address still connects to it."""
    footprint = on(PodStack(), kind).footprint

    assert (set(footprint.severed), set(footprint.unsure)) == (severed, unsure)
