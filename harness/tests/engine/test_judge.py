"""Partitions counted apart come to the very findings that the checkers have of all of them at once."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from harness.checkers.compose import RECORD_CHECKS
from harness.checkers.sequences import history
from harness.engine import judge, torn
from harness.engine.folder import Context, Reserved
from harness.engine.runs import Runs, mapped
from harness.findings import Finding
from harness.model import Fence, Guarantee, Outcome, ReadState
from harness.tests.engine import naive
from harness.tests.engine.naive import Row, as_runs, histories
from harness.verdict import Verdict

ASKED = tuple(Guarantee(name=name) for name in ("no_loss", "no_duplicates", "order_per_key"))


def fence(partition: int, *, complete: bool = True, first: int = 0) -> Fence:
    """A fence at offset 100."""
    return Fence(
        partition=partition, first_offset=first, end_offset=100, committed_end_offset=100,
        sentinel_offset=100, position=101 if complete else 50,
    )  # fmt: skip


_RESERVED = st.builds(
    Reserved, producer=st.integers(0, 2), partition=st.integers(0, 2), until_seq=st.integers(0, 20)
)


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """With and without fences, announcements, deleted records and things that were asked for."""
    fences = draw(
        st.lists(
            st.builds(fence, st.integers(0, 3), complete=st.booleans(), first=st.sampled_from([0, 0, 4])),
            unique_by=lambda one: one.partition,
            max_size=4,
        )
    )
    return Context(
        format="edge-harness/records/1",
        guarantees=draw(st.sampled_from([ASKED, ASKED[:1], ASKED[1:]])),
        load_ended_us=draw(st.sampled_from([None, 5, 20])),
        fenced_us=draw(st.sampled_from([None, 10, 10])),
        fences=tuple(fences),
        announced=tuple(draw(st.lists(_RESERVED, max_size=2))),
        partitions=draw(st.integers(0, 4)),
    )  # fmt: skip


def _of(rows: list[Row], partition: int) -> list[Row]:
    return [row for row in rows if row.partition == partition]


def by_partition(context: Context, attempts: list[Row], reads: list[Row]) -> tuple[Finding, ...]:
    """What the engine says, one partition after the other."""
    named = (
        {row.partition for row in (*attempts, *reads)} | {one.partition for one in context.announced} | {0}
    )
    counted = [
        judge.count(
            context,
            partition,
            mapped(as_runs(_of(attempts, partition), lone=False)),
            mapped(as_runs(_of(reads, partition), lone=True)),
        )
        for partition in sorted(named)
    ]
    return judge.conclude(context, counted)


def at_once(context: Context, produced: Runs, consumed: Runs) -> list[Finding]:
    """What the checkers say of everything in one ledger."""
    evidence = judge.evidence_of(context, produced, consumed, {0, 1, 2, 3})
    sets = history(evidence)
    return [check(evidence, sets) for check in RECORD_CHECKS]


def _plain(findings: list[Finding]) -> list[Finding]:
    """Without what tells runs from records: runs of strangers are named by their first.

    And an offset that was read as two damaged records counts as the first in the ledger's order.
    """
    left: dict[str, dict[str, object]] = {
        "no_phantoms": {"witnesses": ()},
        "integrity": {"witnesses": (), "summary": ""},
    }
    return [f.model_copy(update=left.get(f.checker, {})) for f in findings]


@given(context=contexts(), attempts=histories(lone=False), reads=histories(lone=True))
def test_the_findings_are_those_of_the_checkers(
    context: Context, attempts: list[Row], reads: list[Row]
) -> None:
    """Of any history, to the byte in runs all at once; in single records but for some names."""
    found = [f for f in by_partition(context, attempts, reads) if f.checker != torn.NAME]
    runs = [
        as_runs(naive.runs(rows, lone=lone), lone=lone) for rows, lone in ((attempts, False), (reads, True))
    ]

    assert at_once(context, *runs) == found
    single = at_once(context, as_runs(attempts, lone=False), as_runs(reads, lone=True))
    assert _plain(single) == _plain(found)


@given(attempts=histories(lone=False), reads=histories(lone=True), fenced=st.sets(st.integers(0, 2)))
def test_torn_transactions_are_those_that_a_naive_reading_finds(
    attempts: list[Row], reads: list[Row], fenced: set[int]
) -> None:
    """Some member came back, another provably did not: counted once per record, over all partitions."""
    context = _fenced(fenced)
    found = [f for f in by_partition(context, attempts, reads) if f.checker == torn.NAME]
    seen = {(row.partition, row.producer, row.first_seq) for row in reads if row.mark == ReadState.GOOD}
    members = defaultdict(list)
    for row in attempts:
        if row.transaction >= 0 and row.mark != Outcome.FAIL:
            members[row.transaction].append((row.partition, row.producer, row.first_seq))
    half = [
        number
        for number, records in sorted(members.items())
        if any(record in seen for record in records)
        and any(record not in seen and record[0] in fenced for record in records)
    ]

    assert len(half) == sum(f.violations for f in found)
    assert [f"transaction {n}:" for n in half] == [
        " ".join(w.detail.split()[:2]) for f in found for w in f.witnesses
    ]
    assert bool(members) == bool(found)


def _fenced(partitions: set[int]) -> Context:
    fences = tuple(fence(partition) for partition in sorted(partitions))
    return Context(
        format="edge-harness/records/1",
        guarantees=ASKED,
        load_ended_us=5,
        fenced_us=10,
        fences=fences,
        partitions=3,
    )


def _story(*, missing: int | None, twice: int | None = None) -> tuple[list[Row], list[Row]]:
    """A transaction of two records in each of three partitions."""
    attempts = [Row(p, 0, s, 1, s, transaction=4) for p in range(3) for s in range(2)]
    reads = [Row(p, 0, s, 1, s) for p in range(3) for s in range(2) if p * 2 + s != missing]
    return attempts, reads + ([Row(0, 0, 0, 1, 9)] if twice is not None else [])


def _torn(fenced: set[int], attempts: list[Row], reads: list[Row]) -> Finding:
    return by_partition(_fenced(fenced), attempts, reads)[-1]


def test_a_whole_transaction_passes_and_a_torn_one_fails() -> None:
    """One member of six that is missing tears it; the witness names the transaction and what is visible."""
    whole, half = _torn({0, 1, 2}, *_story(missing=None)), _torn({0, 1, 2}, *_story(missing=3))

    assert [Verdict.PASS, Verdict.FAIL] == [whole.verdict, half.verdict]
    assert half.witnesses[0].detail == "transaction 4: 5 of 6 members visible"
    assert whole.compared == {"transactions": 1, "members": 6}


def test_a_copy_does_not_stand_in_for_a_missing_member() -> None:
    """Five members, one of them twice, are not six."""
    assert _torn({0, 1, 2}, *_story(missing=3, twice=0)).verdict is Verdict.FAIL


def test_without_the_fence_a_missing_member_is_only_unseen() -> None:
    """It may still come back: unknown, not torn."""
    assert _torn({0, 2}, *_story(missing=3)).verdict is Verdict.UNKNOWN
