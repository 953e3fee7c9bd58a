"""One Locust user's producer through its lives.

A session can end for good while the load goes on: an idempotent producer whose state the
cluster refuses is dead. A new session then takes over with a new incarnation number, because
order and idempotence are promised within one session only. The old one is still asked for
the outcomes of what it had in hand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from harness.load.plan import Slot
from harness.load.tally import Closed

_log = logging.getLogger(__name__)


class Life(Protocol):
    """What a session is to its lineage."""

    @property
    def producer(self) -> int:
        """The incarnation number."""
        ...

    @property
    def fatal(self) -> str:
        """Why it can send no more; empty while it can."""
        ...

    @property
    def open_records(self) -> int:
        """Records without an outcome."""
        ...

    def attempt(self, slot: Slot) -> list[Closed]:
        """Hand over one batch."""
        ...

    def poll(self) -> list[Closed]:
        """Collect outcomes without waiting."""
        ...

    def top_up(self) -> None:
        """Announce sequences ahead."""
        ...

    def purge(self) -> None:
        """Give up what is in the client's hands."""
        ...

    def abandon(self, error: str) -> list[Closed]:
        """Give up waiting."""
        ...


class Lineage:
    """The sessions of one user, the present one last.

    Args:
        make: makes the session of a given life, counted from 0.
    """

    def __init__(self, make: Callable[[int], Life]) -> None:
        self._make = make
        self._lives = [make(0)]

    @property
    def open_records(self) -> int:
        """Records of any life without an outcome."""
        return sum(life.open_records for life in self._lives)

    def attempt(self, slot: Slot) -> list[Closed]:
        """Hand one batch to the present life, or to a new one when that has ended."""
        if self._lives[-1].fatal:
            self._succeed()
        return self._lives[-1].attempt(slot)

    def poll(self) -> list[Closed]:
        """Collect the outcomes of all lives, without waiting."""
        return [closed for life in self._lives for closed in life.poll()]

    def top_up(self) -> None:
        """Announce sequences ahead for the present life."""
        self._lives[-1].top_up()

    def purge(self) -> None:
        """Make every life's client give up what is in its hands."""
        for life in self._lives:
            life.purge()

    def abandon(self, error: str) -> list[Closed]:
        """Count every record still open as unknown, because of *error*."""
        return [closed for life in self._lives for closed in life.abandon(error)]

    def __iter__(self) -> Iterator[Life]:
        """The lives, oldest first."""
        return iter(self._lives)

    def _succeed(self) -> None:
        ended = self._lives[-1]
        self._lives.append(self._make(len(self._lives)))
        heir = self._lives[-1].producer
        _log.warning("producer ended producer=%d heir=%d reason=%s", ended.producer, heir, ended.fatal)
