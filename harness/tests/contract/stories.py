"""What happens inside the enclosure, told as data for the tests to judge."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import MONOTONIC
from harness.faults.injection import Injector
from harness.faults.journal import Fault, Journal, Step, read_lines
from harness.faults.leases import LEASE_SECONDS, Cuts
from harness.faults.nft import blocks_at, standing
from harness.faults.reach import Pair, all_pairs, connecting
from harness.faults.selectors import broker
from harness.faults.spec import FaultSpec, isolate, kill, partition, pause
from harness.faults.watchdog import Watch
from harness.stack.namespaces.netns import inside
from harness.stack.seams import Node, Process
from harness.tests.contract import agents
from harness.tests.contract.arena import PORT, Arena
from harness.tests.contract.object_stories import OBJECT_STORIES
from harness.tests.contract.pipeline_stories import PIPELINE_STORIES

Seen = dict[str, object]
Story = Callable[[Path, object], Seen]


@contextlib.contextmanager
def injector_for(arena: Arena, folder: Path, *, lease_seconds: int = LEASE_SECONDS) -> Iterator[Injector]:
    """An injector with its journal in *folder*."""
    journal = Journal(folder / "journal.jsonl")
    made = Injector(arena, journal, topic="orders", ready_seconds=10, lease_seconds=lease_seconds)
    with contextlib.closing(journal), made as injector:
        yield injector


def socket_at(node: str, kind: socket.SocketKind) -> socket.socket:
    """A socket in the network of *node*."""
    if node == "observer":
        return socket.socket(socket.AF_INET, kind)
    with inside(Path("/run/netns") / node):
        return socket.socket(socket.AF_INET, kind)


def datagram_arrives(arena: Arena, source: str, target: str) -> bool:
    """Whether one datagram gets from *source* to *target*: the only way to see one direction alone."""
    with socket_at(source, socket.SOCK_DGRAM) as sender, socket_at(target, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(0.2)
        receiver.bind((arena.nodes[target].address, 0))
        with contextlib.suppress(PermissionError):  # dropped on its way out
            sender.sendto(b"one", receiver.getsockname())
        try:
            return receiver.recv(16) == b"one"
        except TimeoutError:
            return False


def opened(arena: Arena, pair: Pair) -> socket.socket:
    """An established connection."""
    connection = socket_at(pair.source, socket.SOCK_STREAM)
    connection.settimeout(0.4)
    connection.connect((arena.nodes[pair.target].address, PORT))
    connection.sendall(b"hello")
    assert connection.recv(16) == b"hello"
    return connection


def echo(connection: socket.socket, *, seconds: float = 0.4) -> str:
    """What becomes of one message on an established connection: echoed, stalls or reset."""
    connection.settimeout(seconds)
    try:
        connection.sendall(b"again")
        return "echoed" if connection.recv(16) else "closed"
    except TimeoutError:
        return "stalls"
    except ConnectionError:
        return "reset"


def open_pairs(arena: Arena, seconds: float = 0.3) -> list[str]:
    """Every pair that connects now."""
    return sorted(str(pair) for pair in connecting(arena, dict.fromkeys(all_pairs(arena), seconds)))


def blocks_in_force(arena: Arena) -> int:
    """How many set elements all kernels hold."""
    return sum(len(standing(node).blocks) for node in arena.nodes.values())


def one_cut(folder: Path, given: object) -> Seen:
    """Inject one cut and look at everything from outside the fault layer."""
    assert isinstance(given, dict)
    spec, watched = FaultSpec.from_json(given["spec"]), Pair(*given["connection"])
    arena = Arena(folder.name, folder)
    connection, bystander = opened(arena, watched), opened(arena, Pair("broker-2", "broker-3"))
    with injector_for(arena, folder) as injector:
        rehearsed = injector.rehearse(spec)
        with injector.inject(spec) as fault:
            during: Seen = {
                "observed": fault.observed,
                "open": open_pairs(arena),
                "connection": echo(connection),
                "bystander": echo(bystander),
                "datagrams": {
                    f"{a}→{b}": datagram_arrives(arena, a, b)
                    for a, b in ((watched.source, watched.target), (watched.target, watched.source))
                },
            }
    blocks = blocks_in_force(arena)
    # TCP tries again at growing intervals: the first retransmission after the healing may be a while off.
    after: Seen = {"open": open_pairs(arena), "blocks": blocks, "connection": drained(connection)}
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    executed = {line["step"]: line["commands"] for line in lines}
    return {
        "during": during,
        "after": after,
        "steps": [line["step"] for line in lines],
        "rehearsed": list(rehearsed.commands) == executed["injected"]
        and list(rehearsed.undo_commands) == executed["healed"],
        "inject_ms": (fault.injected_t - lines[0]["t"]) / 1e6,
    }


def drained(connection: socket.socket) -> str:
    """What becomes of the message that was stalled."""
    connection.settimeout(5)
    try:
        return "resumed" if connection.recv(16) == b"again" else "closed"
    except TimeoutError:
        return "lost"
    except ConnectionError:
        return "reset"


def lease(folder: Path, _: object) -> Seen:
    """Hold a cut over several leases, then let the renewer die."""
    arena = Arena(folder.name, folder)
    blocks = blocks_at(arena.nodes["broker-1"], [arena.nodes["load-1"]], "both", "drop")
    cuts = Cuts(arena.nodes, lease_seconds=2, renew_seconds=0.5)
    started = time.monotonic()
    cuts.install(1, blocks)
    installed = time.monotonic()
    leaks = 0
    while time.monotonic() - installed < 5:
        leaks += arena.nodes["load-1"].can_connect(arena.nodes["broker-1"].address, PORT, seconds=0.05)
    cuts.close()
    died = time.monotonic()
    while not arena.nodes["load-1"].can_connect(arena.nodes["broker-1"].address, PORT, seconds=0.05):
        assert time.monotonic() - died < 10
    opened_after = time.monotonic() - died
    MONOTONIC.sleep(max(0.0, 2.1 - opened_after))
    cuts.renew()
    lapsed = len(cuts.lapsed(blocks))
    still_open = arena.nodes["load-1"].can_connect(arena.nodes["broker-1"].address, PORT, seconds=0.3)
    before_lift = time.monotonic()
    cuts.lift(1, blocks)
    cuts.lift(1, blocks)
    return {
        "leaks": leaks,
        "opened_after": opened_after,
        "lapsed": lapsed,
        "not_brought_back": still_open,
        "install_ms": (installed - started) * 1e3,
        "lift_ms": (time.monotonic() - before_lift) * 1e3 / 2,
        "blocks": blocks_in_force(arena),
    }


def overlap(folder: Path, _: object) -> Seen:
    """Inject the same cut twice, heal one, heal the other, heal both again."""
    arena = Arena(folder.name, folder)
    spec = partition(broker(1), broker(2))
    with injector_for(arena, folder) as injector:
        first, second = injector.inject(spec), injector.inject(isolate(broker(1)))
        with first, second:
            twice = open_pairs(arena)
            second.heal()
            once = open_pairs(arena)
            first.heal()
            none = open_pairs(arena)
            first.heal()
            second.heal()
    observed = [first.observed, second.observed]
    commands = [sys.executable, "-P", "-m", "harness.faults.heal", "--run", "no-such-run", str(folder.parent)]
    nothing = subprocess.run(commands, capture_output=True, text=True, check=False)
    return {
        "twice": twice,
        "once": once,
        "none": none,
        "blocks": blocks_in_force(arena),
        "observed": observed,
        "heal_nothing": [nothing.returncode, nothing.stdout.splitlines()[0]],
    }


def ways_out(folder: Path, _: object) -> Seen:
    """Leave a cut by an exception, an interrupt, and by closing the injector; count the blocks left."""
    arena = Arena(folder.name, folder)
    left: Seen = {}
    for error in (RuntimeError, KeyboardInterrupt):
        with (
            injector_for(arena, folder) as injector,
            contextlib.suppress(error),
            injector.inject(isolate(broker(1)), seconds=60),
        ):
            held = blocks_in_force(arena)
            raise error
        left[error.__name__] = [held > 0, blocks_in_force(arena)]
    with injector_for(arena, folder) as injector:
        injector.inject(isolate(broker(1))).__enter__()  # a guard that is never left
        held = blocks_in_force(arena)
    return left | {"closed": [held > 0, blocks_in_force(arena)]}


def processes(folder: Path, given: object) -> Seen:
    """Inject one fault on a process and look at the process and the network."""
    spec = FaultSpec.from_json(given)
    arena = Arena(folder.name, folder)
    victim = arena.services["broker-1"].process
    with injector_for(arena, folder) as injector, injector.inject(spec) as fault:
        during = [fault.observed, victim.is_alive(), victim.is_stopped(), open_pairs(arena)]
    now = arena.services["broker-1"].process
    return {
        "during": during,
        "proof": fault.proof,
        "after": [now.is_alive(), now.is_stopped(), open_pairs(arena)],
        "same_process": now is victim,
        "wiped": arena.services["broker-1"].wiped,  # type: ignore[attr-defined] # the echo service counts
    }


def noop(folder: Path, _: object) -> Seen:
    """Cut in a kernel that forgets the rules at once: every block is listed, no packet is lost."""
    arena = Arena(folder.name, folder)
    arena.replace_node(Forgetful(arena.nodes["broker-1"]))
    with injector_for(arena, folder) as injector, injector.inject(isolate(broker(1))) as fault:
        blocks = blocks_in_force(arena)
    steps = [line["step"] for line in read_lines(folder / "journal.jsonl")]
    return {"blocks": blocks, "observed": fault.observed, "proof": fault.proof, "steps": steps}


@dataclass(frozen=True)
class Forgetful:
    """A node that flushes the rules, not the sets, after every nft transaction."""

    node: Node
    name: str = field(init=False)
    role: str = "broker"
    address: str = field(init=False)
    ports: tuple[int, ...] = (PORT,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.node.name)
        object.__setattr__(self, "address", self.node.address)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """With a flush behind it."""
        return self.node.enter(["sh", "-c", f"{shlex.join(argv)} && nft flush table inet harness"])

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """As the node."""
        return self.node.can_connect(address, port, seconds=seconds)


class PointedJournal(Journal):
    """A journal that stops the world for good at the point it was told to."""

    def __init__(self, folder: Path, stop_at: int, arena: Arena) -> None:
        super().__init__(folder / "journal.jsonl")
        self._folder, self._stop_at, self._arena, self._point = folder, stop_at, arena, 0

    def write(
        self,
        step: Step,
        fault: Fault,
        *,
        t: int | None = None,
        proof: str = "",
        commands: tuple[str, ...] = (),
    ) -> int:
        """Write, with one point before and one after."""
        self.point(f"before {step} of {fault.name}")
        instant = super().write(step, fault, t=t, proof=proof, commands=commands)
        self.point(f"after {step} of {fault.name}")
        return instant

    def point(self, name: str) -> None:
        """Number the point; at the chosen one tell the test and wait to be killed."""
        self._point += 1
        if self._point != self._stop_at:
            return
        services = self._arena.services.values()
        disturbed = [service.process for service in services if not _undisturbed(service.process)]
        cut = blocks_in_force(self._arena) > 0
        planned = sum(line["step"] == "planned" for line in read_lines(self._folder / "journal.jsonl"))
        namespaces = [entry.stat().st_ino for entry in Path("/run/netns").iterdir()]
        namespaces += [Path(f"/proc/self/ns/{kind}").stat().st_ino for kind in ("net", "pid", "mnt")]
        at = {"point": name, "disturbed": len(disturbed) + cut, "planned": planned, "namespaces": namespaces}
        part = self._folder / "at.part"
        part.write_text(json.dumps(at))
        part.rename(self._folder / "at.json")
        threading.Event().wait()


def _undisturbed(process: Process) -> bool:
    return process.is_alive() and not process.is_stopped()


def sweep(folder: Path, stop_at: object) -> Seen:
    """Two overlapping faults and a third; stops for good at one of the journal's points."""
    assert isinstance(stop_at, int)
    arena = Arena(folder.name, folder)
    journal = PointedJournal(folder, stop_at, arena)
    with Watch(folder, folder.name), Injector(arena, journal, topic="orders", ready_seconds=10) as injector:
        with injector.inject(isolate(broker(1))), injector.inject(pause(broker(2))):
            journal.point("both in force")
        with injector.inject(kill(broker(3))):
            journal.point("the third in force")
    return {"points": journal._point}


