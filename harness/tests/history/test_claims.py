"""What cannot be is refused, by line and field; what is only wrong is judged."""

from __future__ import annotations

import pytest

from harness.errors import BadInput
from harness.history.claims import Impossible
from harness.history.columns import Columns
from harness.history.lines import parsed
from harness.history.numbers import Numbers
from harness.history.table import tabulate
from harness.tests.anomalies.told import Story

HEAD = '{"op":"history","version":1}'
SEND = '{"op":"send","producer":1,"partition":0,"sequence":0'
POLL = '{"op":"poll","reader":1,"partition":0'
FENCE = '{"op":"fence","partition":0'
END = '{"op":"transaction","transaction":"t","t":[1,2],"outcome":"ok"'
LAST = 2**31 - 1


def told(*lines: str) -> Columns:
    """A history of these lines behind its settings."""
    return tabulate([parsed(each.encode()) for each in (HEAD, *lines)])


def taken(first: int, until: int) -> str:
    """A transaction that took in an input and then this one."""
    one = '{"group":"g","partition":0,"first":0,"until":1}'
    other = f'{{"group":"g","partition":1,"first":{first},"until":{until}}}'
    return f'{END},"end":"commit","consumed":[{one},{other}]}}'


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEAD], "line 2: op: settings are given again"),
        (
            [f'{END},"end":"commit"}}', f'{END},"end":"abort"}}'],
            "line 3: transaction: t has ended before",
        ),
        (['{"op":"reader","reader":1}'] * 2, "line 3: reader: 1 is told of before"),
        ([f'{POLL},"t":[1,2],"position":[5,3]}}'], "line 2: position: it went back from 5 to 3"),
        ([f'{POLL},"t":[2,1],"position":[3,5]}}'], "line 2: t: it was done at 1, before .* at 2"),
        ([f'{SEND},"t":[9,2],"outcome":"ok"}}'], "line 2: t: it was done at 2, before .* at 9"),
        ([f'{SEND},"t":[1,null],"outcome":"ok"}}'], "line 2: t: the outcome is ok, and nobody ever knew it"),
        ([f'{SEND},"t":[1,null],"outcome":"fail"}}'], "line 2: t: the outcome is fail, and nobody ever"),
        ([f'{SEND},"t":[1,2],"outcome":"fail","offset":0}}'], "line 2: offset: .* the outcome is fail"),
        ([f'{SEND},"t":[1,2],"outcome":"unknown","offset":0}}'], "line 2: offset: .* outcome is unknown"),
        ([taken(5, 1)], r"line 2: consumed\.1\.until: the input ends at 1, before it begins at 5"),
        (
            [f'{FENCE},"first":9,"end":5,"stable":5}}'],
            "line 2: end: the log ends at 5, before it begins at 9",
        ),
        ([f'{FENCE},"end":1,"stable":99}}'], "line 2: stable: 99 does not lie between 0 and 1"),
        ([f'{FENCE},"first":3,"end":5,"stable":2}}'], "line 2: stable: 2 does not lie between 3 and 5"),
        (
            [f'{FENCE},"end":0,"stable":0}}', f'{FENCE},"end":10,"stable":10}}'],
            "line 3: partition: its end is told before",
        ),
    ],
)
def test_what_cannot_be_is_refused(lines: list[str], said: str) -> None:
    """A history that cannot be is not judged; one sentence says which line, which field, and why."""
    with pytest.raises(BadInput, match=said):
        told(*lines)


@pytest.mark.parametrize(
    "lines",
    [
        [f'{POLL},"t":[1,1],"position":[5,5]}}'],
        [f'{SEND},"t":[1,1],"outcome":"unknown"}}'],
        [f'{SEND},"t":[1,2],"outcome":"fail"}}', f'{SEND},"t":[3,4],"outcome":"ok","offset":0}}'],
        [taken(1, 1)],
        [f'{FENCE},"first":5,"end":5,"stable":5}}', '{"op":"fence","partition":1,"end":2,"stable":0}'],
        [f'{FENCE},"end":1,"stable":1}}', f'{SEND},"t":[1,2],"outcome":"ok","offset":0}}'],
    ],
)
def test_what_is_only_strange_is_read(lines: list[str]) -> None:
    """What touches itself is in order; lines of different clients stand in no order, fences among them."""
    told(*lines)


def test_a_log_that_ends_below_what_was_acknowledged_is_read() -> None:
    """It was cut off: that is for checks to find, not to refuse."""
    story = Story().send(0, 0).send(1, 1).poll(0, 2, (0, 0), (1, 1)).poll(0, 1, (0, 0), reader=8).fence(1)

    assert tabulate(story.operations).fences.end.tolist() == [1]


def test_a_record_from_outside_of_its_poll_is_judged() -> None:
    """Readers hand out such records: that is a finding."""
    assert Story().send(0, 5).poll(0, 1, (5, 0)).violations()["int_nonmono_poll"] == 1


@pytest.mark.parametrize(("one", "other"), [(1, 2), (1, 2**22 + 1), (LAST - 1, LAST)])
def test_readers_are_told_apart_whatever_their_numbers(one: int, other: int) -> None:
    """They are numbered densely: none costs room for those below it, and no two are taken for one."""
    story = Story().reads(one, group="g").reads(other, group="g").send(0, 0).send(1, 1)
    story.poll(0, 2, (0, 0), (1, 1), reader=one).poll(0, 1, (0, 0), reader=other).commits(2, reader=other)
    columns = tabulate(story.operations)

    assert columns.names.readers == (one, other)
    assert columns.polls.reader.tolist() == [0, 1]
    assert columns.commits.reader.tolist() == [1]
    assert story.fence(2).violations() == {"commit_ahead": 1}


def test_numbers_may_be_as_large_as_the_page_says() -> None:
    """Those of everything that has one: none sizes an array."""
    story = Story().send(
        0, 0, producer=LAST, partition=LAST, epoch=LAST, key=LAST, value=LAST, transaction="t"
    )
    story.ends("t", incarnation=LAST).poll(0, 1, (0, 0), producer=LAST, partition=LAST, reader=LAST)

    assert story.moves("seek", reader=LAST).fence(1, partition=LAST).violations() == {}


def test_no_sum_of_values_leaves_its_integer() -> None:
    """The largest ones, a thousand times over, are not taken for nothing."""
    story = Story(conserved=True)
    for sequence in range(1000):
        story.send(sequence, sequence, value=LAST)
    story.poll(0, 1000, *((n, n) for n in range(1000))).fence(1000)

    assert story.violations() == {"conservation": 1}


def test_more_names_than_fit_are_refused() -> None:
    """Names are packed beside offsets: one too many would be taken for another."""
    numbers = Numbers("readers", most=2)

    assert [numbers.of(name) for name in (7, 5, 7)] == [0, 1, 0]
    with pytest.raises(Impossible, match="readers: there are more than 2"):
        numbers.of(9)
