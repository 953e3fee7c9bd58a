"""Frames: what is encoded comes back, and whatever is not exactly that is told apart."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.fingerprint import id_hashes, values_of
from harness.ledger.scan import FLAWS
from harness.load.frames import MIN_RECORD_BYTES, Frames, run_tag, topic_tag
from harness.model import ReadState

FRAMES = Frames("run-1", "orders", 100)


def encoded(frames: Frames = FRAMES, *, partition: int = 3, count: int = 4) -> list[bytes]:
    """*count* records of producer 7 from sequence 250 on."""
    return frames.encode_batch(
        producer=7, partition=partition, first_sequence=250, count=count, t_intended=123_456_789
    )


def state_of(value: bytes | None, partition: int = 3, frames: Frames = FRAMES) -> ReadState:
    """What one value is taken for."""
    return ReadState(int(frames.decode_many([value], partition).state[0]))


def flaws(*values: bytes | None) -> list[str]:
    """What the job has to have against each value."""
    return [FLAWS[code] for code in FRAMES.decode_readings(values, 3).flaw.tolist()]


@given(
    producer=st.integers(0, 2**31 - 1),
    partition=st.integers(0, 2**31 - 1),
    first=st.integers(0, 2**62),
    count=st.integers(1, 40),
    t_intended=st.integers(0, 2**63 - 1),
    size=st.integers(MIN_RECORD_BYTES, 300),
)
def test_round_trip(
    *, producer: int, partition: int, first: int, count: int, t_intended: int, size: int
) -> None:
    """Every field of every record survives encoding and decoding, whatever its value."""
    frames = Frames("run-1", "orders", size)
    values = frames.encode_batch(
        producer=producer, partition=partition, first_sequence=first, count=count, t_intended=t_intended
    )
    found = frames.decode_many(values, partition)

    assert [size] * count == [len(value) for value in values]
    assert [producer] * count == found.producer.tolist()
    assert [partition] * count == found.partition.tolist()
    assert list(range(first, first + count)) == found.sequence.tolist()
    assert [t_intended] * count == found.t_intended.tolist()
    assert [ReadState.GOOD] * count == found.state.tolist()


def test_layout_is_the_documented_one() -> None:
    """The bytes lie where the module says, so that another program can read them."""
    value = encoded()[1]

    assert value[:4] == b"EHRC"
    assert value[4:8] == b"\x02\x00\x00\x00"
    assert run_tag("run-1") == int.from_bytes(value[8:16], "little")
    assert topic_tag("orders") == int.from_bytes(value[16:20], "little")
    assert int.from_bytes(value[20:24], "little") == 7
    assert int.from_bytes(value[24:28], "little") == 3
    assert int.from_bytes(value[28:36], "little") == 251
    assert int.from_bytes(value[36:44], "little") == 123_456_789
    assert int.from_bytes(value[44:48], "little") == 0
    assert int.from_bytes(value[48:56], "little") == 1
    assert int.from_bytes(value[56:60], "little") == values_of(id_hashes(7, 3, np.asarray([251])))[0]
    assert zlib.crc32(value[:-4]) == int.from_bytes(value[-4:], "little")


def test_encoding_is_deterministic() -> None:
    """Equal arguments give equal bytes."""
    assert encoded() == encoded()


@given(at=st.integers(0, 99), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(at: int, bit: int) -> None:
    """No single flipped bit leaves a record good; outside the magic it is known to be ours and corrupt."""
    damaged = bytearray(encoded()[0])
    damaged[at] ^= 1 << bit

    assert state_of(bytes(damaged)) is (ReadState.FOREIGN if at < 4 else ReadState.CORRUPT)


def test_cut_record_is_corrupt() -> None:
    """A record that lost its end still says whose it was, and is corrupt."""
    assert state_of(encoded()[0][:70]) is ReadState.CORRUPT


@pytest.mark.parametrize("value", [None, b"", b"hello", bytes(100), b"x" * 100])
def test_what_is_no_frame_is_foreign(value: bytes | None) -> None:
    """Tombstones and other people's records are foreign, whatever their length."""
    assert state_of(value) is ReadState.FOREIGN


def test_another_run_is_foreign() -> None:
    """An intact record of another run is foreign, not a phantom."""
    assert state_of(encoded(Frames("run-2", "orders", 100))[0]) is ReadState.FOREIGN


