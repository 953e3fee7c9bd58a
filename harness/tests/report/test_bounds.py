"""The bound beside a PASS: what n clean injections say of the next one."""

from __future__ import annotations

import pytest

from harness.bounds import bounded, injections, most_likely_share, percent_up, share_up
from harness.findings import Bound
from harness.report.bounds import phrase, sentence, together
from harness.report.junit import junit
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


@pytest.mark.parametrize("clean", range(1, 400))
def test_a_bound_is_never_written_smaller_than_it_is(clean: int) -> None:
    """Rounded up to a thousandth and by no more than that, in JSON and in words alike."""
    share = most_likely_share(clean)
    up = share_up(share)

    assert share <= up < share + 0.001
    assert share_up(up) == up
    assert percent_up(share) == percent_up(up) == f"{up * 100:.1f} %"


def test_run_json_has_it_beside_its_verdict_and_each_guarantee_that_held() -> None:
    """A broken guarantee and a budget have none; nor has a run of which nothing held."""
    whole, failed = bounded(document()), bounded(broken())
    nothing = bounded(document(findings=[], verdict="UNKNOWN", exit_code=2))
    said = Bound(injections=2, at_most=0.777)

    assert (whole.bound, failed.bound, nothing.bound) == (said, said, None)
    assert [each.bound for each in whole.findings] == [said] * 4 + [None] * 3
    assert [each.bound for each in failed.findings] == [None] + [said] * 3 + [None] * 3
    assert bounded(document(faults=[], recovery=[])).bound == Bound(injections=0, at_most=None)


def test_junit_writes_it_beside_each_case_that_held() -> None:
    """As output of the case, and once for the suite; a broken guarantee has none."""
    written = junit(document())

    assert written.count("<system-out>0 of 2 injections, 95 %: ≤ 77.7 %</system-out>") == 4
    assert f'name="bound" value="{sentence(document())}"' in written
    assert junit(broken()).count("95 %: ≤") == 3


def test_an_allowed_violation_proves_no_bound() -> None:
    """A run whose only guarantee passed with a violation that was allowed proved nothing of the next."""
    excused = document().findings[0].model_copy(update={"violations": 1})
    run = document(findings=[excused.model_dump()])

    assert (together([run]).bound, together([run]).left_out) == (None, 1)
    assert together([run, document()]).bound == Bound(injections=2, at_most=0.777)
