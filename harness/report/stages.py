"""A broker's recovery in parts: noticed, led anew, acknowledged again, drained, each with what is expected.

The parts come from what the run kept: the controller's line that fences the broker, the line of each new
leader, the first acknowledgement of each partition after it, and the drain that was judged. A part without
its evidence is not guessed: it says what is missing. The logs are no evidence for the verdict, which is why
this is told by the page and not by ``run.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.findings import Recovery, RunDocument
from harness.journal_entry import JournalEntry
from harness.ledger.evidence import Evidence
from harness.lives.logs import LogLine, matching
from harness.lives.steps import wall_ms
from harness.model import EnvironmentSeen, LoadPlanned, Outcome
from harness.report import phrases
from harness.rundir import RunDirectory

_TOLD = re.compile(
    rb"Fencing broker (?P<fenced>\d+) |Broker failure callback for (?P<failed>[\d,]+)"
    rb"|Leader (?P<topic>[\w.-]+)-(?P<partition>\d+) .*starts at leader epoch"
)
_DEFAULTS = {"client.retry.backoff.max.ms": "1000"}
"""librdkafka's own, for what a load does not set."""

_NO_BOUND = "no setting bounds it"


@dataclass(frozen=True, slots=True)
class StageRow:
    """One part of a recovery: how long it took, what was expected of it, and what says so."""

    name: str
    took: str
    expected: str
    evidence: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What the brokers' logs say, in seconds of the run and in their order."""

    fenced: tuple[tuple[str, LogLine], ...]
    led: tuple[tuple[int, LogLine], ...]
    logged: bool


@dataclass(frozen=True, slots=True)
class _Fault:
    """One fault at a broker, from its injection to where the next one begins."""

    entry: JournalEntry
    row: Recovery
    injected: float
    until: float

    @property
    def brokers(self) -> set[str]:
        """The numbers at the end of its nodes' names."""
        return {found.group() for node in self.entry.nodes if (found := re.search(r"\d+\Z", node))}

    def during(self, lines: Iterable[tuple[object, LogLine]]) -> list[LogLine]:
        """Those within its time."""
        return [line for _, line in lines if self.injected <= line.at_s < self.until]


def stages_of(
    document: RunDocument, evidence: Evidence, directory: RunDirectory
) -> dict[str, tuple[StageRow, ...]]:
    """The parts of each recovery from a fault at a broker that led partitions, by fault."""
    faults = list(_faults(document, evidence))
    if not faults:
        return {}
    told = _told(evidence, directory)
    return {fault.row.fault: tuple(_stages(evidence, fault, told)) for fault in faults}


def _faults(document: RunDocument, evidence: Evidence) -> Iterator[_Fault]:
    rows = {row.fault: row for row in document.recovery}
    entries = [entry for entry in evidence.journal if entry.step == "injected"]
    starts = [evidence.seconds(entry.t) for entry in entries]
    for entry, start in zip(entries, starts, strict=True):
        row = rows.get(f"{entry.fault}. {entry.name}")
        if row and entry.partitions and entry.traits.get("touches", "brokers") == "brokers":
            yield _Fault(
                entry, row, start, min((s for s in starts if s > start), default=document.duration_s)
            )


def _told(evidence: Evidence, directory: RunDirectory) -> _Told:
    planned = evidence.last(LoadPlanned)
    topic = planned.topic.encode() if planned else b""
    found = sorted(matching(directory.logs, wall_ms(evidence) / 1000, _TOLD), key=lambda pair: pair[0].at_s)
    fenced = [(number, line) for line, match in found for number in _numbers(match)]
    led = [(int(match["partition"]), line) for line, match in found if match["topic"] == topic]
    return _Told(tuple(fenced), tuple(led), any(directory.logs.glob("*.log")))


def _numbers(match: re.Match[bytes]) -> list[str]:
    return (match["fenced"] or match["failed"] or b"").decode().split(",") if not match["topic"] else []


