"""What a run says in the end: the shape of ``run.json``, the contract with every reader.

The first keys are fixed by the design. Instants are seconds since the run
started; durations are seconds unless the name says otherwise. ``None`` means
"did not happen" or "not measured", never zero.
"""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from pydantic import Field

from harness.model import Frozen
from harness.verdict import Kind, Verdict

NOT_ASKED = "not asked for by the scenario"
"""In ``Finding.excused``: so many violations of a guarantee that nobody asked for."""

SCHEMA: Literal["edge-harness/run/1"] = "edge-harness/run/1"
MAX_WITNESSES = 32

Reached = Literal["complete", "partial", "none"]
"""Of what a finding is about: read through a fence everywhere, in places, nowhere."""


class Witness(Frozen):
    """One offending record, batch or window, with enough to look it up again.

    ``record`` is "producer/partition/sequence", of a workload "producer/topic/partition/sequence";
    ``at_s`` its intended send instant.
    """

    record: str = ""
    partition: int | None = None
    offsets: tuple[int, ...] = ()
    at_s: float | None = None
    detail: str = ""


def digest(*settings: str) -> str:
    """The SHA-256 of the settings under which something was judged, in hex."""
    return hashlib.sha256("\n".join(settings).encode()).hexdigest()


def _untold(value: object) -> bool:
    return value is None or value == ()


class Bound(Frozen):
    """What a guarantee that held is worth (``harness.bounds``).

    ``injections`` were proven to have had their effect, and none broke it; ``at_most`` is the largest share
    of such injections that may break it all the same, with 95 % confidence, rounded up to a thousandth.
    None: there was no injection, so nothing is known about faults.
    """

    injections: int = Field(ge=0)
    at_most: float | None


class Finding(Frozen):
    """What one checker says. ``compared`` counts the evidence; all zero means UNKNOWN.

    ``summary`` is one sentence a person understands; ``limit`` is the tolerance or budget.
    ``excused`` counts violations a documented rule permits, by rule.

    The last five are absent where they are not told: in a finding that rests on no fence, in one that did
    not hold, and in documents of before they were. Absent is never "all was well". ``fence`` and
    ``covered_pct`` say how far what it is about was read: the latter is the share of the acknowledged
    records that came back, or that somebody looked for where they must lie, rounded down.
    ``config_digest`` is the SHA-256 of the settings under which it was judged. ``nothing_for`` names
    checks that there was nothing to compare for.
    """

    checker: str
    kind: Kind
    verdict: Verdict
    summary: str
    compared: dict[str, int] = {}
    violations: int = 0
    limit: str = ""
    witnesses: tuple[Witness, ...] = Field(default=(), max_length=MAX_WITNESSES)
    excused: dict[str, int] = {}
    fence: Reached | None = Field(default=None, exclude_if=_untold)
    covered_pct: int | None = Field(default=None, ge=0, le=100, exclude_if=_untold)
    config_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", exclude_if=_untold)
    nothing_for: tuple[str, ...] = Field(default=(), exclude_if=_untold)
    bound: Bound | None = Field(default=None, exclude_if=_untold)


class FaultOutcome(Frozen):
    """One fault as it went: when each step was reached, and what was run."""

    name: str
    kind: str
    target: str
    nodes: tuple[str, ...] = ()
    why_this_target: str
    injected_at: float | None = None
    effect_proven_at: float | None = None
    healed_at: float | None = None
    healing_proven_at: float | None = None
    effect_proof: str = ""
    healing_proof: str = ""
    commands: tuple[str, ...] = ()


