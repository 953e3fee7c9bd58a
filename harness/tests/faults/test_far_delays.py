"""Delays of nodes that only an agent reaches, with defects planted in what it says: each must be seen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.errors import FaultError, HarnessError, NotExpressible
from harness.faults.degrade import bandwidth, latency
from harness.faults.leases import Cuts
from harness.faults.makers import Hit
from harness.faults.mechanism import Mechanism
from harness.faults.places import flink
from harness.faults.prepare import prepare
from harness.faults.proxied import Proxied
from harness.faults.selectors import broker
from harness.faults.spec import FaultSpec
from harness.faults.throttle import End, Throttle, delay_of
from harness.stack.delays import Delays, in_image
from harness.stack.namespaces.netns import Onlooker
from harness.stack.namespaces.shaping import HANDLE
from harness.stack.seams import Done, Process
from harness.tests.faults.fakes import FakeProcess, PipelineStack
from harness.tests.faults.served import Server

MS = 20
BOTH = Delays(netem=True, toxiproxy=Path("/bin/toxiproxy-server"))
NONE = in_image(Delays(netem=True, missing="none"), "toxiproxy-server", "registry/harness:1")


@dataclass
class FarNode:
    """A node on another machine; its agent says what the test has it say."""

    name: str
    role: str
    address: str
    ports: tuple[int, ...] = (9092,)
    netem: bool = True
    answer: Done = field(default_factory=lambda: Done(0, "", ""))
    standing: list[dict[str, object]] = field(default_factory=list)
    ran: list[list[str]] = field(default_factory=list)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """By its agent."""
        return ["agent", self.name, *argv]

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Always."""
        return True

    def run(self, argv: Sequence[str], text: str = "") -> Done:
        """Tell what stands; what removes it fails as the answer does."""
        self.ran.append(list(argv))
        return Done(0, json.dumps(self.standing), "") if "show" in argv else self.answer

    def find_interface(self) -> str:
        """Not the usual one."""
        return "net1"

    def has_netem(self) -> bool:
        """As set."""
        return self.netem

    def shape(self, device: str, discipline: Sequence[str]) -> Done:
        """Answer, and have it stand if that is good."""
        if self.answer.rc == 0:
            self.standing.append(ours(device))
        return self.answer


def ours(device: str) -> dict[str, object]:
    """A discipline of ours, as tc tells of it."""
    return {"dev": device, "kind": "netem", "handle": HANDLE, "bytes": 1, "drops": 0}


class Closed(FarNode):
    """One that nobody may enter."""

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Refuse."""
        raise NotExpressible(f"{argv[0]} is not expressible here", why="no privileged pod may be")


def stack_of(delays: Delays, *far: FarNode) -> PipelineStack:
    """A pipeline with *far* in the place of the nodes of their names, and a harness without rights."""
    stack = PipelineStack()
    stack.delays = delays  # type: ignore[attr-defined] # as a booted stack has them
    stack.nodes = {**stack.nodes, "observer": Onlooker("198.18.0.99"), **{each.name: each for each in far}}
    return stack


def made(delays: Delays, *far: FarNode, spec: FaultSpec | None = None) -> Mechanism:
    """What is prepared for a latency of the first broker."""
    stack = stack_of(delays, *far)
    return prepare(spec or latency(broker(1), ms=MS), 1, stack, Cuts(stack.nodes)).mechanism


def far_broker(*, netem: bool = True) -> FarNode:
    """The first broker."""
    return FarNode("broker-1", "broker", "198.18.0.1", netem=netem)


def test_the_kernel_of_the_node_decides_not_that_of_the_harness() -> None:
    """The harness's own pod may have less, or more, than the node of its target."""
    by_kernel = made(Delays(netem=False, missing="none"), far_broker())
    by_proxy = made(BOTH, far_broker(netem=False))

    assert isinstance(by_kernel, Throttle)
    assert by_kernel.commands == (
        f"agent broker-1 tc qdisc add dev net1 root handle {HANDLE} netem limit 100000 delay 20ms",
    )
    assert by_kernel.undo_commands == (f"agent broker-1 tc qdisc del dev net1 root handle {HANDLE}",)
    assert by_kernel.undo == ({"do": "unshape", "node": "broker-1", "by": "agent"},)
    assert isinstance(by_proxy, Proxied)
    assert by_proxy.commands[0].startswith("agent broker-1 /bin/toxiproxy-server -host 198.18.0.1")


