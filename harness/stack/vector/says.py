"""What a Vector says of itself on its Prometheus page, as far as a run has to account for it.

    vector_component_received_events_total{component_id="…",component_type="prometheus_scrape",…} 115 1795643

Counters begin anew with each process; who keeps them must keep the process's start beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r'^vector_(\w+)\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\} (\S+)', re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Said:
    """The counters of one Vector process at one moment, in events.

    ``scraped`` came in from Prometheus pages; ``stored`` were acknowledged by the object store; ``errors``
    are failed events of transforms; ``discarded`` were dropped by a transform, ``given_up`` by a sink;
    ``buffered`` wait in the buffers of object store sinks (of a memory buffer's batch Vector says nothing).
    ``failed_scrapes`` counts pages that did not come.
    """

    scraped: int = 0
    stored: int = 0
    errors: int = 0
    discarded: int = 0
    given_up: int = 0
    buffered: int = 0
    failed_scrapes: int = 0


def parse(page: str) -> Said | None:
    """What *page* says; None when it is no page of a Vector."""
    counts = dict.fromkeys(Said.__dataclass_fields__, 0)
    lines = _LINE.findall(page)
    for metric, labels, number in lines:
        name = _name(metric, dict(_LABEL.findall(labels)))
        if name:
            counts[name] += round(float(number))
    return Said(**counts) if lines else None


def _name(metric: str, labels: dict[str, str]) -> str:
    """The field of ``Said`` that a line counts into; empty: into none."""
    kind, role = labels.get("component_type", ""), labels.get("component_kind", "")
    by_type = {
        ("component_received_events_total", "prometheus_scrape"): "scraped",
        ("component_errors_total", "prometheus_scrape"): "failed_scrapes",
        ("component_sent_events_total", "aws_s3"): "stored",
        ("buffer_events", "aws_s3"): "buffered",
    }
    by_role = {
        ("component_errors_total", "transform"): "errors",
        ("component_discarded_events_total", "transform"): "discarded",
        ("component_discarded_events_total", "sink"): "given_up",
    }
    return by_type.get((metric, kind)) or by_role.get((metric, role), "")
