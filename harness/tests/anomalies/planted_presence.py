"""More small hand-written histories with one anomaly each: what is there, what is not, and where it lies."""

from __future__ import annotations

from harness.history.operations import Delivered
from harness.tests.anomalies.planted import Telling, both, in_transaction, three
from harness.tests.anomalies.told import Story

PRESENCE: dict[str, tuple[Telling, dict[str, int]]] = {
    "shown to readers of everything, and to no reader of committed records": (
        lambda: (
            in_transaction()
            .reads(8, isolation="uncommitted")
            .poll(0, 3, (0, 0), (1, 1), reader=8)
            .poll(0, 3, (0, 0))
            .fence(3)
        ),
        {"lost": 1, "int_poll_skip": 1, "torn_transaction": 1},
    ),
    "shown to one reader of everything, and passed over by all others": (
        lambda: (
            both(Story())
            .reads(8, isolation="uncommitted")
            .poll(0, 2, (0, 0), (1, 1), reader=8)
            .poll(0, 2, (0, 0))
            .fence(2)
        ),
        {"lost": 1, "int_poll_skip": 1},
    ),
    "the log begins above it, though nothing there expires": (
        lambda: three(Story()).poll(1, 3, (1, 1), (2, 2)).fence(3, first=1),
        {"lost": 1},
    ),
    "one without an offset, where the log begins late though nothing expires": (
        lambda: Story().send(0).send(1, 5).poll(0, 6, (5, 1)).fence(6, first=1),
        {"lost": 1},
    ),
    "passed over before it can have expired": (
        lambda: both(Story(cleanup="delete")).poll(0, 2, (1, 1)).fence(2, first=1),
        {"lost": 1},
    ),
    "the log ends below it": (lambda: both(Story()).poll(0, 1, (0, 0)).fence(1), {"lost": 1}),
    "refused, sent again, and there twice": (
        lambda: Story().send(0, outcome="fail").send(0, 0).poll(0, 2, (0, 0), (1, 0)).fence(2),
        {"duplicate_log": 1},
    ),
    "the log ends below it, and was not read to its end": (
        lambda: Story().send(0, 0).send(1, 5).poll(0, 1, (0, 0)).fence(3),
        {"lost": 1},
    ),
    "refused, sent again, and there twice for a reader of everything": (
        lambda: (
            Story()
            .reads(9, isolation="uncommitted")
            .send(0, outcome="fail")
            .send(0, 0)
            .poll(0, 2, (0, 0), (1, 0))
            .fence(2)
        ),
        {"duplicate_log": 1},
    ),
    "aborted, sent again, and shown twice to readers of committed records": (
        lambda: (
            in_transaction("abort").send(0, 3, transaction="u").ends("u").poll(0, 5, (0, 0), (3, 0)).fence(5)
        ),
        {"duplicate_log": 1},
    ),
    "refused within a transaction, and shown to a reader of everything": (
        lambda: (
            Story()
            .reads(9, isolation="uncommitted")
            .send(0, 0, transaction="t")
            .send(1, outcome="fail", transaction="t")
            .ends("t")
            .poll(0, 3, (0, 0), (1, 1))
            .fence(3)
        ),
        {"aborted_read": 1},
    ),
    "of a transaction that nobody asked to commit": (
        lambda: Story().send(0, 0, transaction="t").send(1, 1).poll(0, 2, (0, 0), (1, 1)).fence(2),
        {"aborted_read": 1},
    ),
    "of one whose abort got no answer": (
        lambda: in_transaction("abort", "unknown").send(2, 3).poll(0, 4, (0, 0), (3, 2)).fence(4),
        {"aborted_read": 1},
    ),
    "acknowledged where nobody looked, and there elsewhere": (
        lambda: Story().send(0, 0).poll(1, 3, (1, 0)).fence(3),
        {"ack_offset_mismatch": 1},
    ),
    "one leader gave an offset twice, where logs may be truncated": (
        lambda: (
            Story(acks="1", idempotent=False)
            .send(0, outcome="unknown", epoch=3)
            .send(1, 0, epoch=3)
            .delivered(0, 1, Delivered(offset=0, producer=1, sequence=0, epoch=3))
            .delivered(0, 1, Delivered(offset=0, producer=1, sequence=1, epoch=3), reader=8)
            .fence(1)
        ),
        {"inconsistent_offset": 1, "divergent_readers": 1},
    ),
    "one leader put it below what it had acknowledged, where logs may be truncated": (
        lambda: (
            Story(unclean_election=True)
            .send(0, 5, epoch=3)
            .send(0, 1, epoch=3, producer=2)
            .poll(0, 6, (5, 0))
            .poll(1, 2, (1, 0), reader=8, producer=2)
            .fence(6)
        ),
        {"realtime_offset": 1, "int_poll_skip": 1},
    ),
    "a value outlives the tombstone that ended it": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=1)
            .send(1, 1, key=1, value=None)
            .poll(0, 2, (0, 0))
            .fence(2)
        ),
        {"latest_value": 1},
    ),
    "the last value of a key is passed over under compaction": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=1)
            .send(1, 1, key=2)
            .poll(0, 2, (0, 0), (1, 1), reader=8)
            .poll(0, 2, (1, 1))
            .fence(2)
        ),
        {"int_poll_skip": 1},
    ),
}
