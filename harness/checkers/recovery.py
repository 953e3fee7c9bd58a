"""How long each fault kept producers waiting, and whether that was longer than it should be.

Per partition first, then the worst of them.

* detected: injection to the first attempt that failed or was late, by intended instant.
* first ack: injection to the *sending* of the first attempt that succeeded once the partition
  served again. An attempt sent during the outage proves nothing when it completes. The outage
  is the first one that began before the healing; interruptions of service that follow within
  twice the lateness threshold belong to it.
* steady: the healing to the start of the first three seconds in a row that each reach 90 % of
  the undisturbed rate, keep the latency budget at p99, and lie in no partition's outage; with a
  job behind the topic, of as many as its checkpoint interval has. A first crossing is not enough.
  Starts are tried every quarter of a second.
* drained: the healing to the outcome of the last attempt that was due before it.

Faults that overlap are one disturbance: the clocks that run from the healing start
when the last of them is healed. None is "not within this run", which ranks
above every number.

What was too short to be seen is not claimed to be nothing: beside each figure stands below which
length outages are not seen, and the longest one that may have been there all the same. A budget
counts as kept only when that one would have kept it too. A baseline that is itself unstable,
or hardly there, makes every figure UNKNOWN, for lateness is measured against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.checkers.availability import blind_below, longest_unseen, runs_of
from harness.checkers.disturbances import Disturbance
from harness.checkers.expectations import LIKE, Expected, Impact, expected
from harness.checkers.steadiness import instability, steady_after
from harness.checkers.timeline import Timeline
from harness.clock import seconds_between
from harness.findings import MAX_WITNESSES, Finding, Recovery, Unavailability, Witness
from harness.ledger.evidence import Evidence, Ints
from harness.model import EnvironmentSeen, LoadPlanned, RecoveryExpected
from harness.verdict import Kind, Verdict, worst

_ENDING = frozenset({"kill", "terminate", "disk_full", "disk_read_only"}) | LIKE.keys()
_HINDERING = frozenset({"loss", "bandwidth", "latency", "starve", "cpu_limit"})


@dataclass(frozen=True, slots=True)
class Scene:
    """One fault with those that overlap it; instants in nanoseconds.

    ``healed`` is when the last of them was healed, None when one never was. ``until`` is where
    the next disturbance, or the run's end, cuts the attribution off.
    """

    fault: Disturbance
    together: tuple[Disturbance, ...]
    injected: int
    healed: int | None
    until: int


@dataclass(frozen=True, slots=True)
class Return:
    """How one partition came through a fault, in nanoseconds since the injection; None is never."""

    partition: int
    detected: int | None
    first_ack: int | None


def recoveries(
    evidence: Evidence, time: Timeline, outages: tuple[Unavailability, ...]
) -> tuple[Recovery, ...]:
    """The recovery of every fault that was injected."""
    return tuple(_recovery(evidence, time, scene, outages) for scene in _scenes(time))


def check(evidence: Evidence, time: Timeline, found: tuple[Recovery, ...], *, starved: str) -> Finding | None:
    """Hold every first ack against its budget; None without an injected fault.

    *starved* says how the harness itself was late, if it was: then a miss is UNKNOWN.
    """
    if not found:
        return None
    judged = [
        (one, _verdict(one, _watched_s(time, scene), starved))
        for one, scene in zip(found, _scenes(time), strict=True)
    ]
    missed = [(one, verdict) for one, verdict in judged if verdict is not Verdict.PASS]
    verdict = worst(verdict for _, verdict in judged)
    return Finding(
        checker="recovery",
        kind=Kind.BUDGET,
        verdict=verdict,
        summary=_summary(found, [one for one, each in missed if each is verdict], verdict, starved),
        compared={"faults": len(found)},
        violations=sum(verdict is Verdict.FAIL for _, verdict in missed),
        limit=_limit(evidence),
        witnesses=tuple(
            Witness(partition=one.worst_partition, detail=_said(one)) for one, _ in missed[:MAX_WITNESSES]
        ),
    )


def _scenes(time: Timeline) -> list[Scene]:
    return [_scene(time, fault, fault.injected_t) for fault in time.faults if fault.injected_t is not None]


def _scene(time: Timeline, fault: Disturbance, injected: int) -> Scene:
    together = _overlapping(time.faults, fault)
    ends = [each.healed_t for each in together]
    healed = None if None in ends else max(end for end in ends if end is not None)
    over = time.end if healed is None else healed
    hits = [f.injected_t for f in time.faults if f not in together and f.injected_t is not None]
    until = min((hit for hit in hits if hit >= over), default=time.end)
    return Scene(fault, together, injected, healed, until)


def _overlapping(faults: tuple[Disturbance, ...], fault: Disturbance) -> tuple[Disturbance, ...]:
    """Every fault that was in force together with *fault*, directly or through others."""
    chain = [fault]
    grew = True
    while grew:
        met = [f for f in faults if f not in chain and any(_overlap(f, each) for each in chain)]
        chain += met
        grew = bool(met)
    return tuple(chain)


def _overlap(one: Disturbance, other: Disturbance) -> bool:
    if one.injected_t is None or other.injected_t is None:
        return False
    first, second = sorted((one, other), key=lambda fault: fault.injected_t or 0)
    return first.healed_t is None or (second.injected_t or 0) < first.healed_t


def _recovery(
    evidence: Evidence, time: Timeline, scene: Scene, outages: tuple[Unavailability, ...]
) -> Recovery:
    returns = [_return(time, scene, partition) for partition in time.partitions()]
    last = max(returns, key=_rank, default=None)
    detected = [each.detected for each in returns if each.detected is not None]
    should = _expected(evidence, time, scene)
    return Recovery(
        fault=scene.fault.label,
        detected_s=_seconds(min(detected, default=None)),
        first_ack_s=_seconds(last.first_ack) if last else None,
        steady_s=_seconds(steady_after(evidence, time, outages, scene.healed, scene.until)),
        drained_s=_seconds(_drained(time, scene)),
        expected_s=round(should.seconds, 3) if should else None,
        expected_why=should.why if should else "",
        budget_s=_budget(evidence, scene, should),
        worst_partition=last.partition if last else None,
        resolution_s=_seconds(blind_below(time)),
        at_most_s=_seconds(_at_most(time, scene, last)),
        unsure=instability(time, evidence.started.budgets.baseline_apart),
    )


def _at_most(time: Timeline, scene: Scene, last: Return | None) -> int | None:
    """The longest that any partition may have been away, seen or not; None when one never came back."""
    if last is None or last.first_ack is None:
        return None
    over = scene.until if scene.healed is None else scene.healed
    unseen = [longest_unseen(time, partition, scene.injected, over) for partition in time.partitions()]
    return max(last.first_ack, *unseen)


def _rank(each: Return) -> tuple[bool, int]:
    return each.first_ack is None, each.first_ack or 0


def _return(time: Timeline, scene: Scene, partition: int) -> Return:
    """How *partition* came back after the injection."""
    rows = _met(time, scene, partition)
    outage = _outage(time, scene, rows)
    if outage is None:
        return Return(partition, None, _first_ack(time, scene, rows, scene.injected))
    first, last = outage
    detected = max(0, int(time.intended[rows[first]]) - scene.injected)
    after = rows[last:]
    answered = time.done[after[time.ok[after]]]
    served_again = int(answered.min()) if len(answered) else None
    ack = None if served_again is None else _first_ack(time, scene, rows, served_again)
    return Return(partition, detected, ack)


def _met(time: Timeline, scene: Scene, partition: int) -> Ints:
    """The attempts of *partition* that the fault can have delayed.

    One that was not late yet when the next fault struck and was answered after that says nothing of this one.
    """
    met = (time.partition == partition) & (time.done > scene.injected) & (time.intended < scene.until)
    if scene.until < time.end:
        met &= (time.done <= scene.until) | (scene.until - time.intended > time.late_after)
    return np.flatnonzero(met)


def _outage(time: Timeline, scene: Scene, rows: Ints) -> tuple[int, int] | None:
    """The first and last bad attempt of the first outage, as indices into *rows*."""
    starts, ends = runs_of(time.bad[rows])
    over = scene.until if scene.healed is None else scene.healed
    intended = time.intended[rows]
    if not len(starts) or int(intended[starts[0]]) >= over:
        return None
    # Service counts as back when it lasted: the attempts of the last threshold before it are not late.
    gaps = intended[starts[1:]] - intended[ends[:-1]]
    lasting = np.flatnonzero(gaps >= 2 * time.late_after)
    last = int(lasting[0]) if len(lasting) else len(ends) - 1
    return int(starts[0]), int(ends[last]) - 1


def _first_ack(time: Timeline, scene: Scene, rows: Ints, since: int) -> int | None:
    good = rows[~time.bad[rows] & (time.sent[rows] >= since)]
    return int(time.sent[good].min()) - scene.injected if len(good) else None


def _drained(time: Timeline, scene: Scene) -> int | None:
    if scene.healed is None or not len(time.intended):
        return None
    due = time.done[time.intended < scene.healed]
    return max(0, int(due.max(initial=0)) - scene.healed)


def _expected(evidence: Evidence, time: Timeline, scene: Scene) -> Expected | None:
    """The largest expectation of the faults in force together."""
    seen = evidence.last(EnvironmentSeen)
    effective = _client_settings(evidence) | (seen.effective if seen else {})
    found = [expected(impact, effective) for impact in _impacts(evidence, time, scene)]
    known = [each for each in found if each is not None]
    return max(known, key=lambda each: each.seconds) if known and len(known) == len(found) else None


def _impacts(evidence: Evidence, time: Timeline, scene: Scene) -> Iterator[Impact]:
    planned = evidence.last(LoadPlanned)
    down = {node for each in scene.together for node in each.plan.nodes if _takes_away(each)}
    for each in scene.together:
        over = _over_t(each, time.end)
        yield Impact(
            kind=each.plan.kind,
            scope=each.plan.traits.get("scope", ""),
            leads=bool(each.partitions),
            controls=_controls(each),
            held_s=max(0.0, seconds_between(scene.injected, over)),
            down=len(down),
            replication=planned.replication if planned else 1,
            touches=_touches(each),
        )


def _takes_away(fault: Disturbance) -> bool:
    """Whether its nodes are brokers that are away, not only hindered, while it is in force."""
    if _touches(fault) == "others" or fault.plan.kind in _HINDERING:
        return False
    return fault.plan.kind != "partition" or fault.plan.traits.get("scope") in {"everyone", "brokers"}


def _touches(fault: Disturbance) -> str:
    """What the fault noted at injection; a journal that does not say so is of a time with brokers only."""
    return fault.plan.traits.get("touches", "brokers")


def _over_t(fault: Disturbance, end: int) -> int:
    """When the target can serve again: one that ended when it was proven ready, any other when healed."""
    if fault.plan.kind in _ENDING and fault.healing is not None:
        return fault.healing.t
    return end if fault.healed_t is None else fault.healed_t


def _controls(fault: Disturbance) -> bool:
    """Whether a target was the active controller, as the fault noted at injection."""
    return fault.plan.traits.get("controller") == "yes"


def _client_settings(evidence: Evidence) -> dict[str, str]:
    planned = evidence.last(LoadPlanned)
    return {f"client.{key}": value for key, value in planned.client.items()} if planned else {}


def _budget(evidence: Evidence, scene: Scene, should: Expected | None) -> float | None:
    """What the story asked for after this fault, else the run's own budget, else from the expectation."""
    asked = [e for e in evidence.events if isinstance(e, RecoveryExpected) and e.t > scene.injected]
    if asked and asked[0].t <= scene.until:
        return asked[0].within_s
    budgets = evidence.started.budgets
    if budgets.recovery_s is not None:
        return budgets.recovery_s
    if should is None:
        return None
    return round(budgets.recovery_factor * should.seconds + budgets.recovery_slack_s, 3)


