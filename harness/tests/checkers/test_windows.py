"""Short pipelines told by hand: what each check of results says, record by record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.checkers.accounts import accounts, codes
from harness.checkers.compared import Compared, compare
from harness.checkers.placement import check_placement, tally
from harness.checkers.totals import check_totals
from harness.checkers.windows import check_exact, check_single
from harness.ledger.evidence import Evidence, Results
from harness.model import PipelinePlanned
from harness.tests.checkers.build_pipeline import (
    TTL_MS,
    ZERO_MS,
    Arrived,
    Job,
    evidence_of,
    planned,
    worked,
)
from harness.verdict import Verdict

LOG = [
    Arrived(0, 1, 0, 2, ZERO_MS),
    Arrived(0, 1, 1, 2, ZERO_MS + 400),
    Arrived(0, 1, 2, 2, ZERO_MS + 1_100),
    Arrived(0, 1, 3, 2, ZERO_MS + 2_900),
    Arrived(0, 1, 4, 2, ZERO_MS + 300),
    Arrived(0, 1, 5, 2, ZERO_MS + 3_000, "value"),
]
"""Two records of a first window, one of a second, one that ends both, one late, one flawed."""


def told(evidence: Evidence, plan: PipelinePlanned | None = None) -> Compared:
    """The results of *evidence* beside what they should be."""
    return compare(accounts(evidence, plan or planned()))


def with_rows(evidence: Evidence, *rows: int, **said: list[int]) -> Evidence:
    """*evidence* whose results are these of its rows, each at the next offset, columns changed as said."""
    names = Results.__dataclass_fields__
    chosen = {name: getattr(evidence.results, name)[list(rows)] for name in names}
    chosen["offset"] = np.arange(len(rows))
    chosen |= {name: np.asarray(values) for name, values in said.items()}
    return replace(evidence, results=Results(**chosen))


@pytest.fixture
def sound() -> Evidence:
    """What a sound job makes of the log: three windows, one late and one refused record."""
    return evidence_of(LOG, worked(LOG, Job()))


def test_every_record_has_its_place(sound: Evidence) -> None:
    """Four records in three windows, one late, one refused: all checks hold."""
    compared = told(sound)

    assert sound.results.count.tolist() == [2, 1, 1]
    assert [
        check(compared).verdict for check in (check_exact, check_single, check_placement, check_totals)
    ] == [Verdict.PASS] * 4
    assert {name: many for name, many in tally(compared).items() if many} == {
        "inputs": 6,
        "in windows": 4,
        "late": 1,
        "refused": 1,
    }


def test_a_copy_soon_after_is_dropped(sound: Evidence) -> None:
    """A record that lies twice in the log counts once; counted twice it is told as twice in its window."""
    log = [LOG[0], LOG[0], *LOG[1:]]
    right = evidence_of(log, worked(log, Job()))

    assert right.results.count.tolist() == sound.results.count.tolist()
    assert check_exact(told(right)).verdict is Verdict.PASS
    wrong = evidence_of(log, worked(log, Job(doubled=frozenset({0}))))
    found = check_exact(told(wrong))
    assert found.verdict is Verdict.FAIL
    assert "has 1/0/0 twice" in found.witnesses[0].detail


def test_a_copy_that_came_when_the_record_was_forgotten_may_count(sound: Evidence) -> None:
    """Beyond what the job remembers, a copy may be counted again or not; within, it may not."""
    log = [*LOG[:3], Arrived(1, 1, 0, 9, ZERO_MS + TTL_MS), Arrived(0, 1, 9, 2, ZERO_MS + TTL_MS), LOG[2]]
    again = Job()
    worked(log[:-1], again, closed=False)
    assert not again.late
    books = accounts(evidence_of(log, again), planned())

    assert books.copy.tolist() == [False] * 5 + [True]
    assert books.forgotten.tolist() == [False] * 5 + [True]
    slow = planned().model_copy(update={"dedup_ttl_ms": 10 * TTL_MS})
    assert not accounts(evidence_of(log, again), slow).forgotten.any()
    assert sound.results.count[1] == 1
    twice = evidence_of(
        [*LOG, Arrived(0, 1, 9, 2, ZERO_MS + TTL_MS), LOG[2]], worked(LOG, Job(doubled=frozenset({2})))
    )
    assert 1 not in np.flatnonzero(~told(twice).right)
    assert not told(twice, slow).right[1]


def test_a_result_said_again_is_not_wrong(sound: Evidence) -> None:
    """The same result twice is a repetition, neither a wrong result nor lost state."""
    compared = told(with_rows(sound, 0, 1, 0, 1, 2))
    single = check_single(compared)

    assert (single.verdict, single.violations) == (Verdict.FAIL, 2)
    assert single.summary == "2 results given again word for word."
    assert check_exact(compared).verdict is Verdict.PASS
    assert check_totals(compared).verdict is Verdict.PASS
    assert check_placement(compared).verdict is Verdict.PASS


def test_a_result_that_contradicts_replaces(sound: Evidence) -> None:
    """A job that came back and summed up a window anew keeps its totals by beginning where it was before."""
    made = with_rows(
        sound,
        0,
        1,
        1,
        2,
        count=[2, 0, 1, 1],
        total_count=[2, 2, 3, 4],
        sum=[*sound.results.sum[[0, 0, 1, 2]]],
    )
    first = int(sound.results.total_sum[0])
    totals = [first, 2 * first, *sound.results.total_sum[[1, 2]]]
    compared = told(with_rows(made, 0, 1, 2, 3, total_sum=totals))

    assert "1 result contradicting an earlier one" in check_single(compared).summary
    assert check_totals(compared).violations == 0
    assert check_exact(compared).violations == 1
    assert check_placement(compared).verdict is Verdict.PASS, "a right result is there"


def test_totals_that_begin_anew_are_lost_state(sound: Evidence) -> None:
    """A job without its state tells totals of its new life only; it is one loss, not one per result."""
    sums = sound.results.sum
    made = with_rows(
        sound, 0, 1, 2, total_count=[2, 1, 2], total_sum=[*np.cumsum([sums[0]]), *np.cumsum(sums[1:])]
    )
    found = check_totals(told(made))

    assert (found.verdict, found.violations) == (Verdict.FAIL, 1)
    assert "totals 1 and" in found.witnesses[0].detail
    assert "instead of 3 and" in found.witnesses[0].detail


def test_totals_ahead_by_more_than_was_lost(sound: Evidence) -> None:
    """A result that is not there explains totals that grew by what it held, and no other growth."""
    explained = told(with_rows(sound, 0, 2))
    counts = [2, 5]
    unexplained = told(with_rows(sound, 0, 2, total_count=counts))

    assert check_totals(explained).verdict is Verdict.PASS
    assert check_exact(explained).violations == 1
    assert check_totals(unexplained).verdict is Verdict.FAIL


def test_a_lost_window_names_its_records(sound: Evidence) -> None:
    """A window without a result is told by its first records and their offsets."""
    found = check_exact(told(with_rows(sound, 1, 2)))

    assert found.summary == "Of 3 windows, 1 lost."
    assert found.witnesses[0].record == "1/0/0"
    assert found.witnesses[0].offsets == (0, 1)
    assert "1/0/0, 1/0/1" in found.witnesses[0].detail


def test_a_late_record_in_its_window_is_told_with_the_reason(sound: Evidence) -> None:
    """A record that was set aside as late and counted nevertheless is in two places."""
    rows = [LOG[0], LOG[1], LOG[4]]
    values = [one.value for one in rows]
    made = with_rows(
        sound,
        *(0, 1, 2),
        count=[3, 1, 1],
        sum=[sum(values), *sound.results.sum[1:]],
        min=[min(values), *sound.results.min[1:]],
        max=[max(values), *sound.results.max[1:]],
        fingerprint=[sum(one.hash for one in rows) % 2**61, *sound.results.fingerprint[1:]],
    )

    assert "has 1/0/4 although it was late" in check_exact(told(made)).witnesses[0].detail
    placed = check_placement(told(made))
    assert (placed.violations, placed.witnesses[0].record) == (1, "1/0/4")


def test_a_wrong_job_is_told_even_when_little_was_read(sound: Evidence) -> None:
    """With late records unread, a result with a record too many is wrong; one with fewer may be right."""
    more = evidence_of(LOG, worked(LOG, Job(doubled=frozenset({0}))), whole=("source",))
    fewer = evidence_of(LOG, worked(LOG, Job(lost=frozenset({0}))), whole=("source",))

    assert check_exact(told(more)).verdict is Verdict.FAIL
    assert check_exact(told(fewer)).verdict is Verdict.UNKNOWN
    assert "1 result unlike the log" in check_exact(told(fewer)).summary
    assert sound.results.count[0] == 2


def test_codes_order_and_tell_apart() -> None:
    """Codes follow the order of their columns' tuples, whatever the columns' ranges."""
    rng = np.random.default_rng(1)
    for scale in (3, 2**40, 2**62):
        first, second = rng.integers(-scale, scale, (2, 200))
        code = codes(first, second)

        assert np.array_equal(np.lexsort((second, first)), np.argsort(code, kind="stable"))
