"""The guard: a fault that is proven to be in force, and undone on every way out.

``with injector.inject(spec, seconds=20) as fault:`` goes through these steps, in
this order, and nothing skips one:

1. resolve the target now, with the reason; refuse what makes no sense;
2. journal ``planned``, synced: from here on ``heal`` knows of the fault;
3. inject;
4. prove the effect: what must be cut is cut, *and* what must not be cut still connects;
5. run the block, then hold until ``seconds`` have passed since the effect was proven;
6. heal, repeatedly if need be; no signal interrupts it;
7. prove the healing: every connection is back and every service serves.

An exception anywhere goes straight to 6. A fault whose effect is not proven, or
that ended before it was healed, has ``observed == False`` and says so in the
journal; the run is then UNKNOWN. A healing that is not proven raises
``FaultLeftBehind``. The guard is told what other faults of the run do, so faults
may overlap and each is judged on its own connections.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from harness.clock import MONOTONIC, NANOS_PER_SECOND, Clock
from harness.errors import FaultLeftBehind, HarnessError, StackError
from harness.faults.journal import Journal, Step
from harness.faults.leases import LEASE_SECONDS, Cuts
from harness.faults.mechanism import Mechanism, Seen
from harness.faults.prepare import READY_SECONDS, Prepared, prepare
from harness.faults.reach import Pair, all_pairs, connecting, listed
from harness.faults.selectors import Resolution
from harness.faults.spec import FaultSpec
from harness.faults.uninterrupted import UNDO_ERRORS, uninterrupted
from harness.stack.seams import Check, Stack, Strike, Supervised, unrestricted
from harness.waiting import NotYet, wait_for

_CUT_PROBE_SECONDS = 0.3
_OPEN_PROBE_SECONDS = 2.0
_RECONNECT_SECONDS = 10.0
_HEAL_ATTEMPTS = 3
_HEAL_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What an injection would do now."""

    name: str
    target: Resolution
    commands: tuple[str, ...]
    undo_commands: tuple[str, ...]

    def __str__(self) -> str:
        nodes = ", ".join(self.target.nodes)
        return "\n".join(
            [f"{self.name}: {nodes} ({self.target.why})", *self.commands, "to heal:", *self.undo_commands]
        )


