"""Figures of a kind cluster that runs: how soon the pipeline serves in it, and the memory of a whole run.

``python -m harness.benchmarks.kind``, as root beside Docker. A cluster that is there is used, and stays. The
harness stands in the cluster's network meanwhile, as in a run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import psutil
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from harness import bundle, launch
from harness.benchmarks.figures import Figure, table
from harness.errors import HarnessError
from harness.stack.booted import BootedStack
from harness.stack.definition import StackDefinition
from harness.stack.flink.pipeline import Pipeline
from harness.stack.kind import cluster, gateway, images, machines
from harness.stack.kind.cluster import KindMachines
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.platform import booted
from harness.stack.kubernetes.pods import OwnMachine
from harness.stack.parts import Parts, find_parts
from harness.waiting import wait_for

STACK, RUN = "edge", "benchmark-kind"
_FIRST_ACK_S, _READY_S, _MEMORY_GIB = 25, 60, 10.0
_PATIENCE_S, _RUN_S, _EVERY_S = 300.0, 900, 1.0
_TOPICS = ("orders", "edge-out", "edge-dlq", "edge-late")


def main() -> int:
    """Measure, print the table; returns 0 when every figure is reached, else 1."""
    prepared = launch.prepare(STACK, {}, "kind")
    launch.fetch(prepared)
    with cluster.standing(reuse=True, keep=False) as made, tempfile.TemporaryDirectory() as folder:
        with launch.machine_lock(RUN):
            _load_images(prepared, made.name)
            figures = _boot(made, Path(folder))
        figures.append(_memory(made.name, Path(folder)))
    sys.stdout.write(table(figures))
    return 0 if all(figure.reached is not False for figure in figures) else 1


def _load_images(prepared: launch.Prepared, name: str) -> None:
    parts = find_parts(prepared.definition, prepared.folder, prepared.software)
    ours = images.images_of(prepared.definition, prepared.software, parts.vector)
    for each, image in ours.items():
        images.build(image, bundle.fixtures() / "images" / each / "Dockerfile")
    images.load([images.tag_of(image) for image in ours.values()], name)


def _boot(made: cluster.Cluster, folder: Path) -> list[Figure]:
    """Boot the pipeline once, measured by a process in the network of the cluster."""
    with cluster.secret(made.kubeconfig()) as secret:
        dns = Api(secret.read_text(), "kube-system").service_address("kube-dns", "kube-system")
        argv = [sys.executable, "-m", __spec__.name, str(folder), str(secret)]
        subprocess.run(gateway.command(made.control_plane_pid, dns, argv), check=True, timeout=_RUN_S)
    return [Figure(**one) for one in json.loads((folder / "figures.json").read_text())]


def measure_inside(folder: Path, kubeconfig: str) -> list[Figure]:
    """Boot the pipeline, and tell when a record was acknowledged first and when all of it ran."""
    prepared = launch.prepare(STACK, {}, "kind")
    definition, logs = prepared.definition, folder / "logs"
    assert definition.kubernetes is not None
    logs.mkdir()
    parts = find_parts(definition, prepared.folder, prepared.software)
    marks = {"HARNESS_RUN": RUN, "HARNESS_DIR": str(folder), "HARNESS_CLUSTER": cluster.NAME}
    api = Api(kubeconfig, definition.kubernetes.namespace)
    grip, load = OwnMachine(RUN, api, KindMachines()), os.getloadavg()[0]
    begin = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(_first_acknowledged, definition)
        with booted(
            definition, prepared.folder, prepared.software, parts,
            logs=logs, environment=marks, api=api, grip=grip,
        ) as stack:  # fmt: skip
            _start_job(stack, prepared, parts)
            ready = time.monotonic() - begin
        acknowledged = first.result() - begin
    how = f"{os.cpu_count()} cores, load average {load:.1f} before"
    return [
        _seconds("edge-plain, apply to the first acknowledged write", acknowledged, _FIRST_ACK_S, how),
        _seconds("edge-plain, apply to every pod serving and the job running", ready, _READY_S, how),
    ]


def _seconds(name: str, measured: float, at_most: int, how: str) -> Figure:
    return Figure(name, f"{measured:.1f} s", f"≤ {at_most} s", measured <= at_most, how)


def _first_acknowledged(definition: StackDefinition) -> float:
    """The instant at which all in-sync replicas of a partition had a record, tried from now on."""
    nodes = definition.nodes_of("broker")
    servers = ",".join(f"{node.address}:{definition.kafka.client_port}" for node in nodes)
    told: dict[str, str | int | float | bool] = {
        "bootstrap.servers": servers,
        "reconnect.backoff.max.ms": 200,
        "log_level": 0,
    }
    admin = AdminClient(told)

    def create() -> None:
        (made,) = admin.create_topics([NewTopic("first", 1, len(nodes))], request_timeout=2).values()
        made.result()

    wait_for(create, what="a topic", seconds=_PATIENCE_S, every=0.1, retry_on=(KafkaException,))
    delivered: list[float] = []

    def delivery(error: KafkaError | None, _record: object) -> None:
        assert error is None, str(error)
        delivered.append(time.monotonic())

    producer = Producer({**told, "acks": "all"})
    producer.produce("first", b"1", on_delivery=delivery)
    producer.flush(_PATIENCE_S)
    return delivered[0]


def _start_job(stack: BootedStack, prepared: launch.Prepared, parts: Parts) -> None:
    assert stack.flink is not None
    assert parts.job is not None
    stack.roles.create_topics(_TOPICS, partitions=6, replication=3, config={})
    Pipeline(
        prepared.definition, prepared.folder, stack.flink, jar=parts.job, bootstrap=stack.bootstrap,
        source=_TOPICS[0], told=lambda _start: None,
    ).start()  # fmt: skip


def _memory(name: str, folder: Path) -> Figure:
    """The most that the cluster's machines and the harness had at once, in a whole run of the pipeline."""
    argv = [sys.executable, "-m", "harness", "run", "pipeline", "--platform", "kind", "--reuse"]
    ended, peaks = threading.Event(), [(0.0, 0.0)]
    with subprocess.Popen([*argv, "--out", str(folder / "runs")], stdout=subprocess.DEVNULL) as run:
        watch = threading.Thread(target=_watch, args=(name, run.pid, peaks, ended))
        watch.start()
        code = run.wait(_RUN_S)
        ended.set()
        watch.join()
    machines_gib, own_gib = max(peaks, key=sum)
    whole = machines_gib + own_gib
    how = f"cluster {machines_gib:.1f}, harness and load {own_gib:.1f}; exit {code}"
    name = "memory of the pipeline's quickstart on kind, at its peak"
    return Figure(name, f"{whole:.1f} GiB", f"≤ {_MEMORY_GIB:g} GiB", whole <= _MEMORY_GIB, how)


