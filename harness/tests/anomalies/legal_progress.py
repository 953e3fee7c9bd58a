"""What some correct cluster can do with transactions, with groups, and with what has to wait a little."""

from __future__ import annotations

from harness.tests.anomalies.planted import Telling, both
from harness.tests.anomalies.planted_progress import declaring, held_back
from harness.tests.anomalies.told import Story

PROGRESS: dict[str, Telling] = {
    "a transaction that holds what its writer says": (
        lambda: declaring(2).poll(0, 3, (0, 0), (1, 1)).fence(3)
    ),
    "a transaction of which compaction took what was superseded": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=1, transaction="t")
            .send(1, 1, key=2, transaction="t")
            .ends("t")
            .send(2, 3, key=1)
            .poll(0, 4, (1, 1), (3, 2))
            .fence(4)
        )
    ),
    "a member that was handed nothing says again where its group stood, which nobody knows for certain": (
        lambda: (
            both(Story())
            .reads(9, mode="subscribe", group="g")
            .reads(8, mode="subscribe", group="g")
            .poll(0, 1, (0, 0))
            .commits(1, "unknown")
            .commits(1, reader=8)
            .poll(0, 2, (0, 0), (1, 1), reader=7)
            .fence(2)
        )
    ),
    "a member says again where a transaction had brought its group": (
        lambda: (
            Story()
            .send(0, 0, partition=7)
            .poll(0, 1, (0, 0), partition=7, transaction="a")
            .ends("a", consumed=((0, 1),))
            .commits(1, reader=8, partition=7)
        )
    ),
    "a member that sought to a place and commits it": (
        lambda: (
            both(Story())
            .reads(9, group="g")
            .moves("seek")
            .commits(2)
            .poll(0, 2, (0, 0), (1, 1), reader=7)
            .fence(2)
        )
    ),
    "a member that commits nothing before it was handed anything": (
        lambda: both(Story()).reads(9, group="g").commits(0).poll(0, 2, (0, 0), (1, 1)).fence(2)
    ),
    "an open transaction holds back what lies above it for no longer than may be": (
        lambda: held_back(fresh_ns=15).poll(0, 3, (0, 0), (1, 1)).fence(3)
    ),
    "what a transaction holds itself need not be shown before its commit": (
        lambda: (
            Story(fresh_ns=0)
            .poll(0, 0)
            .send(0, 0, transaction="t")
            .poll(0, 0)
            .ends("t", t=(10**6, 10**6 + 1))
            .poll(0, 2, (0, 0), t=(10**6 + 2, 10**6 + 3))
            .fence(2)
        )
    ),
    "a group that goes on as fast as it must": (
        lambda: (
            both(Story(fresh_ns=30))
            .reads(9, group="g")
            .poll(0, 1, (0, 0))
            .commits(1)
            .poll(1, 2, (1, 1))
            .commits(2)
            .poll(0, 2, (0, 0), (1, 1), reader=8, t=(10**6, 10**6 + 1))
            .fence(2)
        )
    ),
    "a group that nothing waits for": (
        lambda: (
            Story(fresh_ns=0)
            .reads(9, group="g")
            .send(0, 0)
            .poll(0, 1, (0, 0))
            .commits(1)
            .send(1, outcome="unknown")
            .poll(0, 1, (0, 0), reader=8, t=(10**6, 10**6 + 1))
            .fence(1)
        )
    ),
    "a reader that was handed nothing where nothing is": (
        lambda: Story(fresh_ns=0).poll(0, 0, t=(1, 10**6)).send(0, 0).poll(0, 1, (0, 0)).fence(1)
    ),
    "a group that began above what is visible, and said so": (
        lambda: (
            Story()
            .send(0, 0, partition=7)
            .send(1, 1, partition=7)
            .poll(0, 2, (0, 0), (1, 1), partition=7, reader=8)
            .poll(1, 2, (1, 1), partition=7, transaction="a")
            .ends("a", consumed=((1, 2),))
        )
    ),
    "a group that committed by itself before its transactions": (
        lambda: (
            Story()
            .reads(9, group="g")
            .send(0, 0, partition=7)
            .send(1, 1, partition=7)
            .poll(0, 2, (0, 0), (1, 1), partition=7)
            .commits(1, partition=7)
            .ends("a", consumed=((1, 2),))
        )
    ),
    "a log that begins where the group does": (
        lambda: (
            Story()
            .send(0, 5, partition=7)
            .poll(5, 6, (5, 0), partition=7)
            .ends("a", consumed=((5, 6),))
            .fence(6, first=5, partition=7)
        )
    ),
    "a transaction that consumed nothing": (
        lambda: (
            Story().send(0, 0).poll(0, 1, (0, 0)).ends("a", consumed=((0, 3),)).ends("b", consumed=((2, 2),))
        )
    ),
}
