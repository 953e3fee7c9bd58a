"""What each node cost over time: CPU, memory, disk and network, as small multiples with shared scales."""

from __future__ import annotations

from dataclasses import dataclass

from harness.findings import RunDocument
from harness.ledger.evidence import Evidence
from harness.report.gauges import Gauge, Gauges
from harness.report.timeline import Band, bands_of

_HARNESS = {"host", "harness"}
MEMORY, CPU = "rss_mb", "cpu_percent"


@dataclass(frozen=True, eq=False, slots=True)
class Cell:
    """One quantity of one node: one line, or two (received and sent)."""

    gauges: tuple[Gauge, ...]

    @property
    def peak(self) -> float:
        """The highest value of its lines."""
        return max(gauge.peak for gauge in self.gauges)

    @property
    def known(self) -> bool:
        """Whether it was measured."""
        return any(gauge.known for gauge in self.gauges)


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity: its title, the unit of its numbers, the sample names of its lines."""

    title: str
    unit: str
    names: tuple[str, ...]


COLUMNS = (
    Column("CPU", "%", (CPU,)),
    Column("memory", "MB", (MEMORY,)),
    Column("disk", "MB", ("disk_mb",)),
    Column("network", "MB/s", ("rx_mb_per_s", "tx_mb_per_s")),
)


@dataclass(frozen=True, eq=False, slots=True)
class Resources:
    """The nodes in the order of the stack, a cell for each column, and the top of each column's scale."""

    end_s: float
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    tops: tuple[float, ...]
    bands: tuple[Band, ...]
    summary: str


def resources_of(document: RunDocument, evidence: Evidence) -> Resources | None:
    """What the nodes cost, or None when nobody sampled them."""
    gauges = Gauges(evidence)
    nodes = [node for node in gauges.sources(MEMORY) if node not in _HARNESS]
    if not nodes or not gauges.has("host"):
        return None
    rows = tuple((node, _cells(gauges, node)) for node in nodes)
    end_s = max(document.duration_s, 1.0)
    return Resources(
        end_s=end_s,
        rows=rows,
        tops=tuple(max(cells[index].peak for _, cells in rows) for index in range(len(COLUMNS))),
        bands=bands_of(document.faults, end_s),
        summary=_summary(gauges, nodes),
    )


def _cells(gauges: Gauges, node: str) -> tuple[Cell, ...]:
    return tuple(Cell(tuple(gauges.line(name, node) for name in column.names)) for column in COLUMNS)


def _summary(gauges: Gauges, nodes: list[str]) -> str:
    memory, cpu = (gauges.line(name, lambda one: one in nodes).peak for name in (MEMORY, CPU))
    return (
        f"All nodes together took at most {memory / 1000:.1f} GB of memory and "
        f"{cpu / 100:.1f} CPU cores at once."
    )