def _watch(name: str, pid: int, peaks: list[tuple[float, float]], ended: threading.Event) -> None:
    groups = [_group(machine) for machine in machines.states(name)]
    while not ended.wait(_EVERY_S):
        peaks.append((sum(map(_used, groups)) / 2**30, _own(pid) / 2**30))


def _group(machine: str) -> Path:
    """The control group of the container that *machine* is, of either version."""
    argv = ["docker", "inspect", "--format", "{{.Id}}", machine]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    root = Path("/sys/fs/cgroup")
    return next(path for base in (root / "memory", root) for path in base.glob(f"*/*{told}*"))


def _used(group: Path) -> int:
    """Bytes in use, as Docker counts them: without what the page cache could give back at once."""
    old = group / "memory.usage_in_bytes"
    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    cache = stat.get("total_inactive_file", stat.get("inactive_file", "0"))
    return int((old if old.exists() else group / "memory.current").read_text()) - int(cache)


def _own(pid: int) -> int:
    """Bytes of process *pid* and all that it started; what they share is counted once."""
    used = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            used += process.memory_full_info().pss
    except psutil.Error:
        pass  # one that ended meanwhile counts for what was seen
    return used


if __name__ == "__main__":
    try:
        if len(sys.argv) == 1:
            sys.exit(main())
        place, config = map(Path, sys.argv[1:])
        inside = measure_inside(place, config.read_text())
        (place / "figures.json").write_text(json.dumps([asdict(figure) for figure in inside]))
    except HarnessError as error:
        sys.stderr.write(f"harness: {error.sentence()}\n")
        sys.exit(error.exit_code)
