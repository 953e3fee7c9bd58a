"""The metrics agent as a run knows it, wherever it runs: what it answers at its ports, and how it ends."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from harness.errors import StackError
from harness.stack.components import VectorDefinition
from harness.stack.seams import Node
from harness.stack.vector.config import VectorConfig
from harness.stack.vector.says import Said, parse
from harness.waiting import NotYet, wait_for
from harness.web import get_json, get_text

T = TypeVar("T")

GRACE_S = 30
"""A store that is gone must not hold the end of a run up for longer; what is left stays on the disk."""

_CALL_S = 2.0
_STOPPED = "Vector has stopped."
_CUT_SHORT = "Failed to gracefully shut down"


class MetricsAgent(Protocol):
    """One Vector, as far as probes, faults and the metrics hop have to do with it."""

    @property
    def node(self) -> Node:
        """Where it runs."""
        ...

    @property
    def answers(self) -> Answers:
        """What can be asked of it."""
        ...

    @property
    def started_ms(self) -> int:
        """The wall clock when the present process was started: Vector stamps its events by it."""
        ...

    def stop(self, seconds: float) -> bool:
        """End it for good, gracefully: its last batch is sent. Returns whether everything it held was.

        Raises:
            StackError: it still runs after *seconds*.
        """
        ...


class Answers:
    """What a Vector at *address* says at the ports of its API and of its own metrics.

    Args:
        name: its node's, for errors.
        config: its configuration, variables filled in.
    """

    def __init__(self, name: str, address: str, config: VectorConfig, definition: VectorDefinition) -> None:
        self._name, self._config = name, config
        self._health = f"http://{address}:{definition.api_port}/health"
        self._page = f"http://{address}:{definition.metrics_port}/metrics"

    def said(self) -> Said:
        """What it says of itself right now, at most a second old.

        Raises:
            StackError: it does not answer, or not as Vector.
        """
        found = parse(get_text(self._page, _CALL_S))
        if found is None:
            raise StackError(f"{self._page} tells nothing of Vector")
        return found

    def asked(self) -> dict[str, int]:
        """How many pages its configuration has it scrape, and how often."""
        scrapers = self._config.scrapers()
        pages = sum(1 if isinstance(one.endpoints, str) else len(one.endpoints) for one in scrapers)
        interval = max((one.scrape_interval_secs for one in scrapers), default=0.0)
        return {"pages": pages, "interval_ms": round(interval * 1000)}

    def wait_scraping(self, seconds: float, alive: Callable[[], None] = lambda: None) -> str:
        """Return, with the proof in words, when its API calls it healthy and a first page was scraped.

        *alive* raises when nobody has to wait any longer.

        Raises:
            StackError: not within *seconds* for each of both.
        """
        wait_for(lambda: self._healthy(alive), what=f"{self._name} to be healthy", seconds=seconds)
        said = wait_for(lambda: self._scraped(alive), what=f"{self._name} to scrape a page", seconds=seconds)
        return f"{self._name} is healthy and scraped {said.scraped:,} events"

    def _healthy(self, alive: Callable[[], None]) -> None:
        alive()
        if _unless_silent(lambda: get_json(self._health, _CALL_S)) != {"ok": True}:
            raise NotYet("its API does not call it healthy")

    def _scraped(self, alive: Callable[[], None]) -> Said:
        alive()
        found = _unless_silent(self.said)
        if not found.scraped:
            raise NotYet(f"nothing was scraped, {found.failed_scrapes} pages failed")
        return found


def account(agent: MetricsAgent) -> dict[str, int]:
    """The agent's part of its hop's counts: what it says, when that was, and what was asked of it.

    One that does not answer any more has said nothing; the rest is there all the same.
    """
    try:
        said = dataclasses.asdict(agent.answers.said())
    except StackError:
        said = {}
    now = time.time_ns() // 1_000_000
    return {"started_ms": agent.started_ms, "read_ms": now, **agent.answers.asked(), **said}


def sent_all(log: str) -> bool:
    """Whether a Vector whose log ends with *log* had sent everything it held when it ended."""
    return _STOPPED in log and _CUT_SHORT not in log


def _unless_silent(ask: Callable[[], T]) -> T:
    """What *ask* gives; no answer is one to wait for, while its process lives."""
    try:
        return ask()
    except StackError as error:
        raise NotYet(str(error)) from error
