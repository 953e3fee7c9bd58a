"""What the page of platforms says is what the contract tests go by."""

from __future__ import annotations

from harness import bundle
from harness.scenario import discover
from harness.tests.contract.each import EACH, KINDS, LACKS
from harness.tests.platforms_page import generated, kinds_of, written


def test_the_page_is_up_to_date() -> None:
    """Whoever adds a fault, a scenario or a platform writes the page anew."""
    assert written() == generated()


def test_there_is_a_fault_of_each_kind() -> None:
    """A new kind is injected by the contract tests, or it is said where it cannot be."""
    assert set(EACH) == set(KINDS)
    assert all(lacks.keys() < EACH.keys() for lacks in LACKS.values())


def test_every_kind_has_a_scenario() -> None:
    """Each kind is told by a story, so that its effect on the whole is judged and not only its own."""
    told = {kind for one in discover(bundle.scenarios()).values() for kind in kinds_of(one)}

    assert told == set(KINDS)
