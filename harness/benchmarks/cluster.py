"""Figures that need a real cluster: boot, throughput against Kafka's own tool, pacing, cuts.

Runs inside an enclosure. Throughputs are measured in turns on the same cluster, so
that a machine whose speed drifts moves both; the ratio of the medians counts.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil

from harness.benchmarks.figures import Figure
from harness.clock import MONOTONIC
from harness.faults.leases import Cuts
from harness.faults.nft import blocks_at
from harness.ledger import evidence, schema, tables
from harness.load.engine import LoadEngine
from harness.load.plan import LoadPlan
from harness.model import Outcome
from harness.stack.booted import BootedStack
from harness.stack.definition import StackDefinition
from harness.stack.local import booted
from harness.stack.software import Software

_PARTITIONS = 12
_RECORD_BYTES = 100
_TURNS = 3
_TURN_S = 12
_PACED_S = 15
_CUTS = 20


@dataclass(frozen=True)
class Bench:
    """What to measure on, and where to leave files."""

    definition: StackDefinition
    folder: Path
    software: Software
    tools: tuple[Path, ...]
    scratch: Path

    def measure(self) -> list[Figure]:
        """All figures of this module."""
        logs = self.scratch / "logs"
        logs.mkdir()
        begin = time.monotonic()
        with booted(self.definition, self.folder, self.software, logs=logs, environment={}) as stack:
            stack.roles.create_topic("boot", partitions=_PARTITIONS, replication=3, config={})
            stack.roles.prove_ready("boot", lambda _partition: b"ready", 30)
            figures = [*_boot(stack, time.monotonic() - begin), *_cuts(stack)]
            ours, theirs = self._in_turns(stack)
            figures.append(_throughput(ours, theirs))
            figures.append(self._pacing(stack, statistics.median(ours) / 2))
        return figures

    def _in_turns(self, stack: BootedStack) -> tuple[list[float], list[float]]:
        ours, theirs = [], []
        self._turn(stack, "warm", 0, 5)
        for turn in range(_TURNS):
            ours.append(self._turn(stack, f"ours-{turn}", 0, _TURN_S))
            theirs.append(self._kafkas_own(stack, f"theirs-{turn}", int(ours[-1] * _TURN_S)))
        return ours, theirs

    def _turn(self, stack: BootedStack, topic: str, rate: float, seconds: float) -> float:
        """Records acknowledged per second of the whole path: Locust, producer, ledger."""
        rows = self._load(stack, topic, rate, seconds)
        ok = rows.outcome == Outcome.OK
        return float(rows.count[ok].sum() / ((rows.t_done[ok].max() - rows.t_sent.min()) / 1e9))

    def _load(self, stack: BootedStack, topic: str, rate: float, seconds: float) -> evidence.Attempts:
        stack.roles.create_topic(topic, partitions=_PARTITIONS, replication=3, config={})
        folder = self.scratch / topic
        for name in ("ledger", "samples", "state"):
            (folder / name).mkdir(parents=True)
        plan = LoadPlan(
            run_id="benchmark",
            topic=topic,
            partitions=_PARTITIONS,
            bootstrap=stack.bootstrap,
            ledger=folder / "ledger",
            samples=folder / "samples",
            rate=rate,
            record_bytes=_RECORD_BYTES,
            producers=2,
            processes=2,
            client={"linger.ms": "5", "batch.size": "131072"} if rate == 0 else {},
        )
        node = stack.nodes["load-1"]
        engine = LoadEngine(plan, enter=node.enter, folder=folder / "state", logs=folder)
        engine.start()
        MONOTONIC.sleep(seconds)
        engine.stop(drain_seconds=20)
        stack.roles.delete_topic(topic)
        tables.seal(folder / "ledger", "attempts", schema.ATTEMPTS)
        table, _ = tables.read(folder / "ledger", "attempts", schema.ATTEMPTS)
        return evidence.columns(evidence.Attempts, table)

    def _kafkas_own(self, stack: BootedStack, topic: str, records: int) -> float:
        """Records per second as ProducerPerformance reports them, same size, acks and replication."""
        stack.roles.create_topic(topic, partitions=_PARTITIONS, replication=3, config={})
        kafka = self.software.kafka
        software = replace(kafka, jars=(*kafka.jars, *self.tools))
        settings = {
            "bootstrap.servers": stack.bootstrap,
            "acks": "all",
            "linger.ms": "5",
            "batch.size": "131072",
        }
        arguments = ["--topic", topic, "--num-records", str(records), "--record-size", str(_RECORD_BYTES)]
        arguments += ["--throughput", "-1", "--producer-props", *(f"{k}={v}" for k, v in settings.items())]
        argv = software.command("org.apache.kafka.tools.ProducerPerformance", *arguments, heap_mb=512)
        done = subprocess.run(
            stack.nodes["load-1"].enter(argv), capture_output=True, text=True, check=True, timeout=300
        )
        stack.roles.delete_topic(topic)
        return float(re.findall(r"([\d.]+) records/sec", done.stdout)[-1])

    def _pacing(self, stack: BootedStack, rate: float) -> Figure:
        turns = [self._lateness(stack, f"paced-{turn}", rate) for turn in range(_TURNS)]
        p99 = statistics.median(turns)
        told = ", ".join(f"{turn:.2f}" for turn in turns)
        detail = f"{rate:,.0f} records/s asked for {_PACED_S} s, median of {_TURNS}: {told} ms"
        return Figure("send-time error p99 at half that rate", f"{p99:.2f} ms", "≤ 2 ms", p99 <= 2, detail)

    def _lateness(self, stack: BootedStack, topic: str, rate: float) -> float:
        rows = self._load(stack, topic, rate, _PACED_S)
        return float(np.percentile((rows.t_sent - rows.t_intended) / 1e6, 99))


def _boot(stack: BootedStack, seconds: float) -> list[Figure]:
    pids: Mapping[str, int] = stack.live_pids()
    used = sum(psutil.Process(pid).memory_info().rss for pid in pids.values()) / 1e9
    detail = "start to an acknowledged write and a read on each of 12 partitions"
    return [
        Figure("three brokers ready, warm cache", f"{seconds:.1f} s", "≤ 5 s", seconds <= 5, detail),
        Figure(
            "memory of all three brokers", f"{used:.2f} GB", "≤ 1.1 GB", used <= 1.1, "resident, when ready"
        ),
    ]


def _throughput(ours: list[float], theirs: list[float]) -> Figure:
    ratio = statistics.median(ours) / statistics.median(theirs)
    rounds = "; ".join(f"{a:,.0f} / {b:,.0f}" for a, b in zip(ours, theirs, strict=True))
    name = "records/s of the whole path against ProducerPerformance"
    return Figure(name, f"{ratio:.2f}×", "≥ 0.8×", ratio >= 0.8, f"in turns, ours / theirs: {rounds}")


def _cuts(stack: BootedStack) -> list[Figure]:
    cuts, nodes = Cuts(stack.nodes), stack.nodes
    blocks = blocks_at(nodes["broker-3"], [nodes["broker-1"], nodes["broker-2"]], "both", "drop")
    injected, healed = [], []
    for holder in range(_CUTS):
        start = time.monotonic()
        cuts.install(holder, blocks)
        middle = time.monotonic()
        cuts.lift(holder, blocks)
        injected.append((middle - start) * 1000)
        healed.append((time.monotonic() - middle) * 1000)
    cuts.close()
    return [_quick("inject a cut", injected), _quick("heal a cut", healed)]


def _quick(name: str, milliseconds: list[float]) -> Figure:
    median = statistics.median(milliseconds)
    detail = f"median of {len(milliseconds)}, worst {max(milliseconds):.0f} ms"
    return Figure(name, f"{median:.0f} ms", "≤ 50 ms", median <= 50, detail)
