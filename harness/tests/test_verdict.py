"""The verdict of a run is the worst that was found, and its exit code follows from a table."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ExitCode
from harness.verdict import Kind, Verdict, exit_code, worst

VERDICTS = st.lists(st.sampled_from(Verdict))
FOUND = list(product(Kind, Verdict))


def code_by_the_table(found: list[tuple[Kind, Verdict]], *, aborted: bool) -> ExitCode:
    """The design's table, read from the top: the first row that applies decides."""
    verdicts = {verdict for _, verdict in found}
    broken = any(verdict is Verdict.FAIL and kind is not Kind.BUDGET for kind, verdict in found)
    table = (
        (Verdict.UNSAFE in verdicts, ExitCode.FAULT_LEFT_BEHIND),
        (broken, ExitCode.GUARANTEE_BROKEN),
        (aborted, ExitCode.ABORTED),
        (Verdict.UNKNOWN in verdicts or not verdicts, ExitCode.UNKNOWN),
        ((Kind.BUDGET, Verdict.FAIL) in found, ExitCode.BUDGET_MISSED),
        (True, ExitCode.PASS),
    )
    return next(code for applies, code in table if applies)


def test_verdicts_are_ranked_from_pass_to_unsafe() -> None:
    """PASS < UNKNOWN < FAIL < UNSAFE."""
    ranked = sorted(Verdict, key=lambda verdict: verdict.rank)

    assert ranked == [Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL, Verdict.UNSAFE]


def test_no_evidence_at_all_is_unknown() -> None:
    """Zero findings merge to UNKNOWN and exit 2, never to PASS."""
    assert worst([]) is Verdict.UNKNOWN
    assert exit_code([]) is ExitCode.UNKNOWN


@given(VERDICTS, VERDICTS)
def test_merging_in_parts_is_merging_at_once(left: list[Verdict], right: list[Verdict]) -> None:
    """The order and grouping in which findings arrive never changes the verdict."""
    merged = worst([*left, *right])

    assert merged == worst([*right, *left])
    if left and right:
        assert merged == worst([worst(left), worst(right)])


@given(VERDICTS, st.sampled_from(Verdict))
def test_a_further_finding_never_improves_a_verdict(found: list[Verdict], further: Verdict) -> None:
    """What failed once stays failed, whatever passes later (the defect of krkn issue 1177)."""
    if found:
        assert worst([*found, further]).rank >= worst(found).rank


@pytest.mark.parametrize("aborted", [False, True])
@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_every_combination_of_findings_has_the_exit_code_of_the_table(*, size: int, aborted: bool) -> None:
    """All combinations of up to three findings, aborted or not, end in the designed code."""
    for found in map(list, combinations_with_replacement(FOUND, size)):
        assert code_by_the_table(found, aborted=aborted) == exit_code(found, aborted=aborted), found


def test_exit_codes_are_the_published_numbers() -> None:
    """Scripts rely on these numbers; they never change."""
    expected = {
        "PASS": 0,
        "GUARANTEE_BROKEN": 1,
        "UNKNOWN": 2,
        "BUDGET_MISSED": 3,
        "FAULT_LEFT_BEHIND": 4,
        "ABORTED": 130,
        "BAD_INPUT": 254,
        "INTERNAL": 255,
    }
    assert expected == {code.name: int(code) for code in ExitCode}