def _stages(evidence: Evidence, fault: _Fault, told: _Told) -> Iterator[StageRow]:
    settings = _settings(evidence)
    if not told.logged:
        yield StageRow(
            "noticed, led anew, acknowledged", phrases.NONE, "", "the run keeps no logs of brokers"
        )
    else:
        fenced = fault.during((n, line) for n, line in told.fenced if n in fault.brokers)
        yield _noticed(fault, fenced, settings)
        led = {p: lines[0] for p in fault.entry.partitions if (lines := fault.during(_of(told, p)))}
        yield _led(fault, fenced, led)
        yield _acknowledged(evidence, led, settings)
    drained = phrases.seconds(fault.row.drained_s, absent="never")
    yield StageRow(
        "drained", drained, _NO_BOUND, "from the healing to the last outcome due before it; the ledger"
    )


def _of(told: _Told, partition: int) -> Iterator[tuple[int, LogLine]]:
    return (pair for pair in told.led if pair[0] == partition)


def _noticed(fault: _Fault, fenced: list[LogLine], settings: dict[str, str]) -> StageRow:
    names: tuple[str, ...] = ("broker.session.timeout.ms", "broker.heartbeat.interval.ms")
    if settings.get("zookeeper.connect", "None") not in {"", "None"}:
        names = ("zookeeper.session.timeout.ms",)
    should = _sum(settings, *names)
    if not fenced:
        why = "no controller's log says that it gave the broker up: it may have kept its session"
        return StageRow("noticed", phrases.NONE, should, why)
    took = phrases.seconds(fenced[0].at_s - fault.injected)
    return StageRow("noticed", took, should, _where("the controller gave the broker up", fenced[0]))


def _led(fault: _Fault, fenced: list[LogLine], led: dict[int, LogLine]) -> StageRow:
    wanted = len(fault.entry.partitions)
    if not led:
        return StageRow(
            "led anew", phrases.NONE, _NO_BOUND, f"no log names a new leader of its {wanted} partitions"
        )
    last = max(led.values(), key=lambda line: line.at_s)
    begun, since = (fenced[0].at_s, "from there") if fenced else (fault.injected, "from the injection")
    some = "" if len(led) == wanted else f" (only {len(led)} of {wanted} partitions are named)"
    said = f"{since} to the last new leader{some}"
    return StageRow("led anew", phrases.seconds(max(0.0, last.at_s - begun)), _NO_BOUND, _where(said, last))


def _acknowledged(evidence: Evidence, led: dict[int, LogLine], settings: dict[str, str]) -> StageRow:
    """From each new leader to the first answer it gave: the client's way to it; the slowest counts."""
    should = _sum(settings, "client.retry.backoff.max.ms")
    took = {p: _first_answer(evidence, p, line.at_s) for p, line in led.items()}
    known = {p: seconds for p, seconds in took.items() if seconds is not None}
    if not known:
        return StageRow("acknowledged", phrases.NONE, should, "there is no new leader to count from")
    slowest = max(known, key=lambda p: known[p])
    said = f"from the new leader of partition {slowest} to its first answer; the log and the ledger"
    return StageRow("acknowledged", phrases.seconds(known[slowest]), should, said)


def _first_answer(evidence: Evidence, partition: int, since: float) -> float | None:
    rows = evidence.attempts
    start = evidence.started.t + round(since * 1e9)
    mine = (rows.partition == partition) & (rows.outcome == Outcome.OK) & (rows.t_done >= start)
    done = rows.t_done[np.flatnonzero(mine)]
    return (int(done.min()) - start) / 1e9 if len(done) else None


def _settings(evidence: Evidence) -> dict[str, str]:
    seen, planned = evidence.last(EnvironmentSeen), evidence.last(LoadPlanned)
    client = {f"client.{key}": value for key, value in planned.client.items()} if planned else {}
    return client | (seen.effective if seen else {})


def _sum(settings: dict[str, str], *names: str) -> str:
    """What these settings allow together, or which of them the cluster did not tell."""
    settings = _DEFAULTS | settings
    missing = [name for name in names if not settings.get(name, "").isdigit()]
    if missing:
        return f"{missing[0]} was not told"
    return f"≤ {sum(int(settings[name]) for name in names) / 1000:.1f} s ({' + '.join(names)})"


def _where(said: str, line: LogLine) -> str:
    return f"{said}; {line.file} at {line.at_s:.3f} s"
