"""The tables of docs/reference/platforms.md: ``python -m harness.tests.platforms_page`` writes them anew.

What a platform can make stands in ``harness.tests.contract.each``, by which the contract tests of each
platform go: what is said to be expressible there is injected there and proven.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from harness import bundle
from harness.errors import BadInput
from harness.faults.kinds import ON_OPERATORS, Kind
from harness.faults.places import Beside, Place
from harness.faults.spec import FaultSpec
from harness.launch import prepare
from harness.rehearsal import Foreseen, Rehearsal
from harness.scenario import Scenario, Transactional, Workload, discover
from harness.stack.definition import StackDefinition
from harness.tests.contract.each import EACH, LACKS
from harness.tests.source import ROOT

PAGE = ROOT / "docs/reference/platforms.md"
START = "<!-- tables -->\n"


class _Noting(Rehearsal):
    """Writes down the kinds of faults that a story makes, nothing else."""

    def __init__(self, definition: StackDefinition) -> None:
        super().__init__(definition)
        self.kinds: set[Kind] = set()
        self.on_machines = self.transacts = self.plays = self.attended = False

    @contextlib.contextmanager
    def inject(self, fault: FaultSpec, *, seconds: float) -> Iterator[Foreseen]:
        self.kinds.add(fault.kind)
        self.on_machines |= Beside in {type(fault.target), type(fault.peers)}
        self.attended |= Place("operator") in {fault.target, fault.peers}
        yield Foreseen()

    @contextlib.contextmanager
    def workload(self, *asked: Workload) -> Iterator[None]:
        self.plays = True
        with super().workload(*asked):
            yield

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transactional]:  # type: ignore[override] # as a scenario sees it
        self.transacts = True
        with super().transaction() as foreseen:
            yield foreseen


def _noted(scenario: Scenario) -> _Noting:
    noting = _Noting(prepare(scenario.stack, scenario.settings).definition)
    scenario.story(noting)
    return noting


def kinds_of(scenario: Scenario) -> set[Kind]:
    """The kinds of faults that *scenario* makes; who splits machines needs somebody that knows them.

    Who hits an operator needs one, like what is asked of it.
    """
    noting = _noted(scenario)
    asked = ON_OPERATORS if noting.attended else frozenset[Kind]()
    return noting.kinds | asked | ({"drain"} if noting.on_machines else set())


def generated() -> str:
    """Both tables."""
    return START + "\n".join([*_faults(), "", *_scenarios(), ""])


def written() -> str:
    """The tables as they stand in the file."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(START) :]


def _faults() -> Iterator[str]:
    yield "## Faults\n"
    yield from _head("fault")
    for kind in EACH:
        yield _row(f"`{kind}`", [LACKS[platform].get(kind, "") for platform in LACKS])


def _scenarios() -> Iterator[str]:
    yield "## Scenarios\n"
    yield from _head("scenario")
    for scenario in discover(bundle.scenarios()).values():
        kinds = kinds_of(scenario)
        yield _row(scenario.name, [_lacking(scenario, kinds, platform) for platform in LACKS])


def _lacking(scenario: Scenario, kinds: set[Kind], platform: str) -> str:
    """Why *platform* cannot tell the story; empty when it can."""
    missing = sorted(kinds & LACKS[platform].keys())
    if missing:
        return ", ".join(f"`{kind}`" for kind in missing)
    if platform.startswith("context") and _noted(scenario).transacts:
        return "its own transaction"
    if platform.startswith("context") and _noted(scenario).plays:
        return "its workload"
    try:
        prepare(scenario.stack, scenario.settings, "kind" if platform.startswith("context") else platform)
    except BadInput:
        return "its stack"
    return ""


def _head(what: str) -> Iterator[str]:
    yield f"| {what} | {' | '.join(f'`{platform}`' for platform in LACKS)} |"
    yield f"|---|{'---|' * len(LACKS)}"


def _row(first: str, cells: list[str]) -> str:
    return f"| {first} | {' | '.join(f'no: {why}' if why else 'yes' for why in cells)} |"


if __name__ == "__main__":
    kept = PAGE.read_text(encoding="utf-8").partition(START)[0]
    PAGE.write_text(kept + generated(), encoding="utf-8")