def test_misrouted_records_are_told_apart() -> None:
    """An intact record in a partition or topic that it does not name is misrouted."""
    other_topic = encoded(Frames("run-1", "bills", 100))[0]

    assert state_of(encoded(partition=2)[0], partition=3) is ReadState.MISROUTED
    assert state_of(other_topic) is ReadState.MISROUTED


def test_sentinel_is_marked_and_nothing_else_is() -> None:
    """The fence's sentinel is recognised, carries no sequence, and no load record passes for one."""
    found = FRAMES.decode_many([*encoded(count=2), FRAMES.sentinel(3)], 3)

    assert found.sentinel.tolist() == [False, False, True]
    assert found.sequence.tolist() == [250, 251, -1]


def test_mixed_lengths_keep_their_places() -> None:
    """Values of several lengths are decoded in the order in which they were given."""
    long = encoded(Frames("run-1", "orders", 200), count=1)[0]
    first, second = encoded(count=2)
    found = FRAMES.decode_many([first, b"?", long, second], 3)

    assert found.sequence.tolist() == [250, -1, 250, 251]
    assert found.state.tolist() == [ReadState.GOOD, ReadState.FOREIGN, ReadState.GOOD, ReadState.GOOD]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2**31 - 1), st.integers(1, 2**62), st.integers(0, 9_999)),
        min_size=1,
        max_size=30,
    ),
    size=st.integers(MIN_RECORD_BYTES, 300),
)
def test_readings_round_trip(rows: list[tuple[int, int, int]], size: int) -> None:
    """Key, event time and value of every record come back, in a frame whose checksum is right."""
    frames = Frames("run-1", "orders", size)
    key, event_ms, value = np.asarray(rows, dtype=np.int64).T
    values = frames.encode_batch(
        producer=7,
        partition=3,
        first_sequence=250,
        count=len(rows),
        t_intended=5,
        key=key,
        event_ms=event_ms,
        value=value,
    )
    records, readings = frames.decode(values, 3)

    assert records.state.tolist() == [ReadState.GOOD] * len(rows)
    assert rows == list(
        zip(readings.key.tolist(), readings.event_ms.tolist(), readings.value.tolist(), strict=True)
    )
    assert readings.sequence.tolist() == records.sequence.tolist()
    assert not readings.flaw.any()
    assert not readings.control.any()


def changed(at: int, raw: bytes) -> bytes:
    """A record with other bytes from *at* on, and the checksum that fits them."""
    body = bytearray(encoded()[0][:-4])
    body[at : at + len(raw)] = raw
    return bytes(body) + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "length"),
        (encoded()[0][:63], "length"),
        (b"x" * 100, "magic"),
        (changed(4, b"\x01"), "version"),
        (encoded()[0][:99] + b"!", "checksum"),
        (changed(48, bytes(8)), "time"),
        (changed(48, b"\xff" * 8), "time"),
        (changed(56, b"\xff" * 4), "value"),
        (changed(56, (10_000).to_bytes(4, "little")), "value"),
        (changed(56, (9_999).to_bytes(4, "little")), ""),
        (changed(8, bytes(12)), ""),
    ],
)
def test_a_flaw_is_the_first_that_the_job_finds(value: bytes | None, reason: str) -> None:
    """Length, magic, version, checksum, time, value, in this order; of another run is no flaw."""
    assert [reason] == flaws(value)


def test_several_flaws_are_told_by_the_first() -> None:
    """A record that is wrong in every way is told by what the job looks at first."""
    assert flaws(changed(48, bytes(8) + b"\xff" * 4)) == ["time"]
    assert flaws(b"x" * 63) == ["length"]


def test_only_an_intact_sentinel_is_control() -> None:
    """A sentinel is nobody's reading whatever its time; a damaged one has to be refused like a record."""
    sentinel = FRAMES.sentinel(3)
    found = FRAMES.decode_readings([sentinel, FRAMES.sentinel(3, 5), sentinel[:-1] + b"!"], 3)

    assert found.control.tolist() == [True, True, False]
    assert [FLAWS[code] for code in found.flaw.tolist()] == ["", "", "checksum"]
    assert found.event_ms.tolist() == [0, 5, 0]


@given(at=st.integers(0, 99), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(at: int, bit: int) -> None:
    """No single flipped bit leaves a record that the job would take."""
    damaged = bytearray(encoded()[0])
    damaged[at] ^= 1 << bit

    assert flaws(bytes(damaged)) != [""]
