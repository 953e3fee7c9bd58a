"""Small hand-written histories that some correct cluster can produce."""

from __future__ import annotations

from harness.history.operations import Delivered
from harness.tests.anomalies.planted import Telling, both, declaring, in_transaction, three
from harness.tests.anomalies.told import Story

LEGAL: dict[str, Telling] = {
    "all came back": lambda: both(Story()).poll(0, 2, (0, 0), (1, 1)).fence(2),
    "half of a transfer that nobody ended, shown to a reader of everything": lambda: (
        Story(conserved=True)
        .reads(reader=8, isolation="uncommitted")
        .send(0, 0, transaction="t", value=5)
        .send(1, 1, transaction="t", value=-5)
        .ends("t")
        .send(2, 3, transaction="open", value=7)
        .poll(0, 5, (0, 0), (1, 1))
        .poll(0, 5, (0, 0), (1, 1), (3, 2), reader=8)
        .fence(5)
    ),
    "undecided and not there": lambda: (
        Story().send(0, outcome="unknown").send(1, 0).poll(0, 1, (0, 1)).fence(1)
    ),
    "undecided and there": lambda: Story().send(0, outcome="unknown").poll(0, 1, (0, 0)).fence(1),
    "attempted twice, there twice": (
        lambda: Story().send(0, outcome="unknown").send(0, 1).poll(0, 2, (0, 0), (1, 0)).fence(2)
    ),
    "refused, sent again, and there": (
        lambda: Story().send(0, outcome="fail").send(0, 0).poll(0, 1, (0, 0)).fence(1)
    ),
    "aborted, then refused, and shown to a reader of everything": (
        lambda: (
            Story()
            .reads(9, isolation="uncommitted")
            .send(0, 0, transaction="t")
            .ends("t", "abort")
            .send(0, outcome="fail")
            .send(1, 2)
            .poll(0, 3, (0, 0), (2, 1))
            .fence(3)
        )
    ),
    "aborted and sent again, both shown to readers of everything": (
        lambda: (
            in_transaction("abort")
            .send(0, 3, transaction="u")
            .ends("u")
            .reads(8, isolation="uncommitted")
            .poll(0, 5, (0, 0), (1, 1), (3, 0), reader=8)
            .poll(0, 5, (3, 0))
            .fence(5)
        )
    ),
    "of a transaction that nobody asked to commit, not shown": (
        lambda: (
            Story()
            .send(0, 0, transaction="t")
            .send(1, 1)
            .reads(8, isolation="uncommitted")
            .poll(0, 2, (0, 0), (1, 1), reader=8)
            .poll(0, 0)
            .fence(2)
        )
    ),
    "shown, and expired later": (
        lambda: (
            three(Story(cleanup="delete"))
            .poll(0, 3, (0, 0), (1, 1), (2, 2))
            .poll(1, 3, (1, 1), (2, 2), reader=8)
            .fence(3, first=1)
        )
    ),
    "expired before anybody looked": (
        lambda: three(Story(cleanup="delete")).poll(1, 3, (1, 1), (2, 2)).fence(3, first=1)
    ),
    "another leader gave an offset again, where logs may be truncated": (
        lambda: (
            Story(acks="1", idempotent=False)
            .send(0, outcome="unknown", epoch=3)
            .send(1, 0, epoch=4)
            .delivered(0, 1, Delivered(offset=0, producer=1, sequence=0, epoch=3))
            .delivered(0, 1, Delivered(offset=0, producer=1, sequence=1, epoch=4), reader=8)
            .fence(1)
        )
    ),
    "a tombstone and the values that it ended are gone": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=1)
            .send(1, 1, key=1, value=None)
            .send(2, 2, key=2)
            .poll(0, 3, (2, 2))
            .fence(3)
        )
    ),
    "a slow reader saw a value, and neither its tombstone later": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=1)
            .send(1, 1, key=1, value=None)
            .send(2, 2, key=2)
            .poll(0, 1, (0, 0))
            .poll(1, 3, (2, 2))
            .fence(3)
        )
    ),
    "the older value of a key is passed over under compaction": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=1)
            .send(1, 1, key=1)
            .poll(0, 2, (0, 0), (1, 1), reader=8)
            .poll(0, 2, (1, 1))
            .fence(2)
        )
    ),
    "an aborted transaction, not shown": lambda: (
        in_transaction("abort").send(2, 3).poll(0, 4, (3, 2)).fence(4)
    ),
    "an aborted transaction, shown to a reader of everything": (
        lambda: in_transaction("abort").reads(9, isolation="uncommitted").poll(0, 2, (0, 0), (1, 1)).fence(2)
    ),
    "aborted, and sent again in another transaction": (
        lambda: in_transaction("abort").send(0, 3, transaction="u").ends("u").poll(0, 5, (3, 0)).fence(5)
    ),
    "a commit that nobody knows the end of, and nothing there": (
        lambda: in_transaction("commit", "unknown").send(2, 3).poll(0, 4, (3, 2)).fence(4)
    ),
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
    "a reader sought back": (
        lambda: both(Story()).poll(0, 2, (0, 0), (1, 1)).moves("seek").poll(0, 1, (0, 0)).fence(2)
    ),
    "a subscriber was given it back lower": (
        lambda: (
            both(Story()).reads(9, mode="subscribe").poll(0, 2, (0, 0), (1, 1)).poll(0, 1, (0, 0)).fence(2)
        )
    ),
    "a new owner of what nobody had committed": (
        lambda: (
            both(Story())
            .reads(9, mode="subscribe", group="g")
            .reads(8, mode="subscribe", group="g")
            .poll(0, 2, (0, 0), (1, 1))
            .commits(1)
            .poll(1, 2, (1, 1), reader=8)
            .fence(2)
        )
    ),
    "a commit without an answer leaves both possible": (
        lambda: (
            both(Story())
            .reads(9, mode="subscribe", group="g")
            .reads(8, mode="subscribe", group="g")
            .poll(0, 1, (0, 0))
            .commits(1)
            .poll(1, 2, (1, 1))
            .commits(2, "unknown")
            .poll(1, 2, (1, 1), reader=8)
            .fence(2)
        )
    ),
    "a member commits again where another one had brought its group": (
        lambda: (
            both(Story())
            .reads(9, mode="subscribe", group="g")
            .reads(8, mode="subscribe", group="g")
            .poll(0, 1, (0, 0))
            .commits(1)
            .poll(1, 2, (1, 1), reader=8)
            .commits(2, reader=8)
            .commits(2)
            .fence(2)
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
    "a group that began above what was there already": (
        lambda: (
            three(Story())
            .reads(9, mode="subscribe", group="g")
            .poll(2, 3, (2, 2))
            .commits(3)
            .poll(0, 3, (0, 0), (1, 1), (2, 2), reader=7)
            .fence(3)
        )
    ),
    "a group whose member sought forward": (
        lambda: (
            three(Story())
            .reads(9, group="g")
            .poll(0, 1, (0, 0))
            .moves("seek")
            .poll(2, 3, (2, 2))
            .commits(3)
            .poll(0, 3, (0, 0), (1, 1), (2, 2), reader=7)
            .fence(3)
        )
    ),
    "a group that left out what compaction took": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=3)
            .send(1, 1, key=3)
            .poll(0, 2, (0, 0), (1, 1), reader=7)
            .reads(9, group="g")
            .poll(0, 2, (1, 1))
            .commits(2)
            .fence(2)
        )
    ),
    "a reader that begins late has everything before it": (
        lambda: three(Story(fresh_ns=0)).poll(0, 1, (0, 0)).poll(1, 3, (1, 1), (2, 2)).fence(3)
    ),
    "a reader that was handed all that was visible": (
        lambda: both(Story(fresh_ns=0).poll(0, 0)).poll(0, 2, (0, 0), (1, 1)).poll(2, 2).fence(2)
    ),
    "a new reader in the place of one that had kept up": (
        lambda: (
            both(Story(fresh_ns=0).poll(0, 0)).moves("crash").poll(0, 1, (0, 0)).poll(1, 2, (1, 1)).fence(2)
        )
    ),
    "an open transaction holds back what lies above it": (
        lambda: (
            Story(fresh_ns=0)
            .poll(0, 0)
            .send(0, 0, transaction="t")
            .send(1, 1)
            .poll(0, 0)
            .ends("t")
            .poll(0, 3, (0, 0), (1, 1))
            .fence(3)
        )
    ),
    "and so does one whose record nobody can place": (
        lambda: (
            Story(fresh_ns=0)
            .poll(0, 0)
            .send(0, outcome="unknown", transaction="t")
            .send(1, 1)
            .poll(0, 0)
            .ends("t", "abort")
            .poll(0, 3, (1, 1))
            .fence(3)
        )
    ),
    "an aborted record is never visible": (
        lambda: in_transaction("abort", begun=True, fresh_ns=0).poll(0, 0).poll(0, 3).fence(3)
    ),
    "superseded under compaction": (
        lambda: Story(cleanup="compact").send(0, 0, key=3).send(1, 1, key=3).poll(0, 2, (1, 1)).fence(2)
    ),
    "a tombstone that is gone": (
        lambda: (
            Story(cleanup="compact")
            .send(0, 0, key=3, value=None)
            .send(1, 1, key=4)
            .poll(0, 2, (1, 1))
            .fence(2)
        )
    ),
    "a hole that an undecided transaction may have consumed": (
        lambda: (
            Story()
            .send(0, 2, partition=7)
            .poll(2, 3, (2, 0), partition=7)
            .ends("a", consumed=((0, 2),))
            .ends("b", outcome="unknown", consumed=((2, 3),))
            .ends("c", consumed=((3, 5),))
        )
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
    "a transfer": (
        lambda: (
            Story(conserved=True)
            .send(0, 0, value=-5, transaction="t")
            .send(1, 1, value=5, transaction="t")
            .ends("t")
            .poll(0, 3, (0, 0), (1, 1))
            .fence(3)
        )
    ),
    "overlapping sends in either order": (
        lambda: (
            Story()
            .send(0, 1, t=(1, 100))
            .send(0, 0, producer=2, t=(2, 99))
            .delivered(
                0,
                2,
                Delivered(offset=0, producer=2, sequence=0),
                Delivered(offset=1, producer=1, sequence=0),
                t=(200, 201),
            )
        )
    ),
}
