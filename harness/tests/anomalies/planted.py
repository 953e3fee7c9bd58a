"""Small hand-written histories: each anomaly in the smallest one that has it; ``legal`` has what is legal."""

from __future__ import annotations

from collections.abc import Callable

from harness.history.operations import Delivered
from harness.tests.anomalies.told import Story

Telling = Callable[[], Story]


def both(story: Story) -> Story:
    """Two records, sent and acknowledged at 0 and 1."""
    return story.send(0, 0).send(1, 1)


def three(story: Story) -> Story:
    """Three records, sent and acknowledged at 0, 1 and 2."""
    return both(story).send(2, 2)


def in_transaction(
    end: str = "commit", outcome: str = "ok", *, begun: bool = False, **settings: object
) -> Story:
    """Two records of one transaction, at 0 and 1, and its end; *begun*: a reader stood there before."""
    story = Story(**settings).poll(0, 0) if begun else Story(**settings)
    story.send(0, 0, transaction="t").send(1, 1, transaction="t")
    return story.ends("t", end, outcome)  # type: ignore[arg-type]


def declaring(records: int) -> Story:
    """The same, and its writer says how many records it holds."""
    return Story().send(0, 0, transaction="t").send(1, 1, transaction="t").ends("t", records=records)


PLANTED: dict[str, tuple[Telling, dict[str, int]]] = {
    "an acknowledged record is passed over": (
        lambda: both(Story()).poll(0, 2, (0, 0)).fence(2),
        {"lost": 1},
    ),
    "one without an offset, after a whole read": (
        lambda: Story().send(0, 0).send(1).poll(0, 1, (0, 0)).fence(1),
        {"lost": 1},
    ),
    "shown once, and overwritten in the end": (
        lambda: (
            Story(acks="1", idempotent=False)
            .send(0, 0)
            .poll(0, 1, (0, 0))
            .send(1, 0)
            .poll(0, 1, (0, 1), reader=8)
            .fence(1)
        ),
        {"lost": 1},
    ),
    "shown once, and compacted away though it is the last of its key": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=1)
            .send(1, 1, key=1)
            .poll(0, 2, (0, 0), (1, 1))
            .send(2, 2, key=2)
            .poll(0, 3, (0, 0), (2, 2), reader=8)
            .fence(3)
        ),
        {"lost": 1, "latest_value": 1, "int_poll_skip": 1},
    ),
    "nobody sent it": (lambda: Story().send(0, 0).poll(0, 2, (0, 0), (1, 7)).fence(2), {"phantom": 1}),
    "sent once, there twice": (
        lambda: Story().send(0, 0).poll(0, 2, (0, 0), (1, 0)).fence(2),
        {"duplicate_log": 1},
    ),
    "acknowledged elsewhere": (
        lambda: Story().send(0, 1).send(1, 2).poll(0, 3, (0, 0), (2, 1)).fence(3),
        {"ack_offset_mismatch": 1},
    ),
    "an offset acknowledged for another record": (
        lambda: Story().send(0, 0).send(1, 0).poll(0, 2, (0, 0), (1, 1)).fence(2),
        {"ack_offset_mismatch": 1, "inconsistent_offset": 1, "realtime_offset": 1, "nonmono_send": 1},
    ),
    "two readers disagree": (
        lambda: both(Story()).poll(0, 2, (0, 0), (1, 1)).poll(0, 1, (0, 1), reader=8).fence(2),
        {"divergent_readers": 1, "inconsistent_offset": 1, "duplicate_log": 1},
    ),
    "its payload names another partition": (
        lambda: (
            Story()
            .send(0, 0)
            .send(0, 0, partition=3)
            .delivered(0, 1, Delivered(offset=0, producer=1, sequence=0))
            .delivered(0, 1, Delivered(offset=0, producer=1, sequence=0, sent_to=("", 0)), partition=3)
        ),
        {"misrouted": 1, "lost": 1, "duplicate_log": 1, "inconsistent_offset": 1},
    ),
    "its checksum is wrong": (
        lambda: (
            Story()
            .send(0, 0)
            .delivered(0, 1, Delivered(offset=0, producer=1, sequence=0, whole=False))
            .fence(1)
        ),
        {"damaged": 1, "lost": 1},
    ),
    "refused, and there": (
        lambda: Story().send(0, outcome="fail").poll(0, 1, (0, 0)).fence(1),
        {"aborted_read": 1},
    ),
    "of an aborted transaction": (
        lambda: in_transaction("abort").poll(0, 2, (0, 0), (1, 1)).fence(2),
        {"aborted_read": 2},
    ),
    "below what was acknowledged before": (
        lambda: (
            Story()
            .send(0, 1)
            .send(0, 0, producer=2)
            .delivered(
                0,
                2,
                Delivered(offset=0, producer=2, sequence=0),
                Delivered(offset=1, producer=1, sequence=0),
            )
        ),
        {"realtime_offset": 1},
    ),
    "below what its producer had sent before": (
        lambda: (
            Story().send(0, 1, t=(1, 100)).send(1, 0, t=(2, 101)).poll(0, 2, (0, 1), (1, 0), t=(200, 201))
        ),
        {"nonmono_send": 1},
    ),
    "delivered before it was sent": (
        lambda: Story().poll(0, 1, (0, 0)).send(0, 0),
        {"read_before_write": 1},
    ),
    "a poll skips what another reader was handed": (
        lambda: both(Story()).poll(0, 2, (0, 0), (1, 1)).poll(0, 2, (1, 1), reader=8),
        {"int_poll_skip": 1},
    ),
    "the next poll begins too high": (
        lambda: (
            both(Story())
            .send(2, 2)
            .poll(0, 3, (0, 0), (1, 1), (2, 2))
            .poll(0, 1, (0, 0), reader=8)
            .poll(2, 3, (2, 2), reader=8)
        ),
        {"poll_skip": 1},
    ),
    "the next poll begins too low": (
        lambda: both(Story()).poll(0, 2, (0, 0), (1, 1)).poll(0, 1, (0, 0)),
        {"nonmono_poll": 1},
    ),
    "handed out in the wrong order": (
        lambda: both(Story()).poll(0, 2, (1, 1), (0, 0)),
        {"int_nonmono_poll": 1},
    ),
    "handed out from elsewhere": (
        lambda: both(Story()).poll(0, 1, (0, 0), (1, 1)),
        {"int_nonmono_poll": 1},
    ),
    "half of a transaction": (
        lambda: in_transaction().poll(0, 2, (0, 0)).fence(2),
        {"torn_transaction": 1, "lost": 1},
    ),
    "half of one that nobody knows the end of": (
        lambda: in_transaction("commit", "unknown").poll(0, 2, (0, 0)).fence(2),
        {"torn_transaction": 1, "lost": 1},
    ),
    "a transaction holds more than anybody attempted": (
        lambda: declaring(3).poll(0, 3, (0, 0), (1, 1)).fence(3),
        {"torn_transaction": 1},
    ),
    "a record that was tried twice is not two": (
        lambda: (
            Story()
            .send(0, outcome="unknown", transaction="t")
            .send(0, 0, transaction="t")
            .ends("t", records=2)
            .poll(0, 2, (0, 0))
            .fence(2)
        ),
        {"torn_transaction": 1},
    ),
    "nothing is there of what was committed, and nobody told of it": (
        lambda: both(Story()).ends("t", records=2).poll(0, 2, (0, 0), (1, 1)).fence(2),
        {"torn_transaction": 1},
    ),
    "shown before its commit": (
        lambda: Story().send(0, 0, transaction="t").poll(0, 1, (0, 0)).ends("t").fence(1),
        {"precommitted_read": 1},
    ),
    "a transaction reads itself": (
        lambda: (
            Story()
            .send(0, 0, transaction="t")
            .poll(0, 1, (0, 0), transaction="t", t=(30, 90))
            .ends("t", t=(50, 60))
        ),
        {"own_read": 1},
    ),
    "transactions read each other": (
        lambda: (
            Story()
            .send(0, 0, transaction="a")
            .send(1, 1, transaction="b")
            .poll(0, 1, (0, 0), transaction="b", t=(30, 900))
            .poll(1, 2, (1, 1), reader=8, transaction="a", t=(30, 900))
            .ends("a")
            .ends("b")
        ),
        {"read_cycle": 2},
    ),
    "an old incarnation writes again": (
        lambda: (
            Story()
            .send(0, 0, transaction="new")
            .ends("new", writer="w", incarnation=2)
            .send(0, 1, producer=2, transaction="old")
            .ends("old", writer="w", incarnation=1)
            .delivered(
                0,
                2,
                Delivered(offset=0, producer=1, sequence=0),
                Delivered(offset=1, producer=2, sequence=0),
            )
        ),
        {"zombie_write": 1},
    ),
    "left open": (
        lambda: Story().send(0, 0).poll(0, 1, (0, 0)).fence(3, stable=1),
        {"hanging_transaction": 1},
    ),
    "a new owner begins below the commit": (
        lambda: (
            both(Story())
            .reads(9, mode="subscribe", group="g")
            .reads(8, mode="subscribe", group="g")
            .poll(0, 2, (0, 0), (1, 1))
            .commits(2)
            .poll(1, 2, (1, 1), reader=8)
        ),
        {"redelivered_committed": 1},
    ),
    "committed before it was handed out": (
        lambda: both(Story()).reads(9, group="g").poll(0, 1, (0, 0)).commits(2),
        {"commit_ahead": 1},
    ),
    "committed by a member that was handed nothing": (
        lambda: both(Story()).reads(9, group="g").commits(1).poll(0, 2, (0, 0), (1, 1), reader=8).fence(2),
        {"commit_ahead": 1},
    ),
    "committed by one of two members up to where the other one had only read": (
        lambda: (
            both(Story())
            .reads(9, group="g")
            .reads(8, group="g")
            .poll(0, 2, (0, 0), (1, 1))
            .commits(2, reader=8)
            .fence(2)
        ),
        {"commit_ahead": 1},
    ),
    "two members that were handed nothing bear each other out": (
        lambda: (
            both(Story(skew_ns=1000))
            .reads(9, group="g")
            .reads(8, group="g")
            .commits(2)
            .commits(2, reader=8)
            .poll(0, 2, (0, 0), (1, 1), reader=7)
            .fence(2)
        ),
        {"commit_ahead": 2},
    ),
    "committed by a member whose number is far from that of the one that was handed it": (
        lambda: (
            both(Story())
            .reads(1, group="g")
            .reads(2**22 + 1, group="g")
            .poll(0, 2, (0, 0), (1, 1), reader=1)
            .poll(0, 1, (0, 0), reader=2**22 + 1)
            .commits(2, reader=2**22 + 1)
            .fence(2)
        ),
        {"commit_ahead": 1},
    ),
    "committed before the sink holds it": (
        lambda: both(Story()).reads(9, group="g").poll(0, 2, (0, 0), (1, 1)).commits(2, durable=1),
        {"commit_ahead": 1},
    ),
    "a group goes on above a record that it was never handed": (
        lambda: (
            three(Story())
            .reads(9, mode="subscribe", group="g")
            .reads(8, mode="subscribe", group="g")
            .poll(0, 1, (0, 0))
            .commits(1)
            .poll(2, 3, (2, 2), reader=8)
            .commits(3, reader=8)
            .poll(0, 3, (0, 0), (1, 1), (2, 2), reader=7)
            .fence(3)
        ),
        {"left_behind": 1},
    ),
    "a reader that had kept up is not handed what has long been visible": (
        lambda: three(Story(fresh_ns=15).poll(0, 0)).poll(0, 0).poll(0, 3, (0, 0), (1, 1), (2, 2)).fence(3),
        {"lag": 1},
    ),
    "a commit shows what it holds, and a reader is not handed it": (
        lambda: in_transaction(begun=True, fresh_ns=4).poll(0, 0).poll(0, 3, (0, 0), (1, 1)).fence(3),
        {"lag": 1},
    ),
    "an input consumed twice": (
        lambda: (
            Story().send(0, 0).poll(0, 1, (0, 0)).ends("a", consumed=((0, 3),)).ends("b", consumed=((2, 5),))
        ),
        {"inputs_twice": 1},
    ),
    "an input left out": (
        lambda: (
            Story()
            .send(0, 2, partition=7)
            .poll(2, 3, (2, 0), partition=7)
            .ends("a", consumed=((0, 2),))
            .ends("b", consumed=((3, 5),))
        ),
        {"inputs_left_out": 1},
    ),
    "an input left out below the first one that was committed": (
        lambda: (
            Story()
            .send(0, 0, partition=7)
            .send(1, 1, partition=7)
            .poll(0, 2, (0, 0), (1, 1), partition=7)
            .ends("a", consumed=((1, 2),))
        ),
        {"inputs_left_out": 1},
    ),
    "and one that a member of the group had been handed": (
        lambda: (
            Story()
            .send(0, 5, partition=7)
            .send(1, 6, partition=7)
            .poll(5, 7, (5, 0), (6, 1), partition=7, transaction="a")
            .ends("a", consumed=((6, 7),))
        ),
        {"inputs_left_out": 1},
    ),
    "a hole that an undecided transaction can have filled in part alone": (
        lambda: (
            Story()
            .send(0, 2, partition=7)
            .send(1, 3, partition=7)
            .poll(2, 4, (2, 0), (3, 1), partition=7)
            .ends("a", consumed=((0, 2),))
            .ends("b", outcome="unknown", consumed=((2, 3),))
            .ends("c", consumed=((4, 5),))
        ),
        {"inputs_left_out": 1},
    ),
    "a leader's epoch falls": (
        lambda: both(Story()).delivered(
            0,
            2,
            Delivered(offset=0, producer=1, sequence=0, epoch=5),
            Delivered(offset=1, producer=1, sequence=1, epoch=4),
        ),
        {"epoch_regression": 1},
    ),
    "the last value of a key is gone": (
        lambda: Story(cleanup="compact").send(0, 0, key=3).send(1, 1, key=3).poll(0, 2, (0, 0)).fence(2),
        {"latest_value": 1, "lost": 1},
    ),
    "a transfer is torn": (
        lambda: (
            Story(conserved=True)
            .send(0, 0, value=-5, transaction="t")
            .send(1, value=5, transaction="t")
            .ends("t")
            .poll(0, 1, (0, 0))
            .fence(1)
        ),
        {"conservation": 1, "torn_transaction": 1, "lost": 1},
    ),
}
