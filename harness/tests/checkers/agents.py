"""Runs of a metrics agent by hand: what it scraped, what the bucket holds, and how often it was started."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from harness.ledger.evidence import Evidence, Objects, Samples, Scrapes
from harness.ledger.metrics import LIFE_DISCARDED, LIFE_SCRAPED, LIFE_STARTED
from harness.ledger.tables import Row
from harness.model import CaughtUp, Event, HopRead, NotExecuted, PipelinePlanned
from harness.tests.checkers.build import WALL, Story, at

ZERO_MS = round(datetime.fromisoformat(WALL).timestamp() * 1000)
PROCESSES = ("a:9249", "b:9249")
PAGE = 10


def ms(seconds: float) -> int:
    """The wall clock *seconds* after the run's zero."""
    return ZERO_MS + round(seconds * 1000)


@dataclass
class Agent:
    """A run of an agent that scrapes two pages of ten events every two seconds from 1 s to 59 s."""

    story: Story = field(default_factory=lambda: Story(asked=("metrics_complete",)))
    scrapes: list[Row] = field(default_factory=list)
    objects: list[Row] = field(default_factory=list)
    lives: dict[float, tuple[int, int]] = field(default_factory=dict)
    """Scraped and discarded by the start of each life in seconds; the last is the one that ended well."""
    complete: bool = True
    read: bool = True
    executed: bool = True
    pages: int = 2
    caught_up: float | None = None

    def evidence(self) -> Evidence:
        """The run as evidence."""
        base = self.story.evidence()
        return replace(
            base,
            events=(base.events[0], *self._events(), *base.events[1:]),
            samples=self._samples(),
            scrapes=Scrapes(*_columns(self.scrapes, 7, (1,))),
            objects=Objects(*_columns(self.objects, 6, (1, 2, 5))),
        )

    def _events(self) -> list[Event]:
        events: list[Event] = [planned()]
        if not self.executed:
            events.append(NotExecuted(t=at(1), wall=WALL, part="metrics", reason="there is no vector"))
        if self.caught_up is not None:
            events.append(CaughtUp(t=at(self.caught_up), wall=WALL, within_s=30.0, took_s=1.0))
        if self.read:
            events.append(
                HopRead(t=at(59), wall=WALL, hop="metrics", complete=self.complete, counts=self._counts())
            )
        return events

    def _counts(self) -> dict[str, int]:
        start = max(self.lives, default=0.0)
        scraped, discarded = self.lives.get(start, (0, 0))
        asked = {"pages": self.pages, "interval_ms": 2000, "read_ms": ms(59.5)}
        return {"started_ms": ms(start), "scraped": scraped, "discarded": discarded, **asked}

    def _samples(self) -> Samples:
        rows: list[Row] = []
        for start, (scraped, discarded) in self.lives.items():
            for name, value in (
                (LIFE_STARTED, ms(start)),
                (LIFE_SCRAPED, scraped),
                (LIFE_DISCARDED, discarded),
            ):
                rows.append((at(start + 5), "vector-1", name, float(value)))
        columns = list(zip(*rows, strict=True)) if rows else [()] * 4
        kinds = (np.int64, np.object_, np.object_, np.float64)
        return Samples(*(np.asarray(c, k) for c, k in zip(columns, kinds, strict=True)))


def _columns(rows: list[Row], width: int, words: tuple[int, ...]) -> list[np.ndarray]:
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return [np.asarray(c, np.object_ if n in words else np.int64) for n, c in enumerate(columns)]


def planned(*, metrics_hop: bool = True) -> PipelinePlanned:
    """A pipeline, with its metrics hop or without."""
    return PipelinePlanned(
        t=at(0),
        wall=WALL,
        source="orders",
        results="edge-out",
        dead_letters="edge-dlq",
        late="edge-late",
        archive="",
        metrics_bucket="edge-metrics",
        window_ms=1000,
        out_of_order_ms=500,
        dedup_ttl_ms=120_000,
        guarantee="exactly-once",
        parts=("source", "metrics") if metrics_hop else ("source",),
    )


def good() -> Agent:
    """Every page was scraped, shaped and stored, an object every six seconds."""
    agent = Agent()
    for second in range(1, 60, 2):
        for instance in PROCESSES:
            agent.scrapes.append((ms(second), instance, PAGE, PAGE, 0, 0, second // 6))
    agent.objects = [(number, "edge-metrics", f"metrics/{number}.gz", 100, 60, "") for number in range(10)]
    agent.lives = {0.0: (30 * 2 * PAGE, 0)}
    return agent


def without(agent: Agent, start: float, end: float, *instances: str) -> Agent:
    """The scrapes between two seconds (of some processes) are not in the bucket."""
    agent.scrapes = [
        row
        for row in agent.scrapes
        if not (ms(start) <= int(row[0]) < ms(end) and (not instances or row[1] in instances))
    ]
    return agent
