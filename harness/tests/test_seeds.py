"""One seed repeats every choice of a run, and no stream shifts another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.seeds import fresh_seed, stream

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.text(max_size=20))
def test_equal_arguments_give_equal_draws(seed: int, name: str) -> None:
    """A stream can be made again from its seed and name."""
    assert [stream(seed, name).random() for _ in range(3)] == [stream(seed, name).random() for _ in range(3)]


def test_draws_are_the_same_on_every_machine() -> None:
    """These draws are frozen: stored seeds of old runs must keep their meaning."""
    draw = stream(42, "keys")

    assert [draw.randrange(1_000) for _ in range(5)] == [596, 449, 684, 188, 598]


def test_drawing_more_from_one_stream_does_not_shift_another() -> None:
    """Each name has draws of its own."""
    alone = stream(7, "targets")
    targets, keys = stream(7, "targets"), stream(7, "keys")
    mixed = [(targets.random(), keys.random()) for _ in range(5)]

    assert [target for target, _ in mixed] == [alone.random() for _ in range(5)]
    assert all(target != key for target, key in mixed)


def test_a_fresh_seed_fits_the_command_line() -> None:
    """A seed that a run gave itself can be given back with ``--seed``."""
    assert all(0 <= fresh_seed() < 2**32 for _ in range(100))
