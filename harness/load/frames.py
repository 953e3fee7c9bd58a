"""Record ids as bytes: what every record of a load carries, so that it proves by itself where it belongs.

Layout of a value, little endian, no gaps:

======  =====  ==========================================================
offset  bytes  field
======  =====  ==========================================================
0       4      magic: ``EHRC`` a record of the load, ``EHFN`` a sentinel of the reader's fence
4       1      layout version, 1
5       3      zero
8       8      run tag: the first 8 bytes of SHA-256 of the run id
16      4      topic tag: the first 4 bytes of SHA-256 of the topic's name
20      4      producer (incarnation)
24      4      partition
28      8      sequence, dense per producer and partition
36      8      intended send instant, CLOCK_MONOTONIC nanoseconds
44      n      padding: the run's own fixed bytes, so that a record has ``record_bytes``
44+n    4      CRC-32 (zlib) of everything before it
======  =====  ==========================================================

Invariant: encoding is a pure function of the fields. The Kafka client's own checksum covers
a batch on the wire and not the topic it lands in; this one goes with the record to the end.

Speed: records of one batch differ in the sequence only, and CRC-32 is affine over GF(2), so a
batch costs one CRC plus one table look-up per sequence byte instead of one CRC per record.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.ledger.scan import Flags, Ints, Records
from harness.model import ReadState

RECORD_MAGIC = b"EHRC"
SENTINEL_MAGIC = b"EHFN"
VERSION = 1
MIN_RECORD_BYTES = 48

_HEADER = np.dtype(
    [
        ("magic", "S4"),
        ("version", "u1"),
        ("zero", "V3"),
        ("run", "<u8"),
        ("topic", "<u4"),
        ("producer", "<i4"),
        ("partition", "<i4"),
        ("sequence", "<i8"),
        ("intended", "<i8"),
    ]
)
_CRC_BYTES = 4
_SEQUENCE_AT = 28
_SEQUENCE_BYTES = 8
# What zlib.crc32 yields over any message followed by its own little-endian CRC-32.
_RESIDUE = 0x2144DF1C

_Bytes = npt.NDArray[np.uint8]
_Words = npt.NDArray[np.uint32]


def run_tag(run_id: str) -> int:
    """The 64 bits that name a run inside its records."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "little")


