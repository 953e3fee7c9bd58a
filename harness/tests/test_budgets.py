"""The budgets that stacks and scenarios set: each concern has one, and each can be judged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Unpack

import pytest

from harness.bundle import fixtures, scenarios
from harness.errors import BadInput
from harness.load.request import LoadOptions, LoadRequest
from harness.model import Budgets
from harness.rehearsal import Rehearsal
from harness.scenario import Scenario, discover
from harness.stack.components import JobDefinition
from harness.stack.definition import read_definition, stack_names

STACKS = fixtures() / "stacks"
BY_CONCERN = {
    "processing_latency": ("result_p99_ms",),
    "throughput": ("throughput_share", "lag_records"),
    "error_rate": ("error_share",),
    "late records": ("late_share",),
    "resource_utilisation": ("rss_mb", "cpu_percent"),
}
PIPELINES = [name for name in stack_names(STACKS) if read_definition(STACKS, name, {}).job]
ON_PIPELINES = [one for one in discover(scenarios()).values() if one.stack in PIPELINES]


@pytest.mark.parametrize("concern", BY_CONCERN)
@pytest.mark.parametrize("stack", PIPELINES)
def test_each_concern_of_a_pipeline_has_a_budget(stack: str, concern: str) -> None:
    """What an operator watches is judged in every run, not only where a scenario thinks of it."""
    budgets = read_definition(STACKS, stack, {}).budgets

    assert any(getattr(budgets, name) is not None for name in BY_CONCERN[concern])


def test_every_budget_of_a_pipeline_belongs_to_a_concern() -> None:
    """A budget that is added to the model is given its concern here."""
    named = {name for names in BY_CONCERN.values() for name in names}

    assert named == set(list(Budgets.model_fields)[-len(named) :])


class Asked(Rehearsal):
    """A rehearsal that keeps the load it was asked for."""

    @contextlib.contextmanager
    def load(self, *, rate: float, **options: Unpack[LoadOptions]) -> Iterator[None]:
        """Keep it."""
        self.asked = LoadRequest(rate, **options)
        with super().load(rate=rate, **options):
            yield


def told(scenario: Scenario) -> tuple[Budgets, JobDefinition, Asked]:
    """The budgets and the job as the scenario changes them, and its story."""
    budgets = {f"budgets.{name}": str(value) for name, value in scenario.budgets.items()}
    definition = read_definition(STACKS, scenario.stack, {**scenario.settings, **budgets})
    assert definition.job is not None
    rehearsal = Asked(definition)
    scenario.story(rehearsal)
    return definition.budgets, definition.job, rehearsal


@pytest.mark.parametrize("scenario", ON_PIPELINES, ids=lambda one: one.name)
def test_a_story_is_calm_for_long_enough_to_judge_results(scenario: Scenario) -> None:
    """A looser budget needs a longer calm: with too short a one the latency of results would be UNKNOWN."""
    budgets, job, story = told(scenario)

    calm_s = next(float(line.split()[1]) for line in story.lines if line.startswith("steady"))
    assert budgets.result_p99_ms is not None
    assert calm_s * 1000 >= budgets.result_p99_ms + job.out_of_order_ms + 2 * job.window_ms


@pytest.mark.parametrize("scenario", ON_PIPELINES, ids=lambda one: one.name)
def test_what_goes_wrong_on_purpose_is_within_the_budgets(scenario: Scenario) -> None:
    """Poison, late records and clocks that lag make no healthy run miss a budget, with room for the rest."""
    budgets, job, story = told(scenario)
    load, bound = story.asked, job.out_of_order_ms + job.window_ms

    lagging = sum(skew < -bound for skew in load.clock_skew_ms) / load.producers
    assert budgets.error_share is not None
    assert budgets.late_share is not None
    assert load.poison_share * 2 <= budgets.error_share
    assert load.late_share + lagging + 0.1 <= budgets.late_share


def test_a_budget_can_be_taken_back() -> None:
    """What is set to ``none`` is measured and not judged; what a verdict cannot do without stays a number."""
    assert read_definition(STACKS, "edge", {}).budgets.result_p99_ms is not None
    assert read_definition(STACKS, "edge", {"budgets.result_p99_ms": "none"}).budgets.result_p99_ms is None
    with pytest.raises(BadInput, match=r"budgets.load_reached .* does not fit"):
        read_definition(STACKS, "edge", {"budgets.load_reached": "none"})