class Recovery(Frozen):
    """One fault's recovery, worst partition first: seconds, or None when never reached.

    ``detected_s`` from injection to the first failed or late attempt; ``first_ack_s`` from
    injection to the invoke of the first attempt that succeeded on the last partition to come
    back (availability lost); ``steady_s`` and ``drained_s`` from the healing. ``expected_s``
    is computed from the live configuration, ``expected_why`` says from which settings.

    ``resolution_s`` is the shortest outage that is sure to be seen, ``at_most_s`` how long the longest
    one may have been, the unseen ones included; both None in documents of before they were told.
    ``unsure`` says why the figures prove nothing, empty when they do.
    """

    fault: str
    detected_s: float | None
    first_ack_s: float | None
    steady_s: float | None
    drained_s: float | None
    expected_s: float | None
    expected_why: str = ""
    budget_s: float | None = None
    worst_partition: int | None = None
    resolution_s: float | None = None
    at_most_s: float | None = None
    unsure: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether ``first_ack_s`` is how long the fault cost, and not only the next thing that was seen."""
        if self.first_ack_s is None or self.at_most_s is None:
            return self.first_ack_s is not None
        return self.detected_s is not None and self.at_most_s <= self.first_ack_s

    @property
    def claimed_s(self) -> float | None:
        """How long the fault may have cost at most: the figure, or the bound where there is no figure."""
        if self.first_ack_s is None or self.is_exact or self.at_most_s is None:
            return self.first_ack_s
        return max(self.at_most_s, self.first_ack_s)

    @property
    def measured(self) -> str:
        """The time to the first acknowledgement as it may be claimed: "8.6 s", "at most 5.0 s", "never"."""
        if self.claimed_s is None:
            return "never"
        bounded = self.at_most_s is not None and not self.is_exact
        return f"at most {_up(self.claimed_s):,.1f} s" if bounded else f"{self.claimed_s:,.1f} s"

    @property
    def unseen(self) -> str:
        """What escapes the measurement: "outages shorter than 5.0 s are not seen"; empty when not told."""
        if self.resolution_s is None:
            return ""
        return f"outages shorter than {_up(self.resolution_s):,.1f} s are not seen"


def _up(seconds: float) -> float:
    """To the tenth above: a bound is never written smaller than it is."""
    return math.ceil(round(seconds * 10, 6)) / 10


class Unavailability(Frozen):
    """One window in which one partition did not serve, measured on intended instants."""

    partition: int
    from_s: float
    to_s: float
    attempts: int


class LatencyRow(Frozen):
    """Latency from the intended instant to the outcome, of ``count`` records.

    ``censored`` records never got an outcome and count as at least this late.
    A quantile without enough samples for a 95 % bound is None.
    """

    count: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    censored: int = 0


class Attempts(Frozen):
    """Records by outcome."""

    ok: int = 0
    fail: int = 0
    unknown: int = 0


class LoadReached(Frozen):
    """What the load asked for and what it reached, in records and records per second."""

    asked_per_s: float
    reached_per_s: float
    records: int
    attempts: Attempts
    send_error_p99_ms: float | None = None


class HopOutcome(Frozen):
    """One hop of the pipeline: what went in, what came out, and what it lost or said again.

    ``complete`` says that nothing more can come out of it. ``detail`` names the first record that it
    lost or repeated, and where that record is and is not.
    """

    hop: Literal["source", "results", "archive", "metrics"]
    complete: bool
    records_in: int
    records_out: int
    lost: int
    repeated: int
    detail: str = ""


class NotExecutedPart(Frozen):
    """A part of the scenario that this run could not execute: a hop by its name, or a fault, and why."""

    part: str
    reason: str


class RunDocument(Frozen):
    """``run.json``."""

    schema_: Literal["edge-harness/run/1"] = Field(default=SCHEMA, alias="schema")
    run_id: str
    scenario: str
    platform: str
    seed: int
    verdict: Verdict
    exit_code: int
    sentence: str
    """The verdict as one sentence a person understands in ten seconds."""
    bound: Bound | None = Field(default=None, exclude_if=_untold)
    """Of what held, whatever else was found; absent when nothing did, and in older documents."""
    title: str
    expect: str
    started_at: str
    duration_s: float
    findings: tuple[Finding, ...]
    faults: tuple[FaultOutcome, ...]
    recovery: tuple[Recovery, ...]
    unavailability: tuple[Unavailability, ...]
    latency: dict[str, LatencyRow]
    load: LoadReached | None
    hops: tuple[HopOutcome, ...] = Field(default=(), exclude_if=lambda hops: not hops)
    """Of a stack with a pipeline behind its topic; absent otherwise."""
    not_executed: tuple[NotExecutedPart, ...] = Field(default=(), exclude_if=lambda parts: not parts)
    """Absent when everything was executed. What is here was not proven, whatever the verdict."""
    phases: dict[str, tuple[float, float]] = {}
    environment: dict[str, dict[str, str]]
    command: tuple[str, ...]
    harness_version: str

    model_config = Frozen.model_config | {"populate_by_name": True}