def stopped_harness(folder: Path, lease_seconds: object) -> Seen:
    """Hold a cut and a pause until the test lets go; a prober beside looks on."""
    lease = lease_seconds if isinstance(lease_seconds, int) else LEASE_SECONDS
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    arena = Arena(folder.name, folder)
    with Watch(folder, folder.name), injector_for(arena, folder, lease_seconds=lease) as injector:
        cut, paused = injector.inject(isolate(broker(1))), injector.inject(pause(broker(2)))
        with cut, paused:
            pid = arena.services["broker-2"].process.pid
            argv = [sys.executable, "-P", "-m", "harness.tests.contract.prober", str(folder), str(pid)]
            looking = subprocess.Popen(argv)
            (folder / "ready").touch()
            while not (folder / "go-on").exists():
                MONOTONIC.sleep(0.05)
    looking.send_signal(signal.SIGKILL)
    looking.wait()
    return {"observed": [cut.observed, paused.observed], "open": open_pairs(arena)}


OWN: tuple[Story, ...] = (one_cut, lease, overlap, ways_out, processes, noop, sweep, stopped_harness)
STORIES: dict[str, Story] = {
    story.__name__: story for story in (*OWN, *OBJECT_STORIES, *PIPELINE_STORIES)
} | agents.STORIES
