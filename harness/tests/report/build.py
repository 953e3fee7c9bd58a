"""A run directory made by hand: two faults, three verdicts, fixed instants.

The attempts follow a simple model of a three-broker cluster, so the report has
something true to draw; ``RunDocument`` is filled in by hand, because the report
must not need the checkers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from harness.findings import (
    Attempts,
    FaultOutcome,
    Finding,
    LatencyRow,
    LoadReached,
    Recovery,
    RunDocument,
    Unavailability,
    Witness,
)
from harness.ledger import schema, tables
from harness.model import Budgets, Guarantee, Noted, Outcome, RunStarted
from harness.rundir import EventLog, RunDirectory
from harness.verdict import Kind, Verdict

ZERO = 1_000_000_000_000
WALL = "2026-01-15T02:00:00.000Z"
BROKERS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """How long and how dense the run is: batches per second and partition, records per batch."""

    seconds: float = 80.0
    partitions: int = 12
    batches: int = 4
    records: int = 400

    @property
    def rate(self) -> float:
        """Records per second over all partitions."""
        return float(self.partitions * self.batches * self.records)


def build(out: Path, document: RunDocument, shape: Shape | None = None) -> RunDirectory:
    """Write a whole run directory whose ``run.json`` is *document*."""
    directory = RunDirectory.create(out, document.run_id)
    log = EventLog(directory)
    log.append(_started(document))
    log.append(Noted(t=_at(28.4), wall=WALL, text="partition 1 has a new leader: broker-3", node="broker-3"))
    log.append(Noted(t=_at(33.0), wall=WALL, text="started again", node="broker-2"))
    log.close()
    _write(directory.ledger, "attempts", schema.ATTEMPTS, attempts(shape or Shape()))
    for name, table in (("announced", schema.ANNOUNCED), ("reads", schema.READS)):
        tables.TableWriter(directory.ledger, name, table).close()
        tables.seal(directory.ledger, name, table)
    _write(directory.samples, "samples", schema.SAMPLES, _cpu(shape or Shape()))
    (directory.logs / "broker-2.log").write_text("[2026-01-15 02:00:20] INFO shutting down\n")
    directory.write_document(document)
    return directory


def attempts(shape: Shape) -> dict[str, np.typing.NDArray[np.generic]]:
    """The attempts of the model cluster, as the ledger's columns."""
    load_s = shape.seconds - 10.0
    per_partition = int(load_s * shape.batches)
    number = np.tile(np.arange(per_partition), shape.partitions)
    partition = np.repeat(np.arange(shape.partitions), per_partition)
    intended_s = 4.0 + (number + partition / shape.partitions) / shape.batches
    noise = np.random.Generator(np.random.PCG64(7)).lognormal(1.0, 0.5, len(number)) / 1e3
    done_s, outcome = _disturbed(partition, intended_s, intended_s + noise, shape)
    return {
        "producer": partition % 4,
        "partition": partition,
        "first_seq": number * shape.records,
        "count": np.full(len(number), shape.records),
        "t_intended": _nanos(intended_s),
        "t_sent": _nanos(intended_s + noise / 20),
        "t_done": _nanos(done_s),
        "outcome": outcome,
        "base_offset": np.where(outcome == Outcome.OK, number * shape.records, -1),
        "bytes": np.full(len(number), shape.records * 100),
        "error": np.where(outcome == Outcome.OK, "", "_MSG_TIMED_OUT"),
    }


def _disturbed(
    partition: np.typing.NDArray[np.int64],
    intended_s: np.typing.NDArray[np.float64],
    done_s: np.typing.NDArray[np.float64],
    shape: Shape,
) -> tuple[np.typing.NDArray[np.float64], np.typing.NDArray[np.int64]]:
    """A killed broker delays its partitions until the election, an isolated one fails some attempts."""
    outcome = np.full(len(partition), int(Outcome.OK))
    killed = (partition % BROKERS == 1) & (intended_s >= 20.0) & (intended_s < 28.4)
    done_s = np.where(killed, 28.4 + (intended_s - 20.0) / 20, done_s)
    cut = (partition % BROKERS == 2) & (intended_s >= 46.0) & (intended_s < 53.5)
    lost_contact = cut & (intended_s < 49.0)
    outcome[lost_contact] = int(Outcome.UNKNOWN)
    done_s = np.where(cut, np.where(lost_contact, intended_s + 6.0, 53.5 + (intended_s - 49) / 10), done_s)
    return done_s, outcome


