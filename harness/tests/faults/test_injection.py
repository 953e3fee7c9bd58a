"""The guard: the order of its steps, and what it does when a step fails."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.errors import BadInput, FaultError, FaultLeftBehind, MissingAbility
from harness.faults.injection import Injector, judge_reach
from harness.faults.journal import Fault, Journal, Step
from harness.faults.leases import Cuts
from harness.faults.mechanism import Footprint, Mechanism, Seen
from harness.faults.prepare import Prepared, prepare
from harness.faults.reach import Pair
from harness.faults.selectors import Resolution, broker, clients, leader_of
from harness.faults.spec import FaultSpec, isolate, kill, partition, pause
from harness.faults.uninterrupted import uninterrupted
from harness.stack.seams import Strike
from harness.tests.faults.fakes import FakeStack

OK = Seen(ok=True, words="seen")


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.t = 0

    def now(self) -> int:
        """The present instant."""
        return self.t

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.t += round(seconds * 1e9)


@dataclass
class Script:
    """A mechanism that tells what it was asked, and fails where the test says."""

    told: list[str]
    fail: dict[str, list[Exception]] = field(default_factory=dict)
    says: dict[str, Seen] = field(default_factory=dict)
    commands: tuple[str, ...] = ("do it",)
    undo_commands: tuple[str, ...] = ("undo it",)
    undo: tuple[dict[str, str], ...] = ()
    footprint: Footprint = field(default_factory=lambda: Footprint(frozenset(), frozenset()))

    def _act(self, name: str) -> None:
        self.told.append(name)
        if self.fail.get(name):
            raise self.fail[name].pop(0)

    def _see(self, name: str) -> Seen:
        self._act(name)
        return self.says.get(name, OK)

    def inject(self) -> None:
        """As told."""
        self._act("inject")

    def heal(self) -> None:
        """As told."""
        self._act("heal")

    def landed(self) -> Seen:
        """As told."""
        return self._see("landed")

    def traces(self) -> Seen:
        """As told."""
        return self._see("traces")

    def still(self) -> Seen:
        """As told."""
        return self._see("still")

    def healed(self) -> Seen:
        """As told."""
        return self._see("healed")


class TellingJournal(Journal):
    """A journal that tells its steps too, and is full where the test says."""

    def __init__(self, path: Path, told: list[str], full_at: tuple[Step, ...], clock: FakeClock) -> None:
        super().__init__(path, clock)
        self._told, self._full_at = told, full_at

    def write(
        self,
        step: Step,
        fault: Fault,
        *,
        t: int | None = None,
        proof: str = "",
        commands: tuple[str, ...] = (),
    ) -> int:
        """Tell, then write."""
        self._told.append(step)
        if step in self._full_at:
            raise MissingAbility("the disk is full")
        return super().write(step, fault, t=t, proof=proof, commands=commands)


class ScriptedInjector(Injector):
    """An injector whose every fault is the given mechanism."""

    mechanism: Mechanism

    def prepare(self, spec: FaultSpec, number: int) -> Prepared:
        """The script."""
        facts = Fault(number, spec.name, spec.kind, "broker-1", ("broker-1",), "scripted")
        strike = Strike(spec.kind, spec.name, ("broker-1",))
        return Prepared(Resolution(("broker-1",), "scripted"), self.mechanism, facts, strike)


Make = Callable[..., tuple[ScriptedInjector, list[str]]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes an injector around a script; the list tells every step that was taken."""

    def build(full_at: tuple[Step, ...] = (), **script: object) -> tuple[ScriptedInjector, list[str]]:
        told: list[str] = []
        clock = FakeClock()
        journal = TellingJournal(tmp_path / "journal.jsonl", told, full_at, clock)
        injector = ScriptedInjector(FakeStack(), journal, clock=clock)
        injector.mechanism = Script(told, **script)  # type: ignore[arg-type] # as the test names them
        return injector, told

    return build


FIRST = ["planned", "inject", "injected", "landed", "traces", "effect-proven"]
LAST = ["heal", "healed", "healed", "healing-proven"]


def test_the_steps_come_in_their_order(make: Make) -> None:
    """Journal, inject, prove, hold, heal, prove: each once, in this order."""
    injector, told = make()

    with injector.inject(kill(broker(1)), seconds=20) as fault:
        told.append("block")

    assert [*FIRST, "block", "still", *LAST] == told
    assert fault.observed
    assert 20 * 10**9 == injector.clock.now()


