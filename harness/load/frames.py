"""Record ids as bytes: what every record of a load carries, so that it proves by itself where it belongs.

Layout of a value, little endian, no gaps:

======  =====  ==========================================================
offset  bytes  field
======  =====  ==========================================================
0       4      magic: ``EHRC`` a record of the load, ``EHFN`` a sentinel of the reader's fence
4       1      layout version, 2
5       3      zero
8       8      run tag: the first 8 bytes of SHA-256 of the run id
16      4      topic tag: the first 4 bytes of SHA-256 of the topic's name
20      4      producer (incarnation)
24      4      partition
28      8      sequence, dense per producer and partition
36      8      intended send instant, CLOCK_MONOTONIC nanoseconds
44      4      key number; the record's Kafka key is ``key-%08d`` of it
48      8      event time, milliseconds since 1970
56      4      value: the reading, 0 … 9999, a function of the id (``harness.ledger.fingerprint``)
60      n      padding: the run's own fixed bytes, so that a record has ``record_bytes``
60+n    4      CRC-32 (zlib) of everything before it
======  =====  ==========================================================

A sentinel has producer, sequence and key -1 and value 0; it is control, not a record.

Invariant: encoding is a pure function of the fields. The Kafka client's own checksum covers
a batch on the wire and not the topic it lands in; this one goes with the record to the end.

Speed: records of one batch differ in few bytes, and CRC-32 is affine over GF(2), so a batch
costs one CRC plus one table look-up per byte that differs instead of one CRC per record.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.ledger.fingerprint import HIGHEST_VALUE, id_hashes, values_of
from harness.ledger.scan import FLAWS, Flags, Ints, Readings, Records
from harness.model import ReadState

RECORD_MAGIC = b"EHRC"
SENTINEL_MAGIC = b"EHFN"
VERSION = 2
MIN_RECORD_BYTES = 64

_FIELDS = [
    ("magic", "S4"),
    ("version", "u1"),
    ("zero", "V3"),
    ("run", "<u8"),
    ("topic", "<u4"),
    ("producer", "<i4"),
    ("partition", "<i4"),
    ("sequence", "<i8"),
    ("intended", "<i8"),
    ("key", "<i4"),
    ("event_ms", "<i8"),
    ("value", "<i4"),
]
_HEADER = np.dtype(_FIELDS)
_PACKED = struct.Struct("<4sB3xQIiiqqiqi")
_CRC_BYTES = 4
_DIFFERING = slice(28, _HEADER.itemsize)
"""Where the records of one batch may differ: sequence to value."""

# What zlib.crc32 yields over any message followed by its own little-endian CRC-32.
_RESIDUE = 0x2144DF1C

_Bytes = npt.NDArray[np.uint8]
_Words = npt.NDArray[np.uint32]


@lru_cache(maxsize=64)
def run_tag(run_id: str) -> int:
    """The 64 bits that name a run inside its records."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "little")


