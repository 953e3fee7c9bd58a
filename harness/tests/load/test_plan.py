"""The plan: it survives its file, refuses nonsense, and its schedule keeps the rate."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, takewhile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.load.plan import LoadPlan, Slot, slots
from harness.load.shapes import Ramp, Steps

SECOND = 1_000_000_000


def planned(**changes: object) -> LoadPlan:
    """A plan with *changes* to plain values."""
    plain: dict[str, object] = {
        "run_id": "run-1",
        "topic": "orders",
        "partitions": 4,
        "bootstrap": "127.0.0.1:9092",
        "ledger": Path("ledger"),
        "samples": Path("samples"),
    }
    return LoadPlan.model_validate(plain | changes)


def due(plan: LoadPlan, seconds: float, start: int = 0) -> list[Slot]:
    """Every slot of every producer in the first *seconds*, by instant."""
    end = start + round(seconds * SECOND)
    found = [
        slot
        for user in range(plan.producers)
        for slot in takewhile(lambda slot: slot.t_intended < end, slots(plan, user, start))
    ]
    return sorted(found, key=lambda slot: slot.t_intended)


def test_plan_survives_its_file() -> None:
    """A plan read back from its JSON is the same plan, shape and client settings included."""
    plan = planned(shape=Steps(levels=(1, 2), seconds=3), client={"acks": "1"})

    assert plan == LoadPlan.model_validate_json(plan.model_dump_json())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"record_bytes": 63}, "63 bytes"),
        ({"rate": -1.0}, "negative"),
        ({"partitions": 0}, "0 partitions"),
        ({"keys": 3}, "3 keys"),
        ({"producers": 0}, "0 producers"),
        ({"producers": 2, "processes": 3}, "3 processes"),
        ({"batch": -5}, "batch of -5"),
        ({"irregular": {"clock_skew_ms": (1, 2, 3)}}, "3 clocks"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, object], what: str) -> None:
    """A plan that makes no sense is bad input, with the offending value in the sentence."""
    with pytest.raises(BadInput, match=what):
        planned(**changes)


def test_batches_follow_the_rate() -> None:
    """A producer acts about every 10 ms, whatever the rate, unless that is less than a record."""
    assert planned(rate=20_000.0, producers=2).batch_records == 100
    assert planned(rate=50.0, producers=2).batch_records == 1
    assert planned(rate=20_000.0, batch=7).batch_records == 7
    assert planned(rate=0.0).batch_records == 1_000


@given(
    rate=st.floats(10, 200_000),
    producers=st.integers(1, 8),
    begin=st.floats(0, 3),
    length=st.floats(0.05, 2),
)
def test_rate_is_reached_in_any_window(rate: float, producers: int, begin: float, length: float) -> None:
    """In any window the records that are due differ from rate × length by less than two batches."""
    plan = planned(rate=rate, producers=producers)
    instants = [slot.t_intended / SECOND for slot in due(plan, begin + length)]
    inside = sum(begin <= instant < begin + length for instant in instants) * plan.batch_records

    assert abs(inside - rate * length) <= 2 * plan.batch_records


def test_a_ramp_is_followed() -> None:
    """While a ramp rises from zero to one within 10 s, half of the planned records are due."""
    plan = planned(rate=1_000.0, shape=Ramp(seconds=10))
    first_half, whole = due(plan, 5), due(plan, 10)

    assert pytest.approx(len(first_half) * plan.batch_records, abs=2 * plan.batch_records) == 1_250
    assert pytest.approx(len(whole) * plan.batch_records, abs=2 * plan.batch_records) == 5_000


def test_instants_ascend_from_the_start_and_repeat() -> None:
    """A producer's instants strictly ascend, shift with the start, and are the same every time."""
    plan = planned(rate=3_000.0, producers=3)
    early = [next(it) for it in [slots(plan, 1, 0)] for _ in range(600)]
    late = [next(it) for it in [slots(plan, 1, 50)] for _ in range(600)]

    assert all(one.t_intended < two.t_intended for one, two in pairwise(early))
    assert [slot.t_intended + 50 for slot in early] == [slot.t_intended for slot in late]
    assert early == [next(it) for it in [slots(plan, 1, 0)] for _ in range(600)]


def test_every_producer_tries_every_partition_regularly() -> None:
    """Any run of as many slots as there are partitions covers each of them once, for each producer."""
    plan = planned(rate=4_000.0, producers=2, partitions=12)
    for user in range(2):
        schedule = slots(plan, user, 0)
        for _ in range(30):
            turn = Counter(next(schedule).partition for _ in range(12))

            assert dict.fromkeys(range(12), 1) == dict(turn)


def test_each_key_belongs_to_one_partition() -> None:
    """All keys are given out, none twice."""
    plan = planned(keys=10, partitions=4)
    keys = [key for partition in range(4) for key in plan.keys_of(partition)]

    assert 10 == len(keys) == len(set(keys))


def test_incarnations_are_unique() -> None:
    """No two lives of any producers, of two loads numbered one after the other, share a number."""
    loads = [planned(producers=3), planned(producers=3, first_producer=12)]
    numbers = [load.producer_number(user, life) for load in loads for user in range(3) for life in range(4)]

    assert len(set(numbers)) == 24


def test_processes_share_the_producers() -> None:
    """Every producer runs in exactly one process."""
    plan = planned(producers=7, processes=3)

    assert list(range(7)) == sorted(user for process in range(3) for user in plan.users_of(process))
