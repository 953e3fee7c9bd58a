"""Mechanisms that degrade, with defects planted in what they work on: each must be seen."""

from __future__ import annotations

import contextlib
import errno
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput, FaultError, MissingAbility, NotExpressible
from harness.faults import throttle
from harness.faults.degrade import bandwidth, disk_full, disk_read_only, latency, loss, s3_hangs, starve
from harness.faults.disks import _disk
from harness.faults.leases import Cuts
from harness.faults.nft import install_scripts, lift_scripts, losses_at, parse_table
from harness.faults.places import flink, object_store, task_manager
from harness.faults.prepare import prepare
from harness.faults.selectors import broker, clients
from harness.faults.spec import FaultSpec, isolate, kill, partition, pause
from harness.faults.storage import DiskFault, Mounted
from harness.faults.throttle import End, Throttle
from harness.faults.traffic import Way, arrived, binomial_bounds, pushed, round_trips_ms
from harness.stack.disks import write_probe
from harness.stack.namespaces.shaping import remove_here
from harness.tests.faults.fakes import FakeNode, FakeProcess, FakeService, FakeStack, PipelineStack

HERE = FakeNode("here", "broker", "127.0.0.1")
THERE = FakeNode("there", "observer", "127.0.0.1")


@pytest.mark.parametrize(
    ("spec", "touches"),
    [
        (kill(task_manager(1)), "others"),
        (kill(broker(1)), "brokers"),
        (pause(flink()), "others"),
        (partition(flink(), "brokers"), "others"),
        (partition(object_store(), "everyone"), "others"),
        (partition(flink(), object_store()), "others"),
        (isolate(broker(1)), "brokers"),
        (partition(clients(), "brokers"), "brokers"),
        (partition(clients(), object_store()), "others"),
        (loss(clients()), "brokers"),
        (loss(object_store()), "others"),
        (bandwidth(clients(), to_mbit=5), "brokers"),
        (bandwidth(flink(), to_mbit=5), "others"),
        (latency(broker(1), ms=20), "brokers"),
        (disk_full(broker(2)), "brokers"),
        (disk_read_only(object_store()), "others"),
        (starve(task_manager(2)), "others"),
    ],
)
def test_the_journal_notes_whether_producers_may_notice(spec: FaultSpec, touches: str) -> None:
    """A fault touches brokers when it is on one, or on a way between one and another or a producer."""
    stack = PipelineStack()

    assert touches == prepare(spec, 1, stack, Cuts(stack.nodes)).facts.traits["touches"]


@pytest.mark.parametrize(
    ("spec", "command", "undo"),
    [
        (
            bandwidth(broker(1), to_mbit=8),
            "broker-1 tc qdisc add dev eth0 root handle ed9e: tbf rate 8000000bit burst 20000b limit 200000b",
            "enter observer tc qdisc del dev edge9 root handle ed9e:",
        ),
        (
            latency(broker(1), ms=20),
            "enter broker-1 tc qdisc add dev eth0 root handle ed9e: netem limit 100000 delay 20ms",
            "enter broker-1 tc qdisc del dev eth0 root handle ed9e:",
        ),
        (
            disk_full(broker(1)),
            "mount -o remount,size=<what is used> /nonexistent",
            "mount -o remount,rw,size=<as before> /nonexistent",
        ),
        (disk_read_only(broker(1)), "mount -o remount,ro /nonexistent", "mount -o remount,rw"),
        (starve(broker(1)), "kill -STOP 1; sleep 0.09; kill -CONT 1", "kill -CONT 1"),
        (
            loss(broker(1)),
            "@loss_100 counter numgen random mod 1000 < 100 counter drop",
            "delete element",
        ),
        (s3_hangs(), "tell the gate of s3-1 for 5 s", "rm -f /nonexistent/control"),
    ],
)
def test_a_rehearsal_shows_what_would_be_run(spec: FaultSpec, command: str, undo: str) -> None:
    """Every kind shows its commands and how it is undone, before anything is touched."""
    stack = PipelineStack()

    mechanism = prepare(spec, 1, stack, Cuts(stack.nodes)).mechanism

    assert command in "\n".join(mechanism.commands)
    assert undo in "\n".join(mechanism.undo_commands)


def test_what_a_platform_cannot_do_is_said_with_its_reason() -> None:
    """A service without a disk of its own, or a cable out of reach, is no fault's target."""

    class Bare:
        process = FakeProcess(1)

    stack = PipelineStack()
    stack.services = {**stack.services, "broker-1": Bare()}  # type: ignore[dict-item] # on purpose
    stack.nodes = {**stack.nodes, "broker-2": replace(HERE, name="broker-2", cable="")}
    for spec, why in [
        (disk_full(broker(1)), "broker-1 has no disk of its own"),
        (latency(broker(2), ms=5), "its cable cannot be reached"),
    ]:
        with pytest.raises(NotExpressible, match=why):
            prepare(spec, 1, stack, Cuts(stack.nodes))