def test_where_there_is_neither_both_reasons_are_told() -> None:
    """The kernel of the node, and the image in which the server would have to be."""
    why = "this kernel has no netem, and there is no 'toxiproxy-server' in PATH of registry/harness:1; name"
    with pytest.raises(NotExpressible, match=why):
        made(NONE, far_broker(netem=False))

    assert in_image(BOTH, "toxiproxy-server", "registry/harness:1") == BOTH


def test_a_node_that_nobody_enters_says_why() -> None:
    """Whatever there is to delay with: the cluster's words come first."""
    for delays in (BOTH, NONE):
        with pytest.raises(NotExpressible, match="tc is not expressible here: no privileged pod may be"):
            made(delays, Closed("broker-1", "broker", "198.18.0.1"))


def test_what_gives_no_known_answer_is_not_delayed_by_a_far_kernel() -> None:
    """The delay would not be proven: said before anything is touched."""
    far = FarNode("taskmanager-1", "taskmanager", "198.18.0.9", (6122,))

    with pytest.raises(NotExpressible, match="nothing is known that a taskmanager answers"):
        delay_of({"taskmanager-1": far}, Onlooker("127.0.0.1"), MS, frozenset())
    with pytest.raises(NotExpressible):
        made(BOTH, far, spec=latency(flink(), ms=MS))
    assert far.ran == []


def test_a_far_cable_is_not_limited() -> None:
    """A rate needs both of its ends."""
    with pytest.raises(NotExpressible, match="its cable cannot be reached"):
        made(BOTH, far_broker(), spec=bandwidth(broker(1), to_mbit=5))


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("Error: Specified qdisc kind is unknown.", NotExpressible, "this kernel has no netem"),
        ("Error: Exclusivity flag on, cannot modify.", FaultError, "net1 has a .* of somebody else's"),
        ("Error: NLM_F_REPLACE needed to override.", FaultError, "net1 has a .* of somebody else's"),
        ("RTNETLINK answers: File exists", FaultError, "net1 has a .* of somebody else's"),
        ("Cannot find device", FaultError, "tc refused: Cannot find device"),
    ],
)
def test_what_tc_refuses_is_told(words: str, error: type[HarnessError], said: str) -> None:
    """A discipline of somebody else's is never replaced, and an unknown one is no defect."""
    far = far_broker()
    far.answer = Done(2, "", words)

    with pytest.raises(error, match=said):
        End((), "net1", far).put(["netem"])


def test_what_was_never_there_is_cleared_and_what_stays_is_told() -> None:
    """An error of tc alone decides nothing: what stands does."""
    far = far_broker()
    far.answer = Done(2, "", "Error: Invalid handle.")
    end = End((), "net1", far)
    far.standing = [{**ours("net1"), "handle": "5:"}, ours("net2")]
    end.clear()
    far.standing = [ours("net1")]

    with pytest.raises(OSError, match="Invalid handle"):
        end.clear()


@pytest.fixture
def server() -> Iterator[Server]:
    """One that runs."""
    made = Server()
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    made.close()
    thread.join()


@pytest.fixture
def delayed(server: Server) -> Throttle:
    """A far node whose kernel says that it delays; how late its service answers the test says."""
    far = FarNode("here", "s3", "127.0.0.1", (server.port,))
    fault = delay_of({"here": far}, Onlooker("127.0.0.1"), MS, frozenset())
    fault.inject()
    assert fault.landed().ok
    return fault


