"""The faults of a run as the journal tells them, and what the journal proves about each.

Invariant: a fault that was planned counts until its healing was proven. The
journal is written ahead, so a plan without another line may be in force.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.checkers.guarantees import records
from harness.findings import MAX_WITNESSES, FaultOutcome, Finding, Witness
from harness.journal_entry import JournalEntry
from harness.ledger.evidence import Evidence
from harness.model import JobStarted, Phase, PhaseEntered
from harness.verdict import Kind, Verdict


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One fault: its journal entries in order, at least one."""

    entries: tuple[JournalEntry, ...]

    @property
    def number(self) -> int:
        """Its number in the run, from 1."""
        return self.entries[0].fault

    @property
    def plan(self) -> JournalEntry:
        """The fullest description: the entry made when the target was hit, else the first."""
        return self._last("injected") or self.entries[0]

    @property
    def label(self) -> str:
        """The fault and its number, unique in the run."""
        return f"{self.number}. {self.plan.name}"

    @property
    def injected_t(self) -> int | None:
        """When it was put in force."""
        return _instant(self._last("injected"))

    @property
    def healed_t(self) -> int | None:
        """When it was taken back, whether or not that was proven."""
        return _instant(self._last("healed") or self._last("healing-proven"))

    @property
    def effect(self) -> JournalEntry | None:
        """The proof that it had an effect."""
        return self._last("effect-proven")

    @property
    def healing(self) -> JournalEntry | None:
        """The proof that it is over; None when a later entry withdraws it."""
        final = next((e for e in reversed(self.entries) if e.step.startswith("healing-")), None)
        return final if final is not None and final.step == "healing-proven" else None

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions its target led at injection."""
        return frozenset(self.plan.partitions)

    def outcome(self, evidence: Evidence) -> FaultOutcome:
        """The fault as ``run.json`` shows it."""
        healing = self.healing or self._last("healing-unproven")
        effect = self.effect or self._last("effect-unproven")
        return FaultOutcome(
            name=self.plan.name,
            kind=self.plan.kind,
            target=self.plan.target,
            nodes=self.plan.nodes,
            why_this_target=self.plan.why_this_target,
            injected_at=_seconds(evidence, self.injected_t),
            effect_proven_at=_seconds(evidence, _instant(self.effect)),
            healed_at=_seconds(evidence, self.healed_t),
            healing_proven_at=_seconds(evidence, _instant(self.healing)),
            effect_proof=effect.proof if effect else "",
            healing_proof=healing.proof if healing else "",
            commands=_in_order(command for entry in self.entries for command in entry.commands),
        )

    def _last(self, step: str) -> JournalEntry | None:
        return next((entry for entry in reversed(self.entries) if entry.step == step), None)


def disturbances(evidence: Evidence) -> tuple[Disturbance, ...]:
    """Every fault in the journal, by number."""
    by_number: dict[int, list[JournalEntry]] = {}
    for entry in evidence.journal:
        by_number.setdefault(entry.fault, []).append(entry)
    return tuple(Disturbance(tuple(by_number[number])) for number in sorted(by_number))


def check_effects(evidence: Evidence, faults: tuple[Disturbance, ...]) -> Finding | None:
    """Whether every fault was proven to bite; None when the run had none to begin with."""
    if not faults:
        return _missing() if _was_disturbed(evidence) else None
    idle = [fault for fault in faults if fault.effect is None]
    return Finding(
        checker="faults_observed",
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNKNOWN if idle else Verdict.PASS,
        summary=_listed(idle, "was not seen to have an effect", "Probes saw the effect of every fault."),
        compared={"faults": len(faults)},
        violations=len(idle),
        witnesses=_witnesses(evidence, idle),
    )


def check_healing(evidence: Evidence, faults: tuple[Disturbance, ...]) -> Finding | None:
    """Whether every fault was proven to be over; None when the run had none."""
    if not faults:
        return None
    left = [fault for fault in faults if fault.healing is None]
    return Finding(
        checker="faults_healed",
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNSAFE if left else Verdict.PASS,
        summary=_listed(left, "may still be in force", "Probes saw the healing of every fault."),
        compared={"faults": len(faults)},
        violations=len(left),
        witnesses=_witnesses(evidence, left),
    )


def _was_disturbed(evidence: Evidence) -> bool:
    """Whether there was a disturbance that was no upgrade: in one a job starts anew, without any fault."""
    disturbed = False
    for event in evidence.events:
        if isinstance(event, PhaseEntered):
            if disturbed:
                return True
            disturbed = event.phase is Phase.DISTURB
        elif isinstance(event, JobStarted):
            disturbed = False
    return disturbed


def _missing() -> Finding:
    return Finding(
        checker="faults_observed",
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNKNOWN,
        summary="The run was disturbed, but its journal names no fault.",
        compared={"faults": 0},
    )


def _listed(faults: list[Disturbance], complaint: str, else_: str) -> str:
    if not faults:
        return else_
    more = f" (and {records(len(faults) - 1, 'other fault')})" if len(faults) > 1 else ""
    return f"Fault {faults[0].label}{more} {complaint}."


def _witnesses(evidence: Evidence, faults: list[Disturbance]) -> tuple[Witness, ...]:
    return tuple(
        Witness(
            at_s=_seconds(evidence, fault.entries[0].t),
            detail=f"{fault.label} on {fault.plan.target}: last journal step is {fault.entries[-1].step}"
            + (f", {fault.entries[-1].proof}" if fault.entries[-1].proof else ""),
        )
        for fault in faults[:MAX_WITNESSES]
    )


def _instant(entry: JournalEntry | None) -> int | None:
    return entry.t if entry else None


def _seconds(evidence: Evidence, t: int | None) -> float | None:
    return None if t is None else evidence.seconds(t)


def _in_order(commands: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(commands))
