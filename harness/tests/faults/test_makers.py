"""Which mechanism is made of a fault on pods, and what is refused where there is no orchestrator."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

import pytest

from harness.errors import NotExpressible
from harness.faults.cluster import (
    delete_pod,
    deny,
    drain,
    lose_image,
    pause_machine,
    pause_reconciliation,
    reboot_machine,
    rolling_update,
    stop_machine,
    unlist,
)
from harness.faults.degrade import disk_full, disk_read_only, loss
from harness.faults.denied import Denied
from harness.faults.leases import Cuts
from harness.faults.loss import Loss
from harness.faults.mechanism import Mechanism
from harness.faults.places import api_server
from harness.faults.pods import Deletion, Drain, MissingImage, Roll, Unlisting
from harness.faults.power import MachinePause, PowerCut
from harness.faults.prepare import prepare
from harness.faults.reach import Pair
from harness.faults.selectors import Selector, broker, together
from harness.faults.signals import Death
from harness.faults.spec import FaultSpec, kill
from harness.faults.storage import DiskFault, OnMachine
from harness.faults.unattended import Unattended
from harness.stack.agents.remote_disk import RemoteDisk
from harness.stack.disks import DiskAt
from harness.stack.kind.machine_disks import MachineDisk
from harness.stack.kubernetes.orchestrated import Attention
from harness.stack.namespaces.netns import Onlooker
from harness.tests.faults.fakes import FakeProcess, FakeStack
from harness.tests.faults.orchestrated import PodStack

ON_PODS = [
    (delete_pod(broker(1)), Deletion),
    (drain(broker(1)), Drain),
    (rolling_update(broker(1)), Roll),
    (lose_image(broker(1)), MissingImage),
    (unlist(broker(1)), Unlisting),
    (deny(broker(1)), Denied),
]
ON_MACHINES = [
    (stop_machine(broker(1)), PowerCut),
    (pause_machine(broker(1)), MachinePause),
    (reboot_machine(broker(1)), PowerCut),
]


def made(spec: FaultSpec, stack: FakeStack | None = None) -> Mechanism:
    """The mechanism of *spec*, on pods unless a stack is given; nothing is touched."""
    stack = stack or PodStack()
    return prepare(spec, 1, stack, Cuts(stack.nodes), ready_seconds=60).mechanism


@pytest.mark.parametrize(("spec", "kind"), [*ON_PODS, *ON_MACHINES])
def test_a_fault_on_pods_is_made_of_orchestrator_and_machines(spec: FaultSpec, kind: type[Mechanism]) -> None:
    """Each kind has its mechanism, and preparing it changes nothing in the cluster."""
    stack = PodStack()

    assert type(made(spec, stack)) is kind
    assert (stack.orchestrator.told, stack.machines.told) == ([], [])


@pytest.mark.parametrize("spec", [spec for spec, _ in ON_PODS])
def test_nobody_makes_them_on_the_local_platform(spec: FaultSpec) -> None:
    """Without an orchestrator they are not expressible, which is told as such and not as a failure."""
    with pytest.raises(NotExpressible, match=r"\. Fix: --platform kind"):
        made(spec, FakeStack())


@pytest.mark.parametrize("spec", [spec for spec, _ in ON_MACHINES])
def test_machines_out_of_reach_are_not_stopped(spec: FaultSpec) -> None:
    """A cluster of somebody else has an orchestrator, but its machines are not ours to stop."""
    stack = PodStack()
    stack.machines = None  # type: ignore[assignment] # a stack may say that they are out of reach

    with pytest.raises(NotExpressible, match="needs machines within reach"):
        made(spec, stack)


def test_an_operator_is_asked_where_there_is_one() -> None:
    """Elsewhere it is said that there is none; neither touches anything, and no producer may notice."""
    stack = PodStack()
    with pytest.raises(NotExpressible, match="no operator keeps broker-1"):
        made(pause_reconciliation(broker(1)), stack)
    stack.orchestrator.kept = {"broker-1": Attention("edge-kafka", "", "edge", asked=False, paused=False)}
    prepared = prepare(pause_reconciliation(broker(1)), 1, stack, Cuts(stack.nodes))

    assert isinstance(prepared.mechanism, Unattended)
    assert prepared.facts.traits["touches"] == "others"
    assert stack.orchestrator.told == []


def test_only_a_reboot_starts_again_by_itself() -> None:
    """Both are power cuts, of the machine that the target is on."""
    off, again = made(stop_machine(broker(1))), made(reboot_machine(broker(1)))

    assert isinstance(off, PowerCut)
    assert isinstance(again, PowerCut)
    assert (off.reboots, again.reboots) == (False, True)
    assert off.machines == ("worker-1",)


def test_a_supervised_service_is_wiped_by_another_pod() -> None:
    """The kubelet starts a killed one at once, so its claims go with its pod; without wiping it is killed."""
    wiped, killed = made(kill(broker(1), wipe=True)), made(kill(broker(1)))

    assert isinstance(wiped, Deletion)
    assert (wiped.claims, wiped.grace_s) == (True, 0.0)
    assert isinstance(killed, Death)


def test_a_service_that_nobody_starts_is_wiped_where_it_is() -> None:
    """On the local platform it is killed and its folder emptied."""
    wiped = made(kill(broker(1), wipe=True), FakeStack())

    assert isinstance(wiped, Death)
    assert (wiped.number, wiped.wipe) == (signal.SIGKILL, True)


def test_a_pod_is_given_its_grace_and_keeps_its_claims() -> None:
    """As the scenario says; none means at once."""
    given, none = made(delete_pod(broker(1), grace_s=30)), made(delete_pod(broker(1)))

    assert isinstance(given, Deletion)
    assert isinstance(none, Deletion)
    assert (given.grace_s, given.claims) == (30.0, False)
    assert none.grace_s == 0.0


def test_a_rolling_update_touches_the_likes_of_its_target() -> None:
    """Their controller replaces them as well, so no connection of theirs is judged."""
    unsure = made(rolling_update(broker(1))).footprint.unsure

    assert {Pair("load-1", "broker-3"), Pair("broker-3", "api")} <= unsure
    assert Pair("load-1", "api") not in unsure


@pytest.mark.parametrize("peers", [together(broker(2), api_server()), "everyone"])
def test_what_is_only_an_address_loses_nothing(peers: Selector) -> None:
    """Packets are lost where they come in, and nobody can stand at an address: the others do lose."""
    lossy = made(loss(broker(1), peers))

    assert isinstance(lossy, Loss)
    assert {block.address for block in lossy.cut.blocks if block.node == "broker-1"} >= {"198.18.0.2"}
    assert not [block for block in lossy.cut.blocks if "10.96.0.1" in block.address or block.node == "api"]


def test_a_harness_without_rights_loses_nothing_itself() -> None:
    """In somebody's cluster its pod filters no packet: the others lose theirs, and its own come through."""
    stack = PodStack()
    stack.nodes = {**stack.nodes, "observer": Onlooker("198.18.0.99")}
    lossy = made(loss(broker(1)), stack)

    assert isinstance(lossy, Loss)
    assert "broker-2" in {block.node for block in lossy.cut.blocks}
    assert not [each for each in lossy.cut.blocks if each.node == "observer" or each.address == "198.18.0.99"]