def topic_tag(topic: str) -> int:
    """The 32 bits that name a topic inside its records."""
    return int.from_bytes(hashlib.sha256(topic.encode()).digest()[:4], "little")


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one run on one topic: encodes its records, tells them from all others.

    Args:
        run_id: whose records they are.
        topic: where they belong.
        record_bytes: the size of a value, at least ``MIN_RECORD_BYTES``.
    """

    run_id: str
    topic: str
    record_bytes: int

    def __post_init__(self) -> None:
        assert self.record_bytes >= MIN_RECORD_BYTES, f"a frame needs {MIN_RECORD_BYTES} bytes"

    def encode_batch(
        self, *, producer: int, partition: int, first_sequence: int, count: int, t_intended: int
    ) -> list[bytes]:
        """The values of *count* records from *first_sequence* on, in order."""
        first = self._body(RECORD_MAGIC, producer, partition, 0, t_intended)
        whole = np.empty((count, self.record_bytes), dtype=np.uint8)
        whole[:, :-_CRC_BYTES] = np.frombuffer(first, dtype=np.uint8)
        sequences = np.arange(first_sequence, first_sequence + count, dtype="<i8")
        digits = sequences.view(np.uint8).reshape(count, _SEQUENCE_BYTES)
        whole[:, _SEQUENCE_AT : _SEQUENCE_AT + _SEQUENCE_BYTES] = digits
        crcs = _crcs(zlib.crc32(first), digits, self.record_bytes - _CRC_BYTES)
        whole[:, -_CRC_BYTES:] = crcs.astype("<u4").view(np.uint8).reshape(count, _CRC_BYTES)
        values: list[bytes] = whole.view(f"V{self.record_bytes}").ravel().tolist()
        return values

    def sentinel(self, partition: int) -> bytes:
        """The value that the reader writes behind the load and reads up to."""
        body = self._body(SENTINEL_MAGIC, -1, partition, -1, 0)
        return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")

    def decode_many(self, values: Sequence[bytes | None], partition: int) -> Records:
        """The records in *values*, which came back from *partition* of this topic."""
        lengths = np.fromiter(
            (-1 if value is None else len(value) for value in values), np.int64, len(values)
        )
        found = _blank(len(values))
        for length in np.unique(lengths[lengths >= MIN_RECORD_BYTES]).tolist():
            where = np.flatnonzero(lengths == length)
            chosen = values if len(where) == len(values) else [values[index] for index in where.tolist()]
            self._decode_equal(
                [value for value in chosen if value is not None], length, partition, found, where
            )
        return found

    def _decode_equal(
        self, values: list[bytes], length: int, partition: int, into: Records, where: Ints
    ) -> None:
        """Decode *values*, all of one *length*, into the entries *where* of *into*."""
        header = headers(values, length)
        crcs = np.fromiter(map(zlib.crc32, values), np.uint32, len(values))
        sentinel = header["magic"] == SENTINEL_MAGIC
        ours = (header["run"] == run_tag(self.run_id)) & (header["version"] == VERSION)
        ours &= sentinel | (header["magic"] == RECORD_MAGIC)
        intact = crcs == _RESIDUE
        right_topic = header["topic"] == topic_tag(self.topic)
        right_place = right_topic & (header["partition"] == partition)
        into.state[where] = _states(header, ours=ours, intact=intact, right_place=right_place)
        into.sentinel[where] = sentinel & ours & intact & right_place
        parsed = (into.state[where] != ReadState.FOREIGN) & ~into.sentinel[where]
        into.producer[where] = np.where(parsed, header["producer"], -1)
        into.partition[where] = np.where(parsed & right_topic, header["partition"], -1)
        into.sequence[where] = np.where(parsed, header["sequence"], -1)
        into.t_intended[where] = np.where(parsed, header["intended"], -1)

    def _body(self, magic: bytes, producer: int, partition: int, sequence: int, t_intended: int) -> bytes:
        """A value without its CRC."""
        header = np.zeros((), dtype=_HEADER)
        header["magic"], header["version"] = magic, VERSION
        header["run"], header["topic"] = run_tag(self.run_id), topic_tag(self.topic)
        header["producer"], header["partition"] = producer, partition
        header["sequence"], header["intended"] = sequence, t_intended
        return header.tobytes() + _padding(self.run_id, self.record_bytes - MIN_RECORD_BYTES)


def headers(values: Sequence[bytes], length: int) -> npt.NDArray[np.void]:
    """The header fields of *values*, all of which have *length* ≥ ``MIN_RECORD_BYTES`` bytes; unverified."""
    flat = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), length)
    fields: npt.NDArray[np.void] = np.ascontiguousarray(flat[:, : _HEADER.itemsize]).view(_HEADER).ravel()
    return fields


def _blank(count: int) -> Records:
    """*count* records of which nothing is known: foreign."""
    producer, partition, sequence, t_intended = np.full((4, count), -1, dtype=np.int64)
    state = np.full(count, ReadState.FOREIGN, dtype=np.int64)
    return Records(producer, partition, sequence, t_intended, state, np.zeros(count, dtype=np.bool_))


def _states(header: npt.NDArray[np.void], *, ours: Flags, intact: Flags, right_place: Flags) -> Ints:
    """What each record is.

    A damaged record is CORRUPT when its magic still says that it is a frame: damage to the
    run tag must not turn a record of ours into somebody else's.
    """
    framed = (header["magic"] == RECORD_MAGIC) | (header["magic"] == SENTINEL_MAGIC)
    conditions = [framed & ~intact, ~ours, ~right_place]
    states = [ReadState.CORRUPT, ReadState.FOREIGN, ReadState.MISROUTED]
    return np.select(conditions, states, ReadState.GOOD).astype(np.int64)


@lru_cache(maxsize=8)
def _padding(run_id: str, length: int) -> bytes:
    return hashlib.shake_128(f"padding/{run_id}".encode()).digest(length)


def _crcs(crc_of_first: int, digits: _Bytes, length: int) -> _Words:
    """The CRC of each message of *length* bytes that differs from the first in *digits* only."""
    table = _sequence_table(length)
    crcs = np.full(len(digits), crc_of_first, dtype=np.uint32)
    for column in range(_SEQUENCE_BYTES):
        crcs ^= table[column][digits[:, column]]
    return crcs


@lru_cache(maxsize=8)
def _sequence_table(length: int) -> _Words:
    """What each value of each sequence byte adds, by exclusive or, to the CRC of *length* bytes."""
    table = np.zeros((_SEQUENCE_BYTES, 256), dtype=np.uint32)
    zero = zlib.crc32(bytes(length))
    for column in range(_SEQUENCE_BYTES):
        for value in range(256):
            message = bytearray(length)
            message[_SEQUENCE_AT + column] = value
            table[column, value] = zlib.crc32(message) ^ zero
    return table