@dataclass
class OnMachine(FakeNode):
    """A node whose cable ends on a machine of its cluster."""

    machine: str = "worker-1"

    def beyond(self, argv: Sequence[str]) -> list[str]:
        """*argv* on the machine."""
        return ["on", self.machine, *argv]


def test_a_cable_is_shaped_where_it_ends() -> None:
    """The far end of a pod's cable is on its machine; the journal says which, for the harness may die."""
    stack = PipelineStack()
    pod = OnMachine("broker-2", "broker", "127.0.0.1", cable="veth1")
    stack.nodes = {**stack.nodes, "broker-2": pod}
    made = prepare(bandwidth(broker(2), to_mbit=5), 1, stack, Cuts(stack.nodes)).mechanism

    assert made.commands[1].startswith("on worker-1 tc qdisc add dev veth1")
    assert made.undo == ({"do": "unshape", "node": "broker-2", "machine": "worker-1"},)


def test_gate_faults_need_an_object_store() -> None:
    """On a stack of brokers alone there is nothing that could refuse a request for an object."""
    stack = FakeStack()

    with pytest.raises(BadInput, match="the stack has no object_store"):
        prepare(s3_hangs(), 1, stack, Cuts(stack.nodes))


@given(st.integers(50, 5000), st.floats(0.01, 0.9))
def test_binomial_bounds_hold_the_mean_and_exclude_nothing_and_everything(count: int, share: float) -> None:
    """The bounds contain the mean; no packet lost at all is never within them."""
    least, most = binomial_bounds(count, share)

    assert 1 <= least <= most <= count
    assert least - 1 <= count * share <= most


def test_a_loss_that_loses_nothing_is_seen() -> None:
    """On a link without any loss every datagram arrives: below the least that a loss of 1 % may lose."""
    lost = 2000 - arrived(Way(HERE, THERE), 2000)

    assert 0 == lost < binomial_bounds(2000, 0.01)[0]


def test_losses_have_a_set_and_a_chain_for_each_share() -> None:
    """Two shares at one node stand side by side, and lifting one names its own set alone."""
    nodes = {"here": HERE, "there": THERE}
    blocks = [*losses_at(HERE, [THERE], 0.1), *losses_at(HERE, [THERE], 0.25)]

    (install,) = install_scripts(nodes, blocks, 5)
    (lift,) = lift_scripts(nodes, blocks[:1], 5)

    for name in ("loss_100", "loss_250"):
        assert f"add set inet harness {name} " in install.text
        assert f"add element inet harness {name} {{ 127.0.0.1 timeout 5s }}" in install.text
    assert "loss_250" not in lift.text
    assert "flush chain" not in lift.text


def test_the_kernels_counts_of_a_loss_are_told_apart() -> None:
    """A loss rule counts twice: the packets that met the chance, and those that it took."""
    rule = """{"nftables": [{"rule": {"expr": [
        {"match": {"right": "@loss_100"}}, {"counter": {"packets": 1000, "bytes": 1}},
        {"match": {"right": 100}}, {"counter": {"packets": 97, "bytes": 1}}, {"drop": null}]}}]}"""

    seen = parse_table("broker-1", rule)

    assert ({"loss_100": 97}, {"loss_100": 1000}) == (seen.lost, seen.met)


def test_a_way_is_disturbed_by_whatever_still_stands_on_it() -> None:
    """From either end, as long as some fault holds a block there; what proves nothing is then left out."""
    cuts = Cuts({"here": HERE, "there": THERE})
    far = replace(THERE, name="far", address="127.0.0.9")
    with contextlib.suppress(MissingAbility):  # there is no such network to install it in
        cuts.install(1, losses_at(HERE, [far], 0.5))

    assert cuts.disturbs(HERE, far)
    assert cuts.disturbs(far, HERE)
    assert not cuts.disturbs(THERE, far)


# Answers like `tc -s -j qdisc show`: a discipline that has let pass so many bytes a second since the epoch.
TC = """
import sys, time
passed = int(time.monotonic() * RATE)
print('[{"handle": "ed9e:", "dev": "eth0", "kind": "tbf", "drops": 0, "bytes": %d}]' % passed)
"""


def _end(rate: float) -> End:
    return End((sys.executable, "-S", "-c", TC.replace("RATE", str(rate))), "eth0")


