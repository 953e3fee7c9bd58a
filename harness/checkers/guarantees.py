"""How the five record checkers turn what they counted into a finding.

The rule, the same for all five:

* A violation beyond ``allowed`` of a guarantee the scenario asked for is FAIL,
  however little else is known.
* ``no_phantoms`` and ``integrity`` judge whether asked for or not: no
  configuration of the pipeline permits a record nobody sent, or a damaged one.
* A violation of any other guarantee nobody asked for is excused by name, and
  shown with its count and witnesses.
* Without violations beyond that, missing evidence is UNKNOWN whoever asked:
  what one guarantee lacks, the others lack too.

No client setting excuses anything by itself: a scenario that runs with acks=1
does not ask for ``no_loss``, or it is told of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from harness.checkers.fences import Coverage, coverage
from harness.checkers.sequences import History
from harness.findings import MAX_WITNESSES, NOT_ASKED, Finding, Witness
from harness.ledger.evidence import Attempts, Evidence
from harness.model import Guarantee
from harness.verdict import Kind, Verdict

_ALWAYS_JUDGED = frozenset({"no_phantoms", "integrity"})


@dataclass(frozen=True, slots=True)
class Count:
    """What one record checker counted. ``doubt`` says why its evidence is incomplete, if it is.

    ``held`` and ``broken`` are the summary without and with violations.
    """

    compared: dict[str, int]
    violations: int
    held: str
    broken: str
    doubt: str = ""
    witnesses: tuple[Witness, ...] = ()
    excused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one record checker counted in some of a run's partitions; partitions add up.

    ``groups`` are the witnesses in the order in which they are shown: group by group, each by
    partition. So the sum of the partitions' tallies, in their order, is the tally of all of them.
    """

    counted: dict[str, int]
    groups: tuple[tuple[Witness, ...], ...] = ()

    @property
    def witnesses(self) -> tuple[Witness, ...]:
        """The first witnesses of all groups, at most as many as a finding holds."""
        return tuple(witness for group in self.groups for witness in group)[:MAX_WITNESSES]

    def __getitem__(self, name: str) -> int:
        return self.counted[name]

    def __add__(self, later: Tally) -> Tally:
        """This tally and that of partitions behind it."""
        return Tally(
            {name: number + later.counted[name] for name, number in self.counted.items()},
            tuple((a + b)[:MAX_WITNESSES] for a, b in zip(self.groups, later.groups, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """One record checker: *count* what some partitions hold, *conclude* from the sum over all of them."""

    name: str
    count: Callable[[Evidence, History, Coverage], Tally]
    conclude: Callable[[Evidence, Tally, Coverage], Finding]

    def __call__(self, evidence: Evidence, history: History) -> Finding:
        """Count and conclude at once: *history* holds every partition of the run."""
        covered = coverage(evidence, history)
        return self.over(evidence, self.count(evidence, history, covered), covered)

    def over(self, evidence: Evidence, tally: Tally, covered: Coverage) -> Finding:
        """Conclude from the *tally* of all partitions, and say how far they were read."""
        return covered.beside(self.conclude(evidence, tally, covered))


def judged(name: str, evidence: Evidence, count: Count) -> Finding:
    """The finding of guarantee *name*, by the rule in the module's docstring."""
    asked = next((g for g in evidence.started.guarantees if g.name == name), None)
    verdict = _verdict(name, asked, count)
    return Finding(
        checker=name,
        kind=Kind.GUARANTEE,
        verdict=verdict,
        summary=_summary(verdict, asked, count),
        compared=count.compared,
        violations=count.violations,
        limit=_limit(name, asked),
        witnesses=count.witnesses[:MAX_WITNESSES],
        excused=count.excused | _excused(verdict, asked, count.violations),
    )


def record_witness(evidence: Evidence, history: History, position: int, detail: str) -> Witness:
    """The witness for the record at *position*: its id, where it lies, when it was meant to be sent."""
    producer, partition, sequence = history.lanes.identify(position)
    row = attempt_row(evidence.attempts, producer, partition, sequence)
    intended = None if row is None else evidence.seconds(int(evidence.attempts.t_intended[row]))
    return Witness(
        record=f"{producer}/{partition}/{sequence}",
        partition=partition,
        offsets=tuple(history.copies.offsets_of(position)[:MAX_WITNESSES]),
        at_s=intended,
        detail=detail,
    )


def attempt_row(attempts: Attempts, producer: int, partition: int, sequence: int) -> int | None:
    """The ledger row that attempted a record; None when only its announcement survived."""
    holds = (
        (attempts.producer == producer)
        & (attempts.partition == partition)
        & (attempts.first_seq <= sequence)
        & (sequence < attempts.first_seq + attempts.count)
    )
    rows = np.flatnonzero(holds)
    return int(rows[0]) if len(rows) else None


def acked_offset(evidence: Evidence, history: History, position: int) -> int | None:
    """The offset at which the record at *position* was acknowledged; None when none was given."""
    producer, partition, sequence = history.lanes.identify(position)
    row = attempt_row(evidence.attempts, producer, partition, sequence)
    if row is None or evidence.attempts.base_offset[row] < 0:
        return None
    return int(evidence.attempts.base_offset[row]) + sequence - int(evidence.attempts.first_seq[row])


def records(number: int, what: str = "record") -> str:
    """A number with its noun: "1 record", "1,200 records"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def sentence(parts: Iterable[str]) -> str:
    """The non-empty *parts* as one sentence."""
    text = ", ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}."


def _verdict(name: str, asked: Guarantee | None, count: Count) -> Verdict:
    tolerated = asked.allowed if asked else 0
    judges = asked is not None or name in _ALWAYS_JUDGED
    if judges and count.violations > tolerated:
        return Verdict.FAIL
    if count.doubt or not any(count.compared.values()):
        return Verdict.UNKNOWN
    return Verdict.PASS


def _summary(verdict: Verdict, asked: Guarantee | None, count: Count) -> str:
    if verdict is Verdict.PASS and count.violations:
        # Beside the word PASS a bare "3 records lost" would read as a contradiction, or be overlooked.
        excuse = f"Within the {asked.allowed:,} allowed" if asked else "Nobody asked for it"
        return f"{excuse}: {count.broken}"
    if verdict is not Verdict.UNKNOWN:
        return count.broken if count.violations else count.held
    doubt = count.doubt or "there was nothing to compare"
    found = f" {count.broken}" if count.violations else ""
    return f"Not proven: {doubt}.{found}"


def _limit(name: str, asked: Guarantee | None) -> str:
    if asked is None and name not in _ALWAYS_JUDGED:
        return "not asked for: shown, not judged"
    return f"{asked.allowed} allowed" if asked and asked.allowed else "none allowed"


def _excused(verdict: Verdict, asked: Guarantee | None, violations: int) -> dict[str, int]:
    if verdict is Verdict.FAIL or not violations:
        return {}
    return {"allowed by the scenario" if asked else NOT_ASKED: violations}
