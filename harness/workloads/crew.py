"""The clients of one workload: started, upset on purpose, replaced when they end, and ended.

Every client is a process on the load's node. It ends with the thread that started it (PR_SET_PDEATHSIG),
which is the crew's own and lives as long as the crew, and when its standard input closes.

Each *slot* has one client at a time: whoever ends, killed or fenced, is followed by another one under a new
number. A *frozen* writer is stopped, followed, and let go on: the zombie that a transactional id is there to
fence.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import MONOTONIC, NANOS_PER_SECOND, seconds_between
from harness.errors import LoadError, StackError
from harness.rundir import private
from harness.seeds import stream
from harness.waiting import NotYet, wait_for
from harness.workloads.kit import count_path, counted
from harness.workloads.plan import Client, Plan, Role

Enter = Callable[[Sequence[str]], list[str]]

_READY_S = 40.0
_LOOK_S = 0.25
_THAWED_AFTER_S = 1.5
_REPLACED_AFTER_S = 0.5
_ENDS_IN_S = 45.0
_MOST_CLIENTS = 400
_CLEAN, _OVER, _KILLED = 0, 3, -signal.SIGKILL


@dataclass(slots=True)
class _Running:
    """One client's process."""

    client: Client
    process: subprocess.Popen[bytes]
    log: Path
    killed: bool = False
    ended_t: int = 0

    @property
    def trouble(self) -> str:
        """Why its end was not one of those that it may have; empty when it was."""
        code = self.process.returncode
        if code in {None, _CLEAN, _OVER} or (code == _KILLED and self.killed):
            return ""
        tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
        return f"{self.client.name} ended with {code}: {tail[0] if tail else 'no words'}"

    def tell_to_stop(self) -> None:
        """Order it to end; one that has ended needs no order."""
        assert self.process.stdin is not None
        if not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(b"stop\n")

    def end(self, seconds: float) -> None:
        """Return when it has ended; if it has not within *seconds* it is killed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.killed = True
        self.process.kill()


@dataclass(slots=True)
class Hands:
    """Starts clients, and remembers all of them."""

    plan: Plan
    file: Path
    enter: Enter
    logs: Path
    everyone: list[_Running] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def start(self, role: Role, slot: int, until: Path | None = None) -> _Running:
        """A new client for that slot."""
        client = Client(role=role, slot=slot, number=next(self.numbers), until=until)
        if client.number > _MOST_CLIENTS:
            what = f"{self.plan.workload.name} has had {_MOST_CLIENTS} clients"
            raise LoadError(what, why="all of them ended")
        log = self.logs / f"{self.plan.workload.name}-{client.name}.log"
        told = [str(self.file), client.model_dump_json(exclude_defaults=True)]
        with open(log, "ab", opener=private) as output:
            process = subprocess.Popen(
                self.enter([sys.executable, "-P", "-m", "harness.workloads.client", *told]),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the harness, which then stops the workload in order
            )
        running = _Running(client, process, log)
        self.everyone.append(running)
        return running

    def done(self) -> dict[str, int]:
        """How much each client has done, by name."""
        return {each.client.name: counted(count_path(self.plan, each.client)) for each in self.everyone}

    def has_begun(self, client: Client) -> bool:
        """Whether it has done anything yet."""
        return counted(count_path(self.plan, client)) > 0

    def wait_ended(self, those: Sequence[_Running], seconds: float) -> None:
        """Return when *those* have ended; whoever has not by then is killed."""
        deadline = MONOTONIC.now() + int(seconds * NANOS_PER_SECOND)
        for each in those:
            each.end(max(0.0, seconds_between(MONOTONIC.now(), deadline)))


class Crew:
    """The clients that a workload has while its story goes on.

    ``failure`` is why it cannot go on, if it cannot; ``upsets`` counts the clients upset on purpose.

    Args:
        hands: who starts them.
        note: puts a line on the run's timeline.
    """

    def __init__(self, hands: Hands, note: Callable[[str], None]) -> None:
        self._hands, self._note = hands, note
        self._workload = hands.plan.workload
        self._chance = stream(hands.plan.seed, f"{self._workload.name}/upsets")
        self._slots: dict[tuple[Role, int], _Running] = {}
        self._frozen: list[tuple[int, _Running]] = []
        self._ordered, self._ready = threading.Event(), threading.Event()
        self.failure = ""
        self._patience = _ENDS_IN_S
        self.upsets = 0
        self._thread = threading.Thread(target=self._watch, name=f"crew-{self._workload.name}", daemon=True)

    def start(self) -> None:
        """Return when every client has done something.

        Raises:
            LoadError: one has not.
        """
        self._thread.start()
        try:
            wait_for(self._see_everybody, what="every client at work", seconds=_READY_S, every=0.1)
        except StackError as error:
            self.stop(seconds=0.0)
            raise LoadError(f"{self._workload.name} did not start", why=error.why) from error
        self._ready.set()

    def stop(self, *, seconds: float = _ENDS_IN_S) -> None:
        """Order every client to end, and return when all have; those that take longer are killed."""
        self._patience = seconds
        self._ordered.set()
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def done(self) -> dict[Role, int]:
        """How much the clients of each role have done together."""
        found: dict[Role, int] = {}
        counts = self._hands.done()
        for each in list(self._hands.everyone):
            found[each.client.role] = found.get(each.client.role, 0) + counts.get(each.client.name, 0)
        return found

    def troubles(self) -> tuple[str, ...]:
        """Every client that ended otherwise than it may, and what kept the crew from its work."""
        found = [each.trouble for each in self._hands.everyone]
        return tuple(trouble for trouble in (self.failure, *found) if trouble)

    def _roles(self) -> list[tuple[Role, int]]:
        """Every slot, in the order in which they are filled: who reads along misses nothing."""
        workload = self._workload
        writes: Role = "writer" if workload.transactional else "feeder"
        takes: Role = "copier" if workload.form == "copies" else "member"
        along: tuple[Role, ...] = ("committed", "uncommitted") if workload.watched else ()
        return [
            *((role, 0) for role in along),
            *((takes, slot) for slot in range(workload.members)),
            *((writes, slot) for slot in range(workload.writers)),
        ]

    def _see_everybody(self) -> None:
        if self.troubles():
            self.stop(seconds=0.0)
            raise LoadError(f"{self._workload.name} did not start", why="; ".join(self.troubles()))
        counts = self._hands.done()
        idle = [each.client.name for each in self._slots.values() if not counts.get(each.client.name)]
        # A group may have more members than partitions: some of them wait, which is all right.
        waits = [name for name in idle if not name.startswith("member") and not name.startswith("copier")]
        if waits or len(self._slots) < len(self._roles()):
            raise NotYet(f"nothing done by {', '.join(waits) or 'anybody'}")

    def _watch(self) -> None:
        """The crew's own thread: start, upset, replace, end."""
        try:
            for role, slot in self._roles():
                self._slots[role, slot] = self._hands.start(role, slot)
            self._until_ordered()
        except (OSError, LoadError) as error:
            self.failure = f"the crew cannot go on: {error}"
            self._ordered.wait()
        self._end()

    def _until_ordered(self) -> None:
        every = int(self._workload.upset_every * NANOS_PER_SECOND)
        due = MONOTONIC.now() + every
        while not self._ordered.wait(_LOOK_S):
            now = MONOTONIC.now()
            if not self._ready.is_set():
                due = now + every
            elif every and now >= due:
                self._upset(now)
                due = now + every
            self._thaw(now)
            self._replace(now)

    def _upset(self, now: int) -> None:
        """Kill a client, have it leave, or freeze it until another one has taken its place.

        One that has not begun is spared: frozen now, it would initialise its transactional id after its
        successor, and be the newer of the two with the lower number.
        """
        role, slot = self._chance.choice([place for place in self._slots if place[0] not in _WATCHING])
        running = self._slots[role, slot]
        if running.process.poll() is not None or not self._hands.has_begun(running.client):
            return
        how = self._chance.choice(_UPSETS[role])
        if how == "killed":
            running.kill()
        elif how == "left":
            running.tell_to_stop()
        else:
            running.process.send_signal(signal.SIGSTOP)
            self._frozen.append((now + int(_THAWED_AFTER_S * NANOS_PER_SECOND), running))
            self._slots[role, slot] = self._hands.start(role, slot)
        self.upsets += 1
        self._note(f"{self._workload.name}: {running.client.name} {how}")

    def _thaw(self, now: int) -> None:
        for due, running in list(self._frozen):
            # Only when its successor has begun is it a zombie.
            successor = self._slots[running.client.role, running.client.slot].client
            if now >= due and self._hands.has_begun(successor):
                running.process.send_signal(signal.SIGCONT)
                self._frozen.remove((due, running))

    def _replace(self, now: int) -> None:
        for place, running in self._slots.items():
            if running.process.poll() is None:
                continue
            running.ended_t = running.ended_t or now
            if seconds_between(running.ended_t, now) >= _REPLACED_AFTER_S:
                self._slots[place] = self._hands.start(*place)

    def _end(self) -> None:
        everyone = self._hands.everyone
        for _, running in self._frozen:
            running.process.send_signal(signal.SIGCONT)
        for each in everyone:
            if each.client.role not in _TAKING:
                each.tell_to_stop()
        self._hands.wait_ended([e for e in everyone if e.client.role not in _TAKING], self._patience)
        for each in everyone:
            each.tell_to_stop()
        self._hands.wait_ended(everyone, self._patience)


_WATCHING: frozenset[Role] = frozenset({"committed", "uncommitted"})
_TAKING: frozenset[Role] = frozenset({"member", "copier"})
_UPSETS: dict[Role, tuple[str, ...]] = {
    "writer": ("killed", "frozen until it has a successor"),
    "feeder": ("killed",),
    "copier": ("killed", "left"),
    "member": ("killed", "left"),
}


def _environment() -> dict[str, str]:
    """The client's environment: it must find the package that this module belongs to."""
    package = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{known}" if known else package}