def document(**changes: object) -> RunDocument:
    """A run that held everything; *changes* replace fields of ``run.json``."""
    base = RunDocument(
        run_id="20260115-020000-quickstart",
        scenario="quickstart",
        platform="local",
        seed=2718281828,
        verdict=Verdict.PASS,
        exit_code=0,
        sentence="All 1,305,600 acknowledged records survived a kill and an isolation, once and in order.",
        title="Acknowledged records survive a killed leader and a broker cut off from everyone.",
        expect="held",
        started_at=WALL,
        duration_s=80.0,
        findings=(
            finding(
                "no_loss", "Every acknowledged record came back.", acknowledged=1_305_600, read=1_344_000
            ),
            finding("no_duplicates", "No record came back twice.", read=1_344_000),
            finding("order_per_key", "Every producer's records are in order in every partition.", pairs=48),
            finding("no_phantoms", "No record came back that was never attempted.", read=1_344_000),
            finding(
                "recovery",
                "Both faults recovered within their budget.",
                Kind.BUDGET,
                limit="21.5 s",
                faults=2,
            ),
            finding("fence", "Every partition was read through its sentinel.", Kind.SOUNDNESS, partitions=12),
            finding("effects", "Every fault was seen to act and to end.", Kind.SOUNDNESS, faults=2),
        ),
        faults=(KILL, ISOLATE),
        recovery=(
            Recovery(
                fault="1. kill broker-2",
                detected_s=0.4,
                first_ack_s=8.6,
                steady_s=1.2,
                drained_s=2.5,
                expected_s=11.0,
                expected_why="broker.session.timeout.ms 9000 + election 2000",
                budget_s=21.5,
                worst_partition=1,
            ),
            Recovery(
                fault="2. isolate broker-3",
                detected_s=1.1,
                first_ack_s=8.4,
                steady_s=0.8,
                drained_s=3.1,
                expected_s=11.0,
                expected_why="broker.session.timeout.ms 9000 + election 2000",
                budget_s=21.5,
                worst_partition=5,
            ),
        ),
        unavailability=tuple(
            Unavailability(partition=p, from_s=low, to_s=high, attempts=33)
            for low, high, first in ((20.0, 28.4, 1), (46.0, 53.5, 2))
            for p in range(first, 12, BROKERS)
        ),
        latency={
            "before": LatencyRow(count=307_200, p50_ms=2.7, p99_ms=8.8, p999_ms=12.4, max_ms=16.0),
            "during": LatencyRow(
                count=537_600, p50_ms=2.9, p99_ms=7_900.0, p999_ms=8_380.0, max_ms=8_400.0, censored=38_400
            ),
            "after": LatencyRow(count=499_200, p50_ms=2.7, p99_ms=8.9, p999_ms=None, max_ms=15.1),
        },
        load=LoadReached(
            asked_per_s=19_200,
            reached_per_s=19_200,
            records=1_344_000,
            attempts=Attempts(ok=1_305_600, unknown=38_400),
            send_error_p99_ms=0.6,
        ),
        phases={
            "prepare": (0.0, 4.0),
            "steady": (4.0, 20.0),
            "disturb": (20.0, 66.0),
            "recover": (66.0, 74.0),
            "drain": (74.0, 77.0),
            "verify": (77.0, 80.0),
        },
        environment={
            "versions": {"kafka": "3.5.1", "java": "17.0.9", "librdkafka": "2.16.0", "python": "3.11.9"},
            "host": {"kernel": "6.1.0", "cores": "4", "memory": "16 GB"},
            "effective configuration": {"min.insync.replicas": "2", "replica.lag.time.max.ms": "30000"},
            "client": {"acks": "all", "enable.idempotence": "true"},
        },
        command=("/home/me/.venv/bin/harness", "run", "quickstart"),
        harness_version="0.1.0",
    )
    return RunDocument.model_validate(base.model_dump(by_alias=True) | changes)