def test_nothing_is_touched_when_the_plan_cannot_be_journalled(make: Make) -> None:
    """A full disk ahead of the fault means no fault."""
    injector, told = make(full_at=("planned",))

    with pytest.raises(MissingAbility), injector.inject(kill(broker(1))):
        told.append("block")

    assert ["planned"] == told


def test_a_fault_that_fails_half_way_is_healed_at_once(make: Make) -> None:
    """An injection that raises never reaches the block and leaves nothing."""
    injector, told = make(fail={"inject": [FaultError("refused")]})

    with pytest.raises(FaultError, match="refused"), injector.inject(kill(broker(1))):
        told.append("block")

    assert ["planned", "inject", *LAST] == told


def test_a_block_that_fails_is_healed_without_holding(make: Make) -> None:
    """An exception in the block heals at once and goes on its way."""
    injector, told = make()

    with pytest.raises(RuntimeError, match="mine"), injector.inject(kill(broker(1)), seconds=20):
        raise RuntimeError("mine")

    assert [*FIRST, *LAST] == told
    assert 0 == injector.clock.now()


@pytest.mark.parametrize("probe", ["landed", "traces"])
def test_an_effect_that_is_not_seen_is_not_observed(make: Make, probe: str) -> None:
    """Without proof the block still runs, with ``observed`` False and the reason kept."""
    injector, told = make(says={probe: Seen(ok=False, words="nothing happened")})

    with injector.inject(kill(broker(1))) as fault:
        told.append("block")

    assert not fault.observed
    assert "nothing happened" in fault.proof
    assert "effect-unproven" in told
    assert "effect-proven" not in told
    assert LAST == told[-4:]


def test_a_fault_that_ended_early_is_not_observed(make: Make) -> None:
    """An effect that was proven and then ended by itself is taken back."""
    injector, told = make(says={"still": Seen(ok=False, words="the lease ran out")})

    with injector.inject(kill(broker(1))) as fault:
        assert fault.observed

    assert (False, "the lease ran out") == (fault.observed, fault.proof)
    assert [*FIRST, "still", "effect-unproven", *LAST] == told


def test_a_healing_that_fails_is_tried_again(make: Make) -> None:
    """Two failed attempts are followed by a third."""
    injector, told = make(fail={"heal": [FaultError("busy"), OSError("busy")]})

    with injector.inject(kill(broker(1))):
        pass

    assert [*FIRST, "still", "heal", "heal", *LAST] == told


def test_a_healing_that_keeps_failing_is_a_fault_left_behind(make: Make) -> None:
    """Three failed attempts are reported with the reason, and journalled as unproven."""
    injector, told = make(fail={"heal": [FaultError("busy")] * 3})

    with pytest.raises(FaultLeftBehind, match="busy"), injector.inject(kill(broker(1))):
        pass

    assert ["heal", "heal", "heal", "healing-unproven"] == told[-4:]


def test_a_healing_that_is_not_proven_is_a_fault_left_behind(make: Make) -> None:
    """An undoing without its proof is not a healing."""
    injector, told = make(says={"healed": Seen(ok=False, words="broker-1 does not serve")})

    with pytest.raises(FaultLeftBehind, match="broker-1 does not serve"), injector.inject(kill(broker(1))):
        pass

    assert ["heal", "healed", "healed", "healing-unproven"] == told[-4:]


def test_a_failed_block_and_a_failed_healing_are_both_reported(make: Make) -> None:
    """Neither error hides the other."""
    injector, _ = make(says={"healed": Seen(ok=False, words="no")})

    with pytest.raises(ExceptionGroup) as raised, injector.inject(kill(broker(1))):
        raise RuntimeError("mine")

    assert [RuntimeError, FaultLeftBehind] == [type(error) for error in raised.value.exceptions]


def test_a_full_disk_does_not_keep_a_fault_from_being_healed(make: Make) -> None:
    """The undoing and its proof happen although their lines cannot be written."""
    injector, told = make(full_at=("healed", "healing-proven"))

    with pytest.raises(MissingAbility), injector.inject(kill(broker(1))):
        pass

    assert LAST == told[-4:]


def test_healing_early_and_again_is_harmless(make: Make) -> None:
    """A fault that the block healed itself is not healed again."""
    injector, told = make()

    with injector.inject(kill(broker(1)), seconds=20) as fault:
        fault.heal()

    assert [*FIRST, *LAST] == told


def test_closing_the_injector_heals_what_is_still_in_force(make: Make) -> None:
    """A guard that is never left is healed by its injector."""
    injector, told = make()
    with injector:
        injector.inject(kill(broker(1))).__enter__()

    assert [*FIRST, *LAST] == told


