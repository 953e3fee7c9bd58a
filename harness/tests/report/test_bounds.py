"""The bound beside a PASS: what n clean injections say of the next one."""

from __future__ import annotations

import pytest

from harness.report.bounds import injections, most_likely_share, phrase, sentence
from harness.report.terminal import summary_lines
from harness.tests.report.build import broken, document


@pytest.mark.parametrize("clean", [1, 2, 3, 20, 300])
def test_the_bound_is_the_exact_one(clean: int) -> None:
    """At the bound, n injections in a row hold with a chance of exactly 5 %; 3/n is near for many."""
    share = most_likely_share(clean)

    assert (1 - share) ** clean == pytest.approx(0.05)
    assert share < 3 / clean


def test_twenty_clean_kills_exclude_little() -> None:
    """Twenty injections only exclude that more than some 14 in a hundred break it."""
    assert f"{most_likely_share(20):.3f}" == "0.139"


def test_the_terminal_prints_it_beside_a_pass() -> None:
    """Two proven injections that broke nothing: at most 77.7 % of such injections would, rounded up."""
    said = "0 of 2 injections broke what held: with 95 % confidence at most 77.7 % of such injections would."

    assert said in summary_lines(document())
    assert said in summary_lines(broken())


def test_only_what_held_has_one() -> None:
    """Each guarantee that held without a violation has the phrase; a broken one and a budget have none."""
    whole, failed = document(), broken()

    assert phrase(whole, whole.findings[0]) == "0 of 2 injections, 95 %: ≤ 77.7 %"
    assert phrase(failed, failed.findings[0]) == ""
    assert phrase(whole, whole.findings[4]) == ""


def test_no_fault_says_so() -> None:
    """Without a proven injection nothing is said about faults, and that is said."""
    calm = document(faults=[], recovery=[])
    unproven = document(faults=[{**document().faults[0].model_dump(), "effect_proven_at": None}])

    assert sentence(calm) == "No fault was injected: what held says nothing about faults."
    assert phrase(calm, calm.findings[0]) == "No fault was injected"
    assert injections(unproven) == 0
    assert sentence(unproven).startswith("No fault was proven to have an effect: ")


def test_nothing_held_says_nothing() -> None:
    """A run without a guarantee that held has no bound."""
    assert sentence(document(findings=[], verdict="UNKNOWN", exit_code=2)) == ""