def test_a_far_delay_within_its_bounds_is_proven(delayed: Throttle, server: Server) -> None:
    """By answers of its service, which the harness asks from its own pod."""
    server.seconds = MS / 1e3

    seen = delayed.traces()
    assert seen.ok, seen
    assert "here answers after" in seen.words


@pytest.mark.parametrize("seconds", [0.0, (MS * 1.5 + 50) / 1e3 + 0.03])
def test_a_far_delay_beyond_its_bounds_is_seen(delayed: Throttle, server: Server, seconds: float) -> None:
    """One that delays nothing, and one that delays far more than was asked."""
    server.seconds = seconds

    assert not delayed.traces().ok


def test_a_far_service_that_gives_no_answer_proves_nothing(delayed: Throttle, server: Server) -> None:
    """That is told, and nothing is begun on it."""
    server.silent = True
    seen = delayed.traces()
    delayed.heal()
    (far,) = delayed.nodes.values()
    assert isinstance(far, FarNode)
    far.standing.clear()

    assert (False, True) == (seen.ok, "here does not answer: it closes" in seen.words)
    with pytest.raises(FaultError, match="here does not answer"):
        delayed.inject()


def test_a_far_healing_is_proven_by_a_prompt_answer(delayed: Throttle) -> None:
    """Once the kernel says that nothing is left; and not while it says that something is."""
    (far,) = delayed.nodes.values()
    assert isinstance(far, FarNode)
    left = delayed.healed()
    far.standing.clear()
    gone = delayed.healed()

    assert (False, "still shaped: net1") == (left.ok, left.words)
    assert gone.ok
    assert "here answers after" in gone.words
    assert not delayed.still().ok


def test_a_far_healing_is_not_proven_by_who_is_slow(
    delayed: Throttle, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stands and it is as late as ever: that is no healing; unless another fault is there."""
    monkeypatch.setattr("harness.faults.throttle.BACK_AT_MOST_SECONDS", 0.2)
    (far,) = delayed.nodes.values()
    assert isinstance(far, FarNode)
    far.standing.clear()
    server.seconds = MS / 1e3
    slow = delayed.healed()
    delayed.disturbed = lambda _: True

    assert (False, True) == (slow.ok, "here is still slow" in slow.words)
    assert delayed.healed().ok


class Crowded:
    """A service in a pod of two containers."""

    @property
    def process(self) -> Process:
        """Nobody knows."""
        raise NotExpressible("2 containers")


def test_a_service_whose_process_nobody_knows_has_to_answer() -> None:
    """It counts as neither dead nor stopped, so its answers decide; another one's death is known."""
    stack = stack_of(BOTH, far_broker())
    dead = type("Dead", (), {"process": FakeProcess(1, alive=False)})
    stack.services = {**stack.services, "broker-1": Crowded(), "broker-2": dead()}  # type: ignore[dict-item] # as far as it is asked
    hit = Hit(latency(broker(1), ms=MS), 1, stack, Cuts(stack.nodes), ("broker-1",), (), 1)

    assert (False, True) == (hit.is_down("broker-1"), hit.is_down("broker-2"))


@pytest.mark.parametrize("alive", [True, False])
def test_a_far_delay_is_not_judged_by_a_service_that_is_down(alive: bool) -> None:  # noqa: FBT001
    """A near one is measured by datagrams, whoever serves there."""
    for nodes, disturbed in (((far_broker(),), not alive), ((), False)):
        stack = stack_of(BOTH, *nodes)
        service = type("Service", (), {"process": FakeProcess(1, alive=alive)})
        stack.services = {**stack.services, "broker-1": service()}
        mechanism = prepare(latency(broker(1), ms=MS), 1, stack, Cuts(stack.nodes)).mechanism
        assert isinstance(mechanism, Throttle)

        assert mechanism.disturbed("broker-1") is disturbed
