"""Rules about all resources of an audit together: what fits on the machines of a site."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.rules import Case, Hit, Table
from harness.audit.rules_flink import task_managers

TABLE = Table(Kind.KAFKA, Kind.FLINK)
_rule = TABLE.rule
_QUANTITY = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([a-zA-Z]*)")
_MEBI = {
    "": 1 / 2**20,
    "k": 1e3 / 2**20,
    "ki": 1 / 1024,
    "m": 1.0,
    "mi": 1.0,
    "mb": 1.0,
    "g": 1024.0,
    "gi": 1024.0,
}
_Need = tuple[float, float]


@_rule(
    "SITE-REQUESTS", Severity.NOTE,
    what="what the pods ask for must fit on the site",
    why="a machine too small leaves pods Pending; kind hides it, since each of its nodes counts all of the"
    " host",
    fix="compare with the allocatable CPU and memory of the site's machines, one machine lost",
    versions="all",
)  # fmt: skip
def _requests(case: Case) -> Iterator[Hit]:
    ours = [one for one in case.site if one.kind in {Kind.KAFKA, Kind.FLINK}]
    if not ours or case.document is not ours[0]:
        return
    needs = [_need(Case(document, case.site)) for document in ours]
    processors, memory = (sum(column) for column in zip(*needs, strict=True))
    if processors or memory:
        told = f"brokers, JobManager and TaskManagers ask for {processors:g} CPU and {memory / 1024:.3g} GiB"
        path = ("spec", "kafka", "resources") if case.document.kind is Kind.KAFKA else ("spec", "taskManager")
        yield case.hit(*path, what=told)


def _need(case: Case) -> _Need:
    """CPUs and MiB that the pods of one resource ask for together."""
    root = case.root
    if case.document.kind is Kind.KAFKA:
        asked = root.near("spec", "kafka", "resources", "requests")
        return _times(root.number("spec", "kafka", "replicas") or 1, asked.text("cpu"), asked.text("memory"))
    roles = {
        "jobManager": root.number("spec", "jobManager", "replicas") or 1,
        "taskManager": task_managers(case),
    }
    resources = [(count, root.near("spec", role, "resource")) for role, count in roles.items()]
    needs = [_times(count, one.text("cpu"), one.text("memory")) for count, one in resources]
    return sum(cpu for cpu, _ in needs), sum(memory for _, memory in needs)


def _times(count: int, cpu: str, memory: str) -> _Need:
    return count * processors(cpu), count * mebibytes(memory)


def processors(text: str) -> float:
    """CPUs: ``500m`` is half of one; 0 when it is no quantity."""
    match = _QUANTITY.fullmatch(text.strip())
    return 0.0 if match is None else float(match[1]) / (1000 if match[2] == "m" else 1)


def mebibytes(text: str) -> float:
    """MiB: ``2Gi``, and ``2048m`` as Flink writes it; 0 when it is no quantity."""
    match = _QUANTITY.fullmatch(text.strip())
    return 0.0 if match is None else float(match[1]) * _MEBI.get(match[2].lower(), 0.0)