@lru_cache(maxsize=64)
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
        self,
        *,
        producer: int,
        partition: int,
        first_sequence: int,
        count: int,
        t_intended: int,
        key: Ints | int = 0,
        event_ms: Ints | int = 1,
        value: Ints | None = None,
    ) -> list[bytes]:
        """The values of *count* records from *first_sequence* on, in order.

        Args:
            key: the key number of each, or of all.
            event_ms: the event time of each, or of all.
            value: the reading of each; what the id says unless given.
        """
        sequence = np.arange(first_sequence, first_sequence + count, dtype=np.int64)
        whole = np.empty((count, self.record_bytes), dtype=np.uint8)
        whole[:, :-_CRC_BYTES] = np.frombuffer(
            self._body(RECORD_MAGIC, producer, partition, t_intended), dtype=np.uint8
        )
        fields = whole.view(_record_type(self.record_bytes)).ravel()
        fields["sequence"], fields["key"], fields["event_ms"] = sequence, key, event_ms
        fields["value"] = values_of(id_hashes(producer, partition, sequence)) if value is None else value
        fields["crc"] = _crcs(whole[:, :-_CRC_BYTES])
        values: list[bytes] = whole.view(f"V{self.record_bytes}").ravel().tolist()
        return values

    def sentinel(self, partition: int, event_ms: int = 0) -> bytes:
        """The value that the reader writes behind the load and reads up to.

        An *event_ms* above 0 moves the job's clock on to it, and so closes every window before.
        """
        body = self._body(SENTINEL_MAGIC, -1, partition, 0, sequence=-1, key=-1, event_ms=event_ms)
        return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")

    def decode_many(self, values: Sequence[bytes | None], partition: int) -> Records:
        """The records in *values*, which came back from *partition* of this topic."""
        return self.decode(values, partition)[0]

    def decode_readings(self, values: Sequence[bytes | None], partition: int) -> Readings:
        """What *values* carry, and what the job has to make of each."""
        return self.decode(values, partition)[1]

    def decode(self, values: Sequence[bytes | None], partition: int) -> tuple[Records, Readings]:
        """Both of the above in one pass."""
        lengths = np.fromiter(
            (-1 if value is None else len(value) for value in values), np.int64, len(values)
        )
        found, read = _blank(len(values)), _unread(len(values))
        for length in np.unique(lengths[lengths >= MIN_RECORD_BYTES]).tolist():
            where = np.flatnonzero(lengths == length)
            chosen = values if len(where) == len(values) else [values[index] for index in where.tolist()]
            whole = [value for value in chosen if value is not None]
            header = headers(whole, length)
            intact = np.fromiter(map(zlib.crc32, whole), np.uint32, len(whole)) == _RESIDUE
            self._decode_equal(header, intact, partition, found, where)
            _read_equal(header, intact, read, where)
        return found, read

    def _decode_equal(
        self, header: npt.NDArray[np.void], intact: Flags, partition: int, into: Records, where: Ints
    ) -> None:
        """Decode the records of these headers into the entries *where* of *into*."""
        sentinel = header["magic"] == SENTINEL_MAGIC
        ours = (header["run"] == run_tag(self.run_id)) & (header["version"] == VERSION)
        ours &= sentinel | (header["magic"] == RECORD_MAGIC)
        right_topic = header["topic"] == topic_tag(self.topic)
        right_place = right_topic & (header["partition"] == partition)
        into.state[where] = _states(header, ours=ours, intact=intact, right_place=right_place)
        into.sentinel[where] = sentinel & ours & intact & right_place
        parsed = (into.state[where] != ReadState.FOREIGN) & ~into.sentinel[where]
        into.producer[where] = np.where(parsed, header["producer"], -1)
        into.partition[where] = np.where(parsed & right_topic, header["partition"], -1)
        into.sequence[where] = np.where(parsed, header["sequence"], -1)
        into.t_intended[where] = np.where(parsed, header["intended"], -1)

    def _body(
        self,
        magic: bytes,
        producer: int,
        partition: int,
        t_intended: int,
        *,
        sequence: int = 0,
        key: int = 0,
        event_ms: int = 0,
    ) -> bytes:
        """A record without its CRC, its value 0."""
        where, reading = (producer, partition, sequence, t_intended), (key, event_ms, 0)
        tags = (run_tag(self.run_id), topic_tag(self.topic))
        header = _PACKED.pack(magic, VERSION, *tags, *where, *reading)
        return header + _padding(self.run_id, self.record_bytes - MIN_RECORD_BYTES)


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


def _unread(count: int) -> Readings:
    """*count* records too short to say anything."""
    producer, sequence, key, event_ms, value = np.full((5, count), -1, dtype=np.int64)
    flaw = np.full(count, FLAWS.index("length"), dtype=np.int64)
    return Readings(producer, sequence, key, event_ms, value, flaw, np.zeros(count, dtype=np.bool_))


def _read_equal(header: npt.NDArray[np.void], intact: Flags, into: Readings, where: Ints) -> None:
    """Put what these headers carry into the entries *where* of *into*, judged in the job's order."""
    sentinel = header["magic"] == SENTINEL_MAGIC
    told = {
        "magic": ~sentinel & (header["magic"] != RECORD_MAGIC),
        "version": header["version"] != VERSION,
        "checksum": ~intact,
        "time": header["event_ms"] <= 0,
        "value": (header["value"] < 0) | (header["value"] > HIGHEST_VALUE),
    }
    flaw = np.select(list(told.values()), [FLAWS.index(name) for name in told], 0)
    control = sentinel & ~(told["version"] | told["checksum"])
    into.control[where] = control
    into.flaw[where] = np.where(control, 0, flaw)
    framed = ~(told["magic"] | told["version"])
    for name in ("producer", "sequence", "key", "event_ms", "value"):
        getattr(into, name)[where] = np.where(framed, header[name], -1)


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


@lru_cache(maxsize=8)
def _record_type(record_bytes: int) -> np.dtype[np.void]:
    """A whole record of *record_bytes* as fields."""
    padding = record_bytes - MIN_RECORD_BYTES
    return np.dtype([*_FIELDS, ("padding", f"V{padding}"), ("crc", "<u4")])


def _crcs(bodies: _Bytes) -> _Words:
    """The CRC of each row, which may differ from the first one in ``_DIFFERING`` only."""
    first = zlib.crc32(bodies[0].tobytes())
    differs = bodies[:, _DIFFERING].T.copy()
    differs ^= differs[:, :1].copy()
    table = _differences(bodies.shape[1])
    crcs = np.full(len(bodies), first, dtype=np.uint32)
    for column in np.flatnonzero(differs.any(axis=1)).tolist():
        crcs ^= table[column].take(differs[column])
    return crcs


@lru_cache(maxsize=8)
def _differences(length: int) -> _Words:
    """What a difference in each byte of ``_DIFFERING`` adds, by XOR, to the CRC of *length* bytes."""
    places = range(_DIFFERING.start, _DIFFERING.stop)
    table = np.zeros((len(places), 256), dtype=np.uint32)
    zero = zlib.crc32(bytes(length))
    for column, place in enumerate(places):
        for value in range(256):
            message = bytearray(length)
            message[place] = value
            table[column, value] = zlib.crc32(message) ^ zero
    return table
