"""A load as a story asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

from pydantic import ValidationError

from harness.errors import BadInput
from harness.load.shapes import Constant, Shape
from harness.model import Irregularities


class LoadOptions(TypedDict, total=False):
    """What may be said of a load beside its rate; see ``LoadRequest``."""

    partitions: int
    replication: int
    keys: int
    record_bytes: int
    producers: int
    processes: int
    shape: Shape
    client: Mapping[str, str]
    topic_config: Mapping[str, str]
    disorder_ms: int
    late_share: float
    late_by_ms: int
    clock_skew_ms: tuple[int, ...]
    poison_share: float


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A load as a story asks for it.

    Args:
        rate: records per second over all producers.
        producers: Kafka producers, spread over *processes*.
        shape: how the rate changes over time.
        client: settings of the producers, over the load's defaults.
        topic_config: settings of the topic, which is created for the load.
        disorder_ms, late_share, late_by_ms, clock_skew_ms, poison_share: see ``Irregularities``.
    """

    rate: float
    partitions: int = 12
    replication: int = 3
    keys: int = 1_200
    record_bytes: int = 100
    producers: int = 4
    processes: int = 2
    shape: Shape = field(default_factory=Constant)
    client: Mapping[str, str] = field(default_factory=dict)
    topic_config: Mapping[str, str] = field(default_factory=dict)
    disorder_ms: int = 0
    late_share: float = 0.0
    late_by_ms: int = 10_000
    clock_skew_ms: tuple[int, ...] = ()
    poison_share: float = 0.0

    def on(self, workers: int, share: float = 1.0) -> LoadRequest:
        """*share* of the rate, on so many Locust workers, each with equally many producers; 0: as asked for.

        Locust spreads users evenly. Only where their number is a multiple of the workers' does that leave no
        choice, so there may be a few producers more than the story asked for.
        """
        asked = replace(self, rate=self.rate * share)
        if not workers:
            return asked
        each = -(-self.producers // workers)
        return replace(asked, processes=workers, producers=each * workers)

    @property
    def irregular(self) -> Irregularities:
        """What is to be wrong with the records, on purpose.

        Raises:
            BadInput: a share is not one, or a time is negative.
        """
        names = Irregularities.model_fields
        try:
            return Irregularities.model_validate({name: getattr(self, name) for name in names})
        except ValidationError as error:
            first = error.errors()[0]
            raise BadInput(f"{first['loc'][0]} of the load does not fit", why=first["msg"]) from error