def test_an_interrupt_waits_for_the_healing() -> None:
    """Ctrl-C during an undoing is delivered after it, not instead of it."""
    done: list[str] = []

    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)  # handled by the main thread, which waits
        threading.Event().wait(0.1)
        done.append("undone")

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(interrupted)
    assert ["undone"] == done


def test_an_undoing_that_fails_says_so() -> None:
    """What an uninterrupted action raises is raised."""
    with pytest.raises(FaultError, match="refused"):
        uninterrupted(_refuse)


def _refuse() -> None:
    raise FaultError("refused")


A, B, C = Pair("a", "b"), Pair("b", "a"), Pair("c", "b")


@pytest.mark.parametrize(
    ("before", "severed", "untouched", "open_now", "expected"),
    [
        ({A, B, C}, {A, B}, {C}, {C}, (True, "cut: a→b, b→a; still open: 1 of 1 others")),
        ({A, B, C}, {A, B}, {C}, {B, C}, (False, "not cut: b→a")),
        ({A, B, C}, {A, B}, {C}, set(), (False, "also cut, but should not be: c→b")),
        ({C}, {A, B}, {C}, {C}, (False, "nothing to cut, none connected before: a→b, b→a")),
        ({C}, set(), {C}, {C}, (True, "still open: 1 of 1 others")),
    ],
)
def test_reach_is_judged_in_both_directions(
    before: set[Pair],
    severed: set[Pair],
    untouched: set[Pair],
    open_now: set[Pair],
    expected: tuple[bool, str],
) -> None:
    """A fault must cut what it names, must spare the rest, and must have had something to cut."""
    seen = judge_reach(frozenset(before), frozenset(severed), frozenset(untouched), frozenset(open_now))

    assert expected == (seen.ok, seen.words)


def test_a_rehearsal_touches_nothing_and_shows_the_commands() -> None:
    """A rehearsal names target, reason and commands, and sends no signal."""
    stack = FakeStack()
    rehearsed = Injector(stack, _no_journal()).rehearse(pause(leader_of("orders", 0)))

    assert ("broker-1",) == rehearsed.target.nodes
    assert (("kill -STOP 1",), ("kill -CONT 1",)) == (rehearsed.commands, rehearsed.undo_commands)
    assert [] == stack.fakes["broker-1"].process.sent


def test_a_rehearsed_cut_shows_one_transaction_for_each_node() -> None:
    """A cut stands at the smaller side's end, and lists exactly the peers."""
    rehearsed = Injector(FakeStack(), _no_journal()).rehearse(partition(broker(1), "clients", direction="in"))

    (command,) = rehearsed.commands
    assert command.startswith("enter broker-1 nft -f - <<'EOF'\n")
    added = [line for line in command.splitlines() if line.startswith("add element")]
    assert ["add element inet harness drop_in { 198.18.0.11 timeout 5s }"] == added


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        (kill(clients()), BadInput, "load-1 runs nothing that a kill could hit"),
        (kill(broker(2)), FaultError, "broker-2 is already dead"),
        (pause(broker(2)), FaultError, "broker-2 is dead and cannot be paused"),
        (pause(broker(3)), FaultError, "broker-3 is already paused"),
    ],
)
def test_what_cannot_be_hit_is_refused(spec: FaultSpec, error: type[Exception], words: str) -> None:
    """A fault on what runs nothing, is dead or is paused already is refused before anything is done."""
    stack = FakeStack()
    stack.fakes["broker-2"].process.alive = False
    stack.fakes["broker-3"].process.stopped = True

    with pytest.raises(error, match=words):
        prepare(spec, 1, stack, Cuts(stack.nodes))


@pytest.mark.parametrize(("number", "controls"), [(1, "no"), (2, "yes")])
def test_the_journal_notes_whether_the_target_was_the_controller(number: int, controls: str) -> None:
    """An expectation of recovery depends on it: a lost controller costs an election more."""
    stack = FakeStack()

    assert prepare(kill(broker(number)), 1, stack, Cuts(stack.nodes)).facts.traits["controller"] == controls


def test_the_journal_notes_the_partitions_that_the_target_led() -> None:
    """With the load's topic known, the facts hold which of its partitions every hit broker led."""
    stack = FakeStack()

    facts = prepare(isolate(broker(2)), 1, stack, Cuts(stack.nodes), topic="orders").facts

    assert (1, 4) == facts.partitions
    assert "broker-1,broker-3,load-1,observer" == facts.traits["peers"]
    assert ({"do": "flush", "node": "broker-2", "table": "inet harness"},) == facts.undo


def _no_journal() -> Journal:
    return Journal(Path("/dev/null"))