def _limit(evidence: Evidence) -> str:
    budgets = evidence.started.budgets
    if budgets.recovery_s is not None:
        return f"first acknowledgement ≤ {budgets.recovery_s:g} s"
    return f"first acknowledgement ≤ {budgets.recovery_factor:g} × expected + {budgets.recovery_slack_s:g} s"


def _watched_s(time: Timeline, scene: Scene) -> float:
    """For how many seconds after the injection attempts were made."""
    rows = time.within((scene.injected, scene.until))
    watched = time.intended[rows]
    return seconds_between(scene.injected, int(watched[-1])) if len(watched) else 0.0


def _verdict(one: Recovery, watched_s: float, starved: str) -> Verdict:
    if one.budget_s is None:
        return Verdict.UNKNOWN
    if one.unsure or (one.first_ack_s is None and watched_s <= one.budget_s):
        return Verdict.UNKNOWN
    if one.first_ack_s is not None and one.first_ack_s <= one.budget_s:
        return Verdict.PASS if (one.at_most_s or 0.0) <= one.budget_s else Verdict.UNKNOWN
    return Verdict.UNKNOWN if starved else Verdict.FAIL


def _summary(found: tuple[Recovery, ...], missed: list[Recovery], verdict: Verdict, starved: str) -> str:
    shown = missed or sorted(found, key=lambda one: one.at_most_s or one.first_ack_s or 0.0)[-1:]
    if verdict is Verdict.UNKNOWN:
        return f"Not proven: {_said(shown[0])}{f', but {starved}' if starved else ''}."
    if missed:
        return f"Too slow: {_said(shown[0])}{f' (and {len(missed) - 1} more)' if len(missed) > 1 else ''}."
    return f"Every partition acknowledged again in time; slowest: {_said(shown[0])}."


def _said(one: Recovery) -> str:
    measured = "not measured in this run" if one.first_ack_s is None else f"measured {one.measured}"
    wanted = "no expectation known" if one.expected_s is None else f"expected ≤ {one.expected_s:.1f} s"
    budget = "no budget" if one.budget_s is None else f"budget {one.budget_s:.1f} s"
    told = "; ".join(words for words in (one.unseen, one.unsure) if words)
    return f"{one.fault}: {wanted}, {measured}, {budget}{f' ({told})' if told else ''}"


def _seconds(nanos: int | None) -> float | None:
    return None if nanos is None else round(nanos / 1e9, 3)
