"""What an order says of a run before anything of it is there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.faults.observed import DIRECTORY, RUN
from harness.model import Budgets
from harness.order import Order
from harness.rundir import RunDirectory


def order(directory: RunDirectory) -> Order:
    """An order in which only the directory is more than a name."""
    nothing: Any = SimpleNamespace(budgets=Budgets())
    return Order(nothing, nothing, Path(), nothing, nothing, directory, 7, ("harness",), {})


def test_every_process_of_a_stack_is_marked_with_its_run(tmp_path: Path) -> None:
    """By exactly these marks heal finds the run and its journal."""
    directory = RunDirectory.create(tmp_path, "run-1")

    assert order(directory).marks == {RUN: "run-1", DIRECTORY: str(directory.root)}


def test_budgets_are_those_of_the_definition(tmp_path: Path) -> None:
    """The scenario's own were set there; on the local platform unless another is named."""
    made = order(RunDirectory.create(tmp_path, "run-1"))

    assert made.budgets is made.definition.budgets
    assert made.platform == "local"