@dataclass
class Pipe:
    """A throttle whose kernel tells *told* Mbit/s, on a loopback that nothing slows down."""

    told: float

    def throttle(self, to_mbit: float) -> Throttle:
        """The mechanism around it."""
        end = _end(self.told * 1e6 / 8)
        return Throttle({"here": HERE}, THERE, {"here": (end, end)}, ("tbf",), to_mbit=to_mbit)


def test_a_limit_that_limits_nothing_is_seen() -> None:
    """More of our own traffic than may pass disproves the limit, whatever the kernel tells of it."""
    seen = Pipe(told=10.0).throttle(to_mbit=10.0).traces()

    assert not seen.ok
    ours = re.search(r"ours of it ([\d.]+)", seen.words)  # what the kernel tells depends on when it is asked
    assert ours is not None
    assert float(ours[1]) > 10


def test_a_limit_that_was_not_tried_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine too busy to send more than may pass has proven nothing about the limit."""
    monkeypatch.setattr(throttle, "pushed", lambda *_, **__: (10e6 / 8, 9e6 / 8))
    seen = Pipe(told=10.0).throttle(to_mbit=10.0).traces()

    assert (False, "only 10.0 Mbit/s could be sent through here: it was not tried") == (seen.ok, seen.words)


def test_a_limit_that_lets_too_little_pass_is_seen() -> None:
    """A cable on which next to nothing passes is cut, not limited."""
    assert not Pipe(told=1.0).throttle(to_mbit=10.0).traces().ok


def test_a_free_cable_is_proven_by_traffic_not_by_the_lack_of_a_rule() -> None:
    """As long as a discipline of ours is there the healing is not proven, however fast it is."""
    seen = Pipe(told=10.0).throttle(to_mbit=10.0).healed()

    assert (False, "still shaped: eth0, eth0") == (seen.ok, seen.words)


def test_a_throttled_cable_is_not_throttled_twice() -> None:
    """Two limits on one cable would be healed by the first healing: the second is refused."""
    with pytest.raises(FaultError, match="here is throttled already"):
        Pipe(told=10.0).throttle(to_mbit=10.0).inject()


def test_a_delay_that_delays_nothing_is_seen() -> None:
    """A round trip as short as before disproves the delay."""
    throttle = Throttle({"here": HERE}, THERE, {"here": ()}, ("netem",), ms=50)
    throttle._before["here"] = [0.1]

    assert not throttle.traces().ok


def test_traffic_of_our_own_is_paced() -> None:
    """What is offered is what is sent: on a free link as much arrives, and a round trip is short."""
    sent, got = pushed(Way(HERE, THERE), 1e6, 0.3)

    assert 0 < got <= sent <= 1.1e6
    assert 9 == len(round_trips_ms(Way(HERE, THERE)))


def test_nothing_is_unshaped_on_a_name_that_is_no_network() -> None:
    """What a journal names is only ever looked up among the networks that exist."""
    assert [] == remove_here(["../../etc", "no-such-node"])


def test_a_write_probe_leaves_nothing(tmp_path: Path) -> None:
    """On a disk that takes writes the probe succeeds and is gone; where it may not write it says why."""
    assert (0, []) == (write_probe(tmp_path), list(tmp_path.iterdir()))
    assert errno.ENOENT == write_probe(tmp_path / "missing")


def test_only_a_disk_of_the_platform_is_touched(tmp_path: Path) -> None:
    """A folder that is not the mount of a node's disk is never remounted."""
    service = FakeService(FakeProcess(1), disk=tmp_path)
    fault = DiskFault(
        {"broker-1": service}, {"broker-1": Mounted(str(tmp_path))}, read_only=False, ready_seconds=1
    )

    with pytest.raises(FaultError, match="broker-1 has no disk of its own"):
        fault.inject()
    with pytest.raises(FaultError):
        fault.heal()


@pytest.mark.parametrize(
    ("line", "megabytes"),
    [
        ("67 64 0:41 / /run/edge/a rw,relatime - tmpfs edge-disk-64m rw,size=65536k", 64),
        ("67 64 0:41 / /run/edge/a rw,relatime shared:1 master:2 - tmpfs edge-disk-16m ro", 16),
        ("67 64 0:41 / /run rw,relatime - tmpfs tmpfs rw", None),
        ("67 64 0:41 / /run rw,relatime - tmpfs edge-disk-m rw", None),
    ],
)
def test_a_disk_is_known_by_the_source_of_its_mount(line: str, megabytes: int | None) -> None:
    """The size that a disk had is told by the kernel's list of mounts, whatever became of it since."""
    disk = _disk(line.split(), Path("/"))

    assert megabytes == (disk.megabytes if disk else None)
    assert disk is None or ("a", Path("/run/edge/a")) == (disk.node, disk.seen)