def test_a_loss_to_an_address_alone_is_not_expressible() -> None:
    """Nothing would be lost, so it is said, with what can be done instead."""
    with pytest.raises(NotExpressible, match="api cannot lose packets here: no packet is filtered there"):
        made(loss(broker(1), api_server()))


@dataclass
class Plain:
    """A service without a disk of the platform's."""

    process: FakeProcess = field(default_factory=lambda: FakeProcess(1))

    def start(self) -> None:
        """Never."""

    def wait_ready(self, seconds: float) -> str:
        """At once."""
        return f"ready within {seconds:g} s"

    def wipe(self) -> None:
        """Never."""


@dataclass
class Claims:
    """Stands in for a platform's volumes: every pod's claim is on *disk*."""

    disk: MachineDisk | DiskAt | None
    storage_class: str = ""

    def of(self, node: str) -> MachineDisk | DiskAt | None:
        """The same."""
        assert node == "broker-1"
        return self.disk


def on(disk: MachineDisk | DiskAt | None) -> PodStack:
    """Pods whose claims are on *disk*."""
    stack = PodStack()
    stack.services = {name: Plain() for name in stack.pods}
    stack.volumes = Claims(disk)  # type: ignore[attr-defined] # a stack may have some
    return stack


REMOTE = RemoteDisk("broker-1", "ns", "/mnt/a", None, lambda: None)  # type: ignore[arg-type, return-value] # not asked


@pytest.mark.parametrize(
    ("disk", "place"),
    [
        (MachineDisk("worker-1", "edge.data-1"), OnMachine(MachineDisk("worker-1", "edge.data-1"))),
        (REMOTE, REMOTE),
    ],
)
def test_a_claim_is_filled_where_it_is(disk: MachineDisk | DiskAt, place: DiskAt) -> None:
    """On a machine of ours by the harness, behind an agent by the agent."""
    full = made(disk_full(broker(1)), on(disk))

    assert isinstance(full, DiskFault)
    assert full.places == {"broker-1": place}


def test_a_disk_behind_an_agent_is_not_made_read_only() -> None:
    """Nothing would end that by itself; on a machine of ours it is made."""
    with pytest.raises(NotExpressible, match="a remount of its volume would outlive the pod"):
        made(disk_read_only(broker(1)), on(REMOTE))
    ours = made(disk_read_only(broker(1)), on(MachineDisk("worker-1", "edge.data-1")))

    assert isinstance(ours, DiskFault)
    assert ours.read_only


def test_a_pod_without_a_claim_of_ours_has_no_disk() -> None:
    """Nor has one on a platform without any."""
    with pytest.raises(NotExpressible, match="broker-1 has no disk of its own"):
        made(disk_full(broker(1)), on(None))
