"""``certificate.json``: what many runs of one product say together, and its page's only source.

Counts are of runs, unless the name says otherwise: the run is the unit, as everywhere in statistics.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Frozen
from harness.verdict import Verdict

SCHEMA: Literal["edge-harness/certificate/1"] = "edge-harness/certificate/1"


class RunLine(Frozen):
    """One run. ``fulfilled``: it held what its scenario expects to hold, or found what it has to find."""

    run_id: str
    scenario: str
    platform: str
    started_at: str
    verdict: Verdict
    expect: str
    fulfilled: bool
    sentence: str


class Tally(Frozen):
    """In how many runs one guarantee was proven, was broken, and was neither."""

    held: int = 0
    broken: int = 0
    unknown: int = 0


class ScenarioLine(Frozen):
    """One scenario on one platform. ``injections`` were proven to have had their effect."""

    scenario: str
    platform: str
    expect: str
    runs: int
    fulfilled: int
    injections: int
    guarantees: dict[str, Tally]
    not_executed: dict[str, int] = {}


class GuaranteeLine(Frozen):
    """One guarantee over all scenarios that expect it to hold.

    ``at_most`` is the largest share of injections that may break it, with 95 % confidence, rounded up to a
    thousandth; None where it was violated, where a run left it open, or where there was no injection.
    """

    guarantee: str
    runs: Tally
    injections: int
    at_most: float | None


class RecoveryLine(Frozen):
    """How long one fault of one scenario cost, in seconds; None is never, and ``never`` counts those."""

    scenario: str
    platform: str
    fault: str
    runs: int
    median_s: float | None
    worst_s: float | None
    never: int


class KillLine(Frozen):
    """One class of defects, planted into the runs' own ledgers and histories.

    ``left_out`` says why it was planted into none; the checks of histories bear their bare names.
    """

    defect: str
    checker: str
    planted: int
    caught: int
    left_out: str = ""


class LegalLine(Frozen):
    """One kind of legal change, and how often a checker alarmed at it."""

    change: str
    made: int
    alarms: int


class Certificate(Frozen):
    """The whole. ``doubts`` say why it is not certified although nothing broke; ``parts`` what was tested."""

    schema_: Literal["edge-harness/certificate/1"] = Field(default=SCHEMA, alias="schema")
    verdict: Verdict
    exit_code: int
    sentence: str
    doubts: tuple[str, ...]
    parts: dict[str, tuple[str, ...]]
    harness_version: str
    runs: tuple[RunLine, ...]
    scenarios: tuple[ScenarioLine, ...]
    guarantees: tuple[GuaranteeLine, ...]
    recovery: tuple[RecoveryLine, ...]
    kills: tuple[KillLine, ...]
    legal: tuple[LegalLine, ...]
    calibrated: int

    model_config = Frozen.model_config | {"populate_by_name": True}
