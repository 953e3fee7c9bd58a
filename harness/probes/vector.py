"""What Vector says of itself, from its own Prometheus exporter.

A counter of errors does not exist before the first error: while the exporter
answers, its absence is a zero.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

from harness.errors import StackError
from harness.probes.sampler import CALL_S, Sample
from harness.prometheus import Measured, parse
from harness.web import get_text

_PREFIX = "vector_"
_SUMS = {
    "component_errors_total": "errors_total",
    "buffer_events": "buffer_events",
    "component_discarded_events_total": "discarded_total",
}
_RATES = {
    "component_received_events_total": "records_in_per_s",
    "component_sent_events_total": "records_out_per_s",
}


class VectorProbe:
    """Samples one Vector; see ``sampler.Probe``.

    Sources are ``NODE`` for the whole and ``NODE/COMPONENT`` for the rates of its components.
    """

    name = "vector"

    def __init__(self, node: str, url: str) -> None:
        self._node, self._url = node, url
        self._before: dict[tuple[str, str], tuple[float, float]] = {}

    def sample(self) -> list[Sample]:
        """Errors, discarded and buffered events of all components, and events per second of each.

        Raises:
            StackError: the exporter gave no answer, or one without a word of Vector.
        """
        now = time.monotonic()
        found = [one for one in parse(get_text(self._url, CALL_S)) if one.name.startswith(_PREFIX)]
        if not found:
            raise StackError(f"{self._url} tells nothing of Vector")
        return [*self._sums(found), *self._rates(found, now)]

    def _sums(self, found: Iterable[Measured]) -> list[Sample]:
        total = dict.fromkeys(_SUMS.values(), 0.0)
        for one in found:
            name = _SUMS.get(one.name.removeprefix(_PREFIX))
            # What a filter drops on purpose is no loss.
            if name and one.labels.get("intentional") != "true":
                total[name] += one.value
        return [(self._node, name, value) for name, value in total.items()]

    def _rates(self, found: Iterable[Measured], now: float) -> list[Sample]:
        total: dict[tuple[str, str], float] = defaultdict(float)
        for one in found:
            name, component = _RATES.get(one.name.removeprefix(_PREFIX)), one.labels.get("component_id", "")
            if name and component:
                total[component, name] += one.value
        rates: list[Sample] = []
        for key, value in total.items():
            then, before = self._before.get(key, (now, value))
            self._before[key] = (now, value)
            if now > then and value >= before:  # a counter that fell began anew
                rates.append((f"{self._node}/{key[0]}", key[1], (value - before) / (now - then)))
        return rates