class Injector:
    """Injects the faults of one run into one stack; leaving it heals whatever is still in force.

    Args:
        stack: the system under test.
        journal: where every step is written, ahead of the fault.
        topic: the load's topic, to note which of its partitions a target led; empty: there is none yet.
        ready_seconds: how long a healed service may take until it serves again.
        lease_seconds: how long a cut outlives a harness that no longer renews it.
        check: what may be hit, asked once a target is chosen and before anything is done to it.
        clock: for holding and for instants.
    """

    def __init__(
        self,
        stack: Stack,
        journal: Journal,
        *,
        topic: str = "",
        ready_seconds: float = READY_SECONDS,
        lease_seconds: int = LEASE_SECONDS,
        check: Check = unrestricted,
        clock: Clock = MONOTONIC,
    ) -> None:
        self.stack, self.journal, self.clock = stack, journal, clock
        self.ready_seconds = ready_seconds
        self.topic, self._check = topic, check
        self._cuts = Cuts(stack.nodes, lease_seconds=lease_seconds)
        self._numbers = itertools.count(1)
        self._active: dict[int, Injection] = {}

    def inject(self, spec: FaultSpec, *, seconds: float = 0.0) -> Injection:
        """A guard for *spec* that is in force for at least *seconds*; entering it injects.

        Entering raises BadInput for a target that does not exist, FaultError when it could not be
        injected, StackError when the cluster does not say who plays the role. Nothing is left then.
        """
        return Injection(self, spec, seconds)

    def rehearse(self, spec: FaultSpec) -> Rehearsal:
        """What injecting *spec* would do now; touches nothing."""
        prepared = self.prepare(spec, number=0)
        mechanism = prepared.mechanism
        return Rehearsal(spec.name, prepared.target, mechanism.commands, mechanism.undo_commands)

    def prepare(self, spec: FaultSpec, number: int) -> Prepared:
        """Resolve *spec* now and make its mechanism ready."""
        return prepare(
            spec, number, self.stack, self._cuts, topic=self.topic, ready_seconds=self.ready_seconds
        )

    def check(self, strike: Strike) -> None:
        """Return when *strike* may be made beside the faults in force.

        Raises:
            FaultError: it may not.
        """
        self._check(strike, tuple(injection.strike for injection in list(self._active.values())))

    def next_number(self) -> int:
        """The number of the next fault, from 1."""
        return next(self._numbers)

    def begin(self, number: int, injection: Injection) -> None:
        """Remember a fault as in force."""
        self._active[number] = injection

    def end(self, number: int) -> None:
        """Forget a fault that is healed."""
        self._active.pop(number, None)

    def undisturbed(self, pairs: Iterable[Pair]) -> frozenset[Pair]:
        """Those of *pairs* that no fault in force touches."""
        touched: set[Pair] = set()
        for injection in list(self._active.values()):
            footprint = injection.mechanism.footprint
            touched |= footprint.severed | footprint.unsure
        return frozenset(pairs) - touched

    def nodes(self) -> frozenset[str]:
        """Every node that a fault in force hits."""
        return frozenset(name for injection in list(self._active.values()) for name in injection.nodes)

    def close(self) -> None:
        """Heal every fault that is still in force, the last one first, then stop renewing leases.

        Raises:
            FaultLeftBehind: a healing could not be proven; a group when it was more than one.
        """
        problems: list[HarnessError] = []
        for injection in reversed(list(self._active.values())):
            try:
                injection.heal()
            except HarnessError as error:
                problems.append(error)
        self._cuts.close()
        if len(problems) > 1:
            raise ExceptionGroup("faults may be left behind", problems)
        if problems:
            raise problems[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Injection:
    """One fault in force. Made by ``Injector.inject``; ``heal`` may be called early and repeatedly."""

    resolution: Resolution
    mechanism: Mechanism
    strike: Strike
    injected_t: int = 0
    """Monotonic nanoseconds; 0 until it happened, as for the instants below."""
    effect_proven_t: int = 0
    healed_t: int = 0
    healing_proven_t: int = 0
    observed: bool = False
    """Whether the effect was proven, and was not found to have ended before it was healed."""
    proof: str = ""
    healing_proof: str = ""

    def __init__(self, injector: Injector, spec: FaultSpec, seconds: float) -> None:
        self.spec = spec
        self._injector, self._seconds = injector, seconds
        self._healing = threading.Lock()
        self._is_healed = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that were hit."""
        return self.resolution.nodes

    def __enter__(self) -> Self:
        injector = self._injector
        self._number = injector.next_number()
        prepared = injector.prepare(self.spec, self._number)
        self.mechanism, self.resolution, self._facts = prepared.mechanism, prepared.target, prepared.facts
        self.strike = prepared.strike
        injector.check(self.strike)
        self._baseline = self._connecting_now()
        injector.journal.write("planned", self._facts, commands=self.mechanism.commands)
        with ExitStack() as undo:
            undo.push(self._heal_after)
            injector.begin(self._number, self)
            self._inject()
            self._prove_effect()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._heal_after(kind, error, trace)
            return
        with ExitStack() as undo:
            undo.push(self._heal_after)
            self._hold()
            self._check_still()

    def heal(self) -> None:
        """Undo the fault and prove that nothing of it is left; later calls do nothing.

        Raises:
            FaultLeftBehind: the undoing failed, or was not proven.
        """
        with self._healing:
            if self._is_healed:
                return
            self._is_healed = True
            with ExitStack() as after:
                after.callback(self._injector.end, self._number)
                self._undo()
                # Proven even when the disk is too full to note that it was undone.
                after.callback(self._prove_healing)
                undone = self.mechanism.undo_commands
                self.healed_t = self._note("healed", commands=undone)

    def _connecting_now(self) -> frozenset[Pair]:
        stack = self._injector.stack
        quiet = self._injector.undisturbed(all_pairs(stack))
        return connecting(stack, dict.fromkeys(quiet, _OPEN_PROBE_SECONDS))

    def _inject(self) -> None:
        self.mechanism.inject()
        self.injected_t = self._note("injected", commands=self.mechanism.commands)

    def _prove_effect(self) -> None:
        seen = self._effect()
        self.observed, self.proof = seen.ok, seen.words
        step: Step = "effect-proven" if seen.ok else "effect-unproven"
        self.effect_proven_t = self._injector.journal.write(step, self._facts, proof=seen.words)

    def _effect(self) -> Seen:
        landed = self.mechanism.landed()
        if not landed.ok:
            return landed
        reach = self._reach()
        traces = self.mechanism.traces()
        words = "; ".join(part for part in (landed.words, reach.words, traces.words) if part)
        return Seen(ok=reach.ok and traces.ok, words=words)

    def _reach(self) -> Seen:
        severed = self.mechanism.footprint.severed
        untouched = self._injector.undisturbed(self._baseline)
        patience = dict.fromkeys(untouched, _OPEN_PROBE_SECONDS) | dict.fromkeys(severed, _CUT_PROBE_SECONDS)
        open_now = connecting(self._injector.stack, patience)
        return judge_reach(self._baseline, severed, untouched, open_now)

    def _hold(self) -> None:
        passed = self._injector.clock.now() - self.effect_proven_t
        left = self._seconds - passed / NANOS_PER_SECOND
        if left > 0 and not self._is_healed:
            self._injector.clock.sleep(left)

    def _check_still(self) -> None:
        if self._is_healed or not self.observed:
            return
        try:
            seen = self.mechanism.still()
        except UNDO_ERRORS as error:
            seen = Seen(ok=False, words=f"not known whether it stayed in force: {error}")
        if not seen.ok:
            self.observed, self.proof = False, seen.words
            self._injector.journal.write("effect-unproven", self._facts, proof=seen.words)

    def _heal_after(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Heal on the way out; a second error stands beside the first instead of hiding it."""
        try:
            self.heal()
        except HarnessError as second:
            if error is None:
                raise
            words = f"{self.spec.name}: failed, and so did its healing"
            raise BaseExceptionGroup(words, [error, second]) from None

    def _undo(self) -> None:
        try:
            uninterrupted(self._attempt_undo)
        except UNDO_ERRORS as error:
            words = f"could not be undone: {error}"
            self._note("healing-unproven", proof=words)
            raise self._left_behind(words) from error

    def _attempt_undo(self) -> None:
        for _ in range(_HEAL_ATTEMPTS - 1):
            try:
                return self.mechanism.heal()
            except UNDO_ERRORS:
                self._injector.clock.sleep(_HEAL_PAUSE_SECONDS)
        return self.mechanism.heal()

    def _prove_healing(self) -> None:
        with ExitStack() as interrupted:
            interrupted.callback(self._note, "healing-unproven", proof="the proof was interrupted")
            seen = self._healed()
            interrupted.pop_all()
        self.healing_proof = seen.words
        step: Step = "healing-proven" if seen.ok else "healing-unproven"
        self.healing_proven_t = self._note(step, proof=seen.words)
        if not seen.ok:
            raise self._left_behind(seen.words)

    def _healed(self) -> Seen:
        try:
            own = self.mechanism.healed()
            if not own.ok:
                return own
            self._injector.end(self._number)
            expected = self._injector.undisturbed(self._baseline)
            wait_for(
                lambda: self._all_connect(expected),
                what="reconnecting",
                seconds=self._patience(),
                every=0.02,
                clock=self._injector.clock,
            )
        except StackError as error:
            return Seen(ok=False, words=error.why)
        except UNDO_ERRORS as error:
            return Seen(ok=False, words=str(error))
        return Seen(ok=True, words=f"{own.words}; {len(expected)} of {len(expected)} connections open")

    def _patience(self) -> float:
        """How many seconds connections may take to be back: a supervised process may end after its fault."""
        injector = self._injector
        supervised = any(isinstance(each, Supervised) for each in injector.stack.services.values())
        return max(_RECONNECT_SECONDS, injector.ready_seconds) if supervised else _RECONNECT_SECONDS

    def _all_connect(self, expected: frozenset[Pair]) -> None:
        open_now = connecting(self._injector.stack, dict.fromkeys(expected, _OPEN_PROBE_SECONDS))
        if missing := expected - open_now:
            raise NotYet(f"does not connect: {listed(missing)}")

    def _note(self, step: Step, *, proof: str = "", commands: tuple[str, ...] = ()) -> int:
        return self._injector.journal.write(step, self._facts, proof=proof, commands=commands)

    def _left_behind(self, words: str) -> FaultLeftBehind:
        return FaultLeftBehind(f"{self.spec.name} may still be in force", why=words, fix="harness heal")


def judge_reach(
    before: frozenset[Pair], severed: frozenset[Pair], untouched: frozenset[Pair], open_now: frozenset[Pair]
) -> Seen:
    """Whether exactly the *severed* connections went away, given what connected *before* and connects now."""
    if severed and not severed & before:
        return Seen(ok=False, words=f"nothing to cut, none connected before: {listed(severed)}")
    if leaking := severed & open_now:
        return Seen(ok=False, words=f"not cut: {listed(leaking)}")
    if collateral := untouched - open_now:
        return Seen(ok=False, words=f"also cut, but should not be: {listed(collateral)}")
    cut = f"cut: {listed(severed)}; " if severed else ""
    return Seen(ok=True, words=f"{cut}still open: {len(untouched)} of {len(untouched)} others")
