"""What records carry: repeatable, within the bounds that were asked for, and in the asked shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import BadInput
from harness.ledger.fingerprint import id_hashes, values_of
from harness.load.plan import LoadPlan
from harness.load.readings import Carried, Readings
from harness.load.request import LoadRequest
from harness.model import Irregularities

ZERO_MS = 1_700_000_000_000


def plan(seed: int = 1, **irregular: object) -> LoadPlan:
    """A plan of four partitions, ten keys and three producers, the first of which has number 30."""
    return LoadPlan(
        run_id="run-1",
        topic="orders",
        partitions=4,
        bootstrap="127.0.0.1:9092",
        ledger=Path("ledger"),
        samples=Path("samples"),
        keys=10,
        producers=3,
        first_producer=30,
        seed=seed,
        wall_at_zero_ms=ZERO_MS,
        irregular=Irregularities.model_validate(irregular),
    )


def carried(made: LoadPlan, *, producer: int = 30, first: int = 0, count: int = 1_000) -> Carried:
    """One batch for partition 1, intended at 5 s."""
    return Readings(made, producer).of_batch(1, first, count, 5_000_000_000)


def times(made: LoadPlan, *, producer: int = 30, batches: int = 400) -> np.ndarray:
    """How far the event times of many batches of ten lie behind the wall clock, in milliseconds."""
    found = [carried(made, producer=producer, first=10 * n, count=10).event_ms for n in range(batches)]
    return ZERO_MS + 5_000 - np.concatenate([np.broadcast_to(one, 10) for one in found])


def test_a_regular_record_carries_its_key_its_instant_and_its_reading() -> None:
    """Keys go round as Kafka's keys do, the time is the intended one, the value is the id's."""
    made = plan()
    found = carried(made, first=3, count=4)
    keys = made.keys_of(1)

    assert [b"key-%08d" % number for number in found.key.tolist()] == [
        keys[n % len(keys)] for n in range(3, 7)
    ]
    assert found.event_ms == ZERO_MS + 5_000
    assert found.value.tolist() == values_of(id_hashes(30, 1, np.arange(3, 7))).tolist()


def test_disorder_stays_within_its_bound_and_uses_it() -> None:
    """Event times are 0 … disorder_ms old, both ends included."""
    behind = times(plan(disorder_ms=20))

    assert set(behind.tolist()) == set(range(21))


def test_a_share_of_the_batches_is_late() -> None:
    """About the asked share of batches lies late_by_ms back, whole batches at a time."""
    behind = times(plan(late_share=0.25, late_by_ms=9_000)).reshape(-1, 10)

    assert set(behind.ravel().tolist()) == {0, 9_000}
    assert (behind == behind[:, :1]).all()
    assert 0.15 < (behind[:, 0] == 9_000).mean() < 0.35


def test_each_producer_has_its_own_clock() -> None:
    """A skew belongs to a producer through all its lives; one without a skew is right."""
    made = plan(clock_skew_ms=(0, -3_000))
    behind = {number: int(times(made, producer=number, batches=1)[0]) for number in (30, 31, 32, 34)}

    assert behind == {30: 0, 31: 3_000, 32: 0, 34: 3_000}


def test_poison_is_half_bad_values_half_bad_times() -> None:
    """About the asked share of records is poisoned, by its value or its time, never by both."""
    found = carried(plan(poison_share=0.1), count=20_000)
    bad_value, bad_time = found.value == -1, np.asarray(found.event_ms) == 0

    assert not (bad_value & bad_time).any()
    assert 0.04 < bad_value.mean() < 0.06
    assert 0.04 < bad_time.mean() < 0.06


def test_the_same_seed_repeats_and_another_does_not() -> None:
    """What is irregular is a function of the plan, seed included, and not of how records are batched."""
    irregular = {"disorder_ms": 500, "poison_share": 0.2}
    one, two, other = (carried(plan(seed, **irregular)) for seed in (1, 1, 2))
    halves = [carried(plan(1, **irregular), first=first, count=500) for first in (0, 500)]

    assert np.array_equal(one.event_ms, two.event_ms)
    assert np.array_equal(one.value, np.concatenate([half.value for half in halves]))
    assert not np.array_equal(one.event_ms, other.event_ms)


def test_nonsense_is_refused_in_a_sentence() -> None:
    """A share above one is bad input that names the option."""
    with pytest.raises(BadInput, match="poison_share of the load does not fit"):
        assert LoadRequest(1.0, poison_share=1.5).irregular
