"""The hash of an id is the documented one, the same wherever it is computed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.fingerprint import MODULUS, id_hashes, values_of

WORD = 1 << 64
KNOWN = {
    (0, 0, 0): 0,
    (0, 0, 1): 1617474347609096828,
    (1, 2, 3): 253836112004575144,
    (7, 11, 4_000_000_000): 1869628073561095520,
    (2**31 - 1, 2**31 - 1, 2**63 - 1): 671030188677231798,
    (-1, -1, -1): 20331258123018876,
}


def by_hand(producer: int, partition: int, sequence: int) -> int:
    """The hash as the module's docstring has it, with Python's integers."""
    x = producer * 0x9E3779B97F4A7C15 ^ partition * 0xC2B2AE3D27D4EB4F ^ sequence * 0x165667B19E3779F9
    x %= WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB % WORD
    return (x ^ x >> 31) >> 3


@given(
    rows=st.lists(
        st.tuples(st.integers(-1, 2**31 - 1), st.integers(-1, 2**31 - 1), st.integers(-1, 2**63 - 1)),
        min_size=1,
    )
)
def test_hashes_are_the_documented_ones(rows: list[tuple[int, int, int]]) -> None:
    """Columns of ids, and one producer's batch, hash as written down."""
    producer, partition, sequence = np.asarray(rows, dtype=np.int64).T
    expected = [by_hand(*row) for row in rows]
    first = rows[0]

    assert expected == id_hashes(producer, partition, sequence).tolist()
    assert [by_hand(*first[:2], s) for _, _, s in rows] == id_hashes(*first[:2], sequence).tolist()
    assert all(0 <= one < MODULUS for one in expected)


def test_known_hashes() -> None:
    """A few ids with their hashes, to hold another implementation against."""
    assert KNOWN == {one: int(id_hashes(*one[:2], np.asarray(one[2:]))[0]) for one in KNOWN}


def test_values_spread() -> None:
    """Readings stay in their range and use all of it."""
    values = values_of(id_hashes(3, 5, np.arange(200_000)))

    assert (int(values.min()), int(values.max())) == (0, 9_999)
    assert len(np.unique(values)) == 10_000
