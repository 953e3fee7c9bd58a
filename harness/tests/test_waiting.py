"""Waiting ends at the first success, sleeps no more after it, and keeps the last observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.errors import StackError
from harness.tests.fakes import FakeClock
from harness.waiting import NotYet, wait_for


def observing(*seen: str | Exception) -> Callable[[], str]:
    """An observation that returns or raises *seen*, one after the other."""
    left: Iterator[str | Exception] = iter(seen)

    def observe() -> str:
        value = next(left)
        if isinstance(value, Exception):
            raise value
        return value

    return observe


def test_an_immediate_success_does_not_sleep() -> None:
    """What holds at once is returned at once."""
    clock = FakeClock()

    assert wait_for(observing("up"), what="boot", seconds=5, clock=clock) == "up"
    assert clock.slept == []


def test_it_sleeps_only_between_observations() -> None:
    """Three observations take two sleeps: none follows the success."""
    clock = FakeClock()
    observe = observing(NotYet("0 of 3"), NotYet("2 of 3"), "3 of 3")

    assert wait_for(observe, what="boot", seconds=5, every=0.1, clock=clock) == "3 of 3"
    assert clock.slept == [0.1, 0.1]


def test_the_error_tells_what_was_awaited_and_what_was_last_seen() -> None:
    """When the time is up the error carries the condition, the time, the last observation and the fix."""

    def observe() -> None:
        raise NotYet("2 of 3 brokers")

    with pytest.raises(StackError) as raised:
        wait_for(observe, what="the boot", seconds=1, every=0.25, fix="see logs", clock=FakeClock())

    expected = "the boot took longer than 1 s: last seen: 2 of 3 brokers. Fix: see logs"
    assert str(raised.value) == expected


def test_it_looks_once_more_at_the_deadline() -> None:
    """A condition that holds at the very last observation counts."""
    clock = FakeClock()
    observe = observing(NotYet("no"), NotYet("no"), "yes")

    assert wait_for(observe, what="it", seconds=1, every=0.5, clock=clock) == "yes"


def test_only_expected_errors_mean_not_yet() -> None:
    """An error nobody expected ends the wait at once, as itself."""
    clock = FakeClock()

    with pytest.raises(ZeroDivisionError):
        wait_for(observing(ZeroDivisionError()), what="it", seconds=9, clock=clock)

    assert clock.slept == []


def test_named_errors_are_retried_and_named_in_the_end() -> None:
    """An error listed in ``retry_on`` means "not yet"; one without words is told by its type."""
    clock = FakeClock()
    answer = wait_for(
        observing(ConnectionError(), "ok"), what="it", seconds=9, retry_on=(OSError,), clock=clock
    )

    def refuse() -> None:
        raise ConnectionRefusedError

    with pytest.raises(StackError, match="last seen: ConnectionRefusedError"):
        wait_for(refuse, what="it", seconds=0, retry_on=(OSError,), clock=clock)
    assert answer == "ok"