def finding(
    name: str,
    summary: str,
    kind: Kind = Kind.GUARANTEE,
    verdict: Verdict = Verdict.PASS,
    *,
    limit: str = "0",
    **compared: int,
) -> Finding:
    """A finding with so much evidence."""
    return Finding(checker=name, kind=kind, verdict=verdict, summary=summary, compared=compared, limit=limit)


def broken(**changes: object) -> RunDocument:
    """The same run, but three acknowledged records are gone."""
    whole = document()
    loss = whole.findings[0].model_copy(
        update={
            "verdict": Verdict.FAIL,
            "summary": "3 acknowledged records did not come back.",
            "violations": 3,
            "witnesses": tuple(
                Witness(
                    record=f"1/5/{seq}",
                    partition=5,
                    offsets=(seq,),
                    at_s=46.2,
                    detail="acknowledged at 46.204 s, not read although the fence passed offset 112,001",
                )
                for seq in (67_200, 67_201, 67_202)
            ),
        }
    )
    base = {
        "verdict": Verdict.FAIL,
        "exit_code": 1,
        "sentence": "3 of 1,305,600 acknowledged records were lost after broker-3 was isolated.",
        "findings": [f.model_dump() for f in (loss, *whole.findings[1:])],
    }
    return document(**(base | changes))


KILL = FaultOutcome(
    name="kill broker-2",
    kind="kill",
    target="broker-2",
    nodes=("broker-2",),
    why_this_target="it led orders-1 when the fault was injected",
    injected_at=19.9,
    effect_proven_at=20.0,
    healed_at=31.0,
    healing_proven_at=33.0,
    effect_proof="pid 4211 is gone and 10.0.0.2:9092 refuses connections",
    healing_proof="every replica of broker-2 is in sync again",
    commands=("kill -KILL 4211",),
)
ISOLATE = FaultOutcome(
    name="isolate broker-3",
    kind="partition",
    target="broker-3",
    nodes=("broker-3",),
    why_this_target="it led orders-2 when the fault was injected",
    injected_at=45.9,
    effect_proven_at=46.0,
    healed_at=65.9,
    healing_proven_at=66.0,
    effect_proof="no probe reaches broker-3:9092; broker-1 and broker-2 reach each other",
    healing_proof="all probes reach broker-3:9092",
    commands=(
        "nft add element inet harness cut { 198.18.0.3 . 198.18.0.1 timeout 3s }",
        "nft add element inet harness cut { 198.18.0.3 . 198.18.0.2 timeout 3s }",
    ),
)


def _started(document: RunDocument) -> RunStarted:
    return RunStarted(
        t=ZERO,
        wall=WALL,
        run_id=document.run_id,
        scenario=document.scenario,
        title=document.title,
        platform=document.platform,
        stack="edge-kafka",
        seed=document.seed,
        guarantees=(Guarantee(name="no_loss"),),
        budgets=Budgets(),
        command=document.command,
    )


def _cpu(shape: Shape) -> dict[str, np.typing.NDArray[np.generic]]:
    at = np.arange(0.0, shape.seconds, 0.5)
    return {
        "t": _nanos(at),
        "source": np.full(len(at), "harness"),
        "name": np.full(len(at), "cpu_percent"),
        "value": 40 + 15 * np.sin(at / 6),
    }


def _write(
    folder: Path, name: str, columns: pa.Schema, values: dict[str, np.typing.NDArray[np.generic]]
) -> None:
    table = pa.table({field.name: pa.array(values[field.name], type=field.type) for field in columns})
    with pa.ipc.new_stream(str(folder / f"{name}-0.arrow"), columns) as stream:
        stream.write_table(table)
    tables.seal(folder, name, columns)


def _at(seconds: float) -> int:
    return ZERO + int(seconds * 1e9)


def _nanos(seconds: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.int64]:
    return ZERO + np.round(seconds * 1e9).astype(np.int64)
