"""``calibration.json``: how sharp the checkers were on one run's own ledger and histories.

``harness calibrate`` plants every defect that it knows into the stored ledger, and into the history of
each workload, one at a time, and judges what comes out; beside them it makes legal changes that nobody
may alarm about. The file is a pure function of what is stored, the seed and how often each was planted.
"""

from __future__ import annotations

from pydantic import Field

from harness.model import Frozen
from harness.verdict import Verdict

SCHEMA = "edge-harness/calibration/1"
MAX_MISSES = 8


class Kill(Frozen):
    """One class of defects: the ``checker`` has to say ``verdict`` each time that it is planted.

    ``also`` counts, by name, the other checkers that said worse than they do of the run itself.
    ``missed`` says of the first misses which draw it was and what the checker said. ``history`` is the
    workload whose history it was planted into; empty: the ledger.
    """

    defect: str
    checker: str
    verdict: Verdict
    planted: int
    caught: int
    also: dict[str, int] = {}
    missed: tuple[str, ...] = Field(default=(), max_length=MAX_MISSES)
    history: str = Field(default="", exclude_if=lambda name: not name)


class Legal(Frozen):
    """One kind of legal change: no guarantee may look worse than before. ``alarms`` counts by checker."""

    change: str
    made: int
    alarms: dict[str, int] = {}
    history: str = Field(default="", exclude_if=lambda name: not name)


class LeftOut(Frozen):
    """A defect or a change that could not be made in this run, and why; ``checker`` is that of a defect."""

    name: str
    reason: str
    checker: str = ""
    history: str = Field(default="", exclude_if=lambda name: not name)


class Calibration(Frozen):
    """``calibration.json``."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    run_id: str
    seed: int
    times: int
    harness_version: str
    planted: int
    caught: int
    legal_changes: int
    false_alarms: int
    defects: tuple[Kill, ...]
    legal: tuple[Legal, ...]
    left_out: tuple[LeftOut, ...]

    model_config = Frozen.model_config | {"populate_by_name": True}

    @property
    def sharp(self) -> bool:
        """Whether something was planted, all of it was caught, and nothing else alarmed."""
        return self.planted > 0 and self.caught == self.planted and not self.false_alarms
