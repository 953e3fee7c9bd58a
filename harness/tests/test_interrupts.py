"""Interrupts: once raises, inside a shield waits, twice is remembered."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from harness.interrupts import SIGNALS, Interrupted, Interrupts


@pytest.fixture(name="interrupts")
def _interrupts() -> Iterator[Interrupts]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    installed = Interrupts()
    installed.install()
    yield installed
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_raises_where_the_run_stands(interrupts: Interrupts) -> None:
    """SIGTERM becomes an exception that names it."""
    with pytest.raises(Interrupted, match="SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)

    assert interrupts.count == 1
    assert not interrupts.in_a_hurry


def test_a_signal_inside_a_shield_waits_for_its_end(interrupts: Interrupts) -> None:
    """Healing is finished first; then the interrupt is delivered."""
    done = []

    def heal() -> None:
        with interrupts.shielded(), interrupts.shielded():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("healed")

    with pytest.raises(Interrupted):
        heal()
    assert done == ["healed"]


def test_the_second_signal_pierces_the_shield(interrupts: Interrupts) -> None:
    """Who asks twice does not wait for a proof."""
    done = []

    def heal() -> None:
        with interrupts.shielded():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("undone")
            os.kill(os.getpid(), signal.SIGINT)
            done.append("proven")

    with pytest.raises(Interrupted):
        heal()
    assert done == ["undone"]


def test_a_guard_is_left_inside_a_shield(interrupts: Interrupts) -> None:
    """A signal that arrives while a guard heals is delivered when it has healed, on every way out."""
    left: list[str] = []

    @contextlib.contextmanager
    def guard() -> Iterator[str]:
        try:
            yield "entered"
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            left.append("healed")

    def use() -> None:
        with interrupts.shielding_exit_of(guard()) as value:
            left.append(value)

    with pytest.raises(Interrupted):
        use()
    assert left == ["entered", "healed"]


def test_the_second_signal_means_hurry(interrupts: Interrupts) -> None:
    """Two signals: the user wants to leave now."""
    for _ in range(2):
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)

    assert interrupts.in_a_hurry
