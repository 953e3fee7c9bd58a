"""The checkers of results agree with who really went where, in small pipelines grown by chance.

The model job of ``build_pipeline`` works through a random log, with or without a defect. It knows each
window's real members, so a naive count of every record's places says what must be found.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.checkers.accounts import accounts
from harness.checkers.compared import compare
from harness.checkers.placement import check_placement, place
from harness.checkers.totals import check_totals
from harness.checkers.windows import check_exact, check_single
from harness.ledger.evidence import Evidence
from harness.tests.checkers.build_pipeline import (
    ALL_HOPS,
    ZERO_MS,
    Arrived,
    Hop,
    Job,
    evidence_of,
    planned,
    worked,
)
from harness.verdict import Verdict

CHECKS = (check_exact, check_single, check_placement, check_totals)
DRAWN = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 1),
        st.integers(0, 2),
        st.integers(-2_500, 400),
        st.sampled_from(("", "", "", "", "value", "again")),
    ),
    min_size=1,
    max_size=40,
)


def log_of(drawn: list[tuple[int, int, int, int, str]]) -> list[Arrived]:
    """A log: time goes on by 150 ms a record; "again" repeats the partition's record before."""
    found: list[Arrived] = []
    next_: dict[tuple[int, int], int] = defaultdict(int)
    for tick, (partition, producer, key, shift, kind) in enumerate(drawn):
        before = [one for one in found if one.partition == partition and not one.flaw]
        if kind == "again" and before:
            found.append(before[-1])
            continue
        sequence = next_[partition, producer]
        next_[partition, producer] += 1
        flaw = "" if kind == "again" else kind
        event_ms = ZERO_MS + 150 * tick + shift
        found.append(Arrived(partition, producer, sequence, 2 * key + partition, event_ms, flaw))
    return found


def verdicts(evidence: Evidence) -> list[Verdict]:
    """What the four checkers say."""
    compared = compare(accounts(evidence, planned()))
    return [check(compared).verdict for check in CHECKS]


BEHIND = [(1, 0, 0, -1, ""), (1, 0, 0, 350, ""), (0, 0, 0, 0, ""), (0, 0, 0, -450, ""), (1, 0, 0, -601, "")]
"""A second partition begins behind the first, which has closed a window that a record comes for then."""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=DRAWN)
@example(drawn=BEHIND)
def test_a_sound_job_is_never_accused(drawn: list[tuple[int, int, int, int, str]]) -> None:
    """Whatever the order, lateness, flaws and copies of a log: a job that does its work holds everything."""
    records = log_of(drawn)
    job = worked(records, Job())
    found = verdicts(evidence_of(records, job))

    assert Verdict.FAIL not in found
    assert not job.emitted or found == [Verdict.PASS] * len(CHECKS)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=DRAWN, open_=st.booleans(), unread=st.sampled_from(ALL_HOPS))
def test_nothing_is_lost_in_what_was_not_read(
    drawn: list[tuple[int, int, int, int, str]],
    open_: bool,  # noqa: FBT001 - drawn
    unread: Hop,
) -> None:
    """A run that ended early, with windows open or a hop unread, never fails for it."""
    records = log_of(drawn)
    job = worked(records, Job(), closed=not open_)
    whole = tuple(hop for hop in ALL_HOPS if hop not in {unread, "results" if open_ else unread})

    assert Verdict.FAIL not in verdicts(evidence_of(records, job, whole=whole))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=DRAWN, lost=st.integers(0, 39), doubled=st.integers(0, 39))
def test_places_are_counted_as_they_are(
    drawn: list[tuple[int, int, int, int, str]], lost: int, doubled: int
) -> None:
    """What is in no place or in two is counted as a look at every single record counts it."""
    records = log_of(drawn)
    job = worked(records, Job(lost=frozenset({lost}), doubled=frozenset({doubled}) - {lost}))
    compared = compare(accounts(evidence_of(records, job), planned()))
    found = place(compared)
    nowhere, twice, touched = by_hand(records, job, lost, doubled)

    if touched != 1 or not (nowhere and twice):  # in one window, one lost and one doubled is an exchange
        assert (nowhere, twice) == (found.nowhere, found.twice)
    assert (check_exact(compared).verdict is Verdict.FAIL) == bool(nowhere or twice)
    assert (check_placement(compared).verdict is Verdict.FAIL) == bool(nowhere or twice)
    assert check_totals(compared).verdict is not Verdict.FAIL


def by_hand(records: list[Arrived], job: Job, lost: int, doubled: int) -> tuple[int, int, int]:
    """How many records are in no place, how many are in two, and in how many windows that is wrong."""
    members = Counter(one.hash for _, _, held, *_ in job.emitted for one in held)
    set_aside = Counter(place_[:2] for place_ in (*job.late, *job.dead))
    seen: set[int] = set()
    ends: dict[int, int] = defaultdict(int)
    nowhere = twice = 0
    for record in records:
        offset = ends[record.partition]
        ends[record.partition] += 1
        first = record.hash not in seen
        if not record.flaw:
            seen.add(record.hash)
        inside = members[record.hash] if first and not record.flaw else 0
        places = inside + set_aside[record.partition, offset]
        nowhere += places == 0 and first
        twice += max(0, places - 1)
    wrong = {(records[at].key, records[at].window) for at in (lost, doubled) if at < len(records)}
    return nowhere, twice, len(wrong)
