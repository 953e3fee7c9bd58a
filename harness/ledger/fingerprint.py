"""Record ids as numbers: the 61-bit hash whose sum over a window is the window's fingerprint.

The Flink job computes the same hash from the same three numbers, so two sides that never
exchange ids can say whether they mean the same records: a window's fingerprint is the sum of
its ids' hashes modulo 2^61. One record missing or doubled moves it by that record's hash.

The hash of (producer, partition, sequence), all arithmetic modulo 2^64::

    x = producer * 0x9E3779B97F4A7C15 ^ partition * 0xC2B2AE3D27D4EB4F ^ sequence * 0x165667B19E3779F9
    x ^= x >> 30;  x *= 0xBF58476D1CE4E5B9
    x ^= x >> 27;  x *= 0x94D049BB133111EB
    x ^= x >> 31;  hash = x >> 3

A record's reading (``values_of``) is its hash modulo 10,000, so that a value that was changed
on the way is known without having been written down anywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

MODULUS = 1 << 61
"""Fingerprints are sums modulo this."""

HIGHEST_VALUE = 9_999
"""A reading is 0 … this."""

_PRODUCER = 0x9E3779B97F4A7C15
_PARTITION = 0xC2B2AE3D27D4EB4F
_SEQUENCE = np.uint64(0x165667B19E3779F9)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = (1 << 64) - 1


def id_hashes(producer: Ints | int, partition: Ints | int, sequence: Ints) -> Ints:
    """The 61-bit hash of each record id; scalars are shared by all records."""
    mixed = sequence.astype(np.uint64) * _SEQUENCE
    mixed ^= _times(producer, _PRODUCER) ^ _times(partition, _PARTITION)
    mixed ^= mixed >> np.uint64(30)
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    mixed >>= np.uint64(3)
    hashes: Ints = mixed.view(np.int64)
    return hashes


def values_of(hashes: Ints) -> Ints:
    """The reading, 0 … 9999, of each record whose id has this hash."""
    return hashes % (HIGHEST_VALUE + 1)


def _times(numbers: Ints | int, factor: int) -> npt.NDArray[np.uint64] | np.uint64:
    # Python's integers do not overflow, and a batch has one producer and one partition.
    if isinstance(numbers, int):
        return np.uint64(numbers * factor & _WORD)
    return numbers.astype(np.uint64) * np.uint64(factor)
