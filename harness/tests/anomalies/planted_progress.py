"""The same of transactions that are not whole, of groups that go on wrongly, and of what has to wait."""

from __future__ import annotations

from harness.tests.anomalies.planted import Telling, both
from harness.tests.anomalies.told import Story


def declaring(records: int) -> Story:
    """The same, and its writer says how many records it holds."""
    return Story().send(0, 0, transaction="t").send(1, 1, transaction="t").ends("t", records=records)


def held_back(**settings: object) -> Story:
    """A reader that had kept up is handed nothing: a transaction lies open below an acknowledged record."""
    story = Story(**settings).poll(0, 0).send(0, 0, transaction="t").send(1, 1)
    return story.poll(0, 0).ends("t")


PROGRESS: dict[str, tuple[Telling, dict[str, int]]] = {
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
    "an open transaction holds back for too long what lies above it": (
        lambda: held_back(fresh_ns=10).poll(0, 3, (0, 0), (1, 1)).fence(3),
        {"lag": 1},
    ),
    "and it takes no reader to see that": (
        lambda: (
            Story(fresh_ns=10)
            .send(0, 0, transaction="t")
            .send(1, 1)
            .ends("t", t=(1000, 1001))
            .poll(0, 3, (0, 0), (1, 1), t=(2000, 2001))
            .fence(3)
        ),
        {"lag": 1},
    ),
    "one whose record nobody can place, and that is aborted": (
        lambda: (
            Story(fresh_ns=0)
            .poll(0, 0)
            .send(0, outcome="unknown", transaction="t")
            .send(1, 1)
            .poll(0, 0)
            .ends("t", "abort")
            .poll(0, 3, (1, 1))
            .fence(3)
        ),
        {"lag": 1},
    ),
    "a reader that never kept up asks in vain for too long": (
        lambda: (
            Story(fresh_ns=1000)
            .send(0, 0)
            .poll(0, 0, t=(100, 200))
            .poll(0, 0, t=(300, 400))
            .poll(0, 0, t=(500, 1200))
            .poll(0, 1, (0, 0), t=(1300, 1301))
            .fence(1)
        ),
        {"lag": 1},
    ),
    "a group stands still while records wait": (
        lambda: (
            Story(fresh_ns=1000)
            .reads(9, mode="subscribe", group="g")
            .send(0, 0)
            .poll(0, 1, (0, 0))
            .commits(1)
            .send(1, 1)
            .poll(0, 2, (0, 0), (1, 1), reader=8, t=(5000, 5001))
            .fence(2)
        ),
        {"lag": 1},
    ),
    "a group of transactions stands still while records wait": (
        lambda: (
            Story(fresh_ns=1000)
            .send(0, 0, partition=7)
            .poll(0, 1, (0, 0), partition=7, transaction="a")
            .ends("a", consumed=((0, 1),))
            .send(1, 1, partition=7)
            .poll(1, 2, (1, 1), partition=7, transaction="b", t=(4000, 4001))
            .ends("b", consumed=((1, 2),), t=(5000, 5001))
        ),
        {"lag": 1},
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
}
