"""A load on Locust workers: producers are split evenly and every incarnation belongs to one worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.load.plan import LoadPlan
from harness.load.request import LoadRequest


@pytest.mark.parametrize(("producers", "workers", "expected"), [(4, 2, 4), (4, 3, 6), (1, 5, 5), (6, 3, 6)])
def test_every_worker_gets_equally_many_producers(producers: int, workers: int, expected: int) -> None:
    """At least as many as the story asks for, and as many on each worker."""
    asked = LoadRequest(1_000, producers=producers, processes=1).on(workers)

    assert (asked.producers, asked.processes) == (expected, workers)


def test_without_workers_the_story_decides() -> None:
    """Nothing changes."""
    asked = LoadRequest(1_000, producers=3, processes=2)

    assert asked.on(0) == asked


@pytest.mark.parametrize("workers", [0, 4])
def test_a_share_is_of_the_rate_alone(workers: int) -> None:
    """A small machine gets a part of the rate; everything else stays as the story has it."""
    asked = LoadRequest(1_000, producers=4, processes=4, keys=7)

    assert asked.on(workers, 0.25) == replace(asked, rate=250)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_no_incarnation_belongs_to_two_workers(workers: int) -> None:
    """Through all lives of its producers a worker has incarnations of its own; together they are dense."""
    asked = LoadRequest(1_000, producers=5).on(workers)
    plan = LoadPlan(
        run_id="r",
        topic="orders",
        partitions=4,
        bootstrap="b:1",
        ledger=Path(),
        samples=Path(),
        producers=asked.producers,
        processes=asked.processes,
    )
    lives = [
        [plan.producer_number(user, life) for user in plan.users_of(worker) for life in range(3)]
        for worker in range(workers)
    ]

    assert {len(own) for own in lives} == {3 * asked.producers // workers}
    assert sorted(number for own in lives for number in own) == list(range(3 * asked.producers))
