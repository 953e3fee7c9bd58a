"""What a run is made of besides jars of a lock: the job, the metrics agent, and what delays connections.

Everything here can be found wrong before anything is started, so it is looked at first, outside.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from harness.bundle import fixtures
from harness.errors import BadInput, unknown_name
from harness.stack.components import FlinkDefinition
from harness.stack.definition import StackDefinition
from harness.stack.delays import UNTRIED, Delays, delays_here, find_toxiproxy
from harness.stack.flink.files import cluster_settings
from harness.stack.flink.job import built_job, check_job
from harness.stack.software import Software
from harness.stack.vector.component import find_vector, missing_reason
from harness.stack.vector.config import check_programs

_OWN_JOB = "edge-processor"

JOB = "HARNESS_JOB"
"""The environment variable that names the job's jar in a pod that cannot compile it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What was found; a stack without the component has None.

    Args:
        job: the job's jar, and ``job_sha256`` its sum.
        vector: the metrics agent's binary; None as well where an image of the user's takes its place.
        vector_missing: why its hop cannot be executed; empty when it can, or is not part of the stack.
        delays: what there is to delay connections with.
    """

    job: Path | None = None
    job_sha256: str = ""
    vector: Path | None = None
    vector_missing: str = ""
    delays: Delays = UNTRIED

    def without_vector(self, why: str) -> Parts:
        """The same where the metrics agent is not run, for the reason *why*."""
        return replace(self, vector=None, vector_missing=why)


NO_PARTS = Parts()


def check_parts(definition: StackDefinition, folder: Path) -> None:
    """Look at everything that can be found wrong without the jars of a lock; takes milliseconds.

    Raises:
        BadInput: a file, a jar of the user's, a class, a bucket, a binary or a program is not what
            it should be, or the job finds too few slots.
    """
    job = definition.job
    if definition.flink is not None:
        cluster_settings(definition, folder)
        _check_slots(definition, definition.flink)
    if job is not None and job.jar != _OWN_JOB and JOB not in os.environ:
        check_job(Path(job.jar), job.main)
    _check_buckets(definition)
    _vector(definition, folder)
    find_toxiproxy(definition.toxiproxy.binary)


def find_parts(definition: StackDefinition, folder: Path, software: Software) -> Parts:
    """Build or find everything, and check it.

    Raises:
        BadInput: as ``check_parts``, or the job that comes with the harness has not the class asked for.
    """
    check_parts(definition, folder)
    job, job_sha256 = _job(definition, software)
    vector, missing = _vector(definition, folder)
    return Parts(job, job_sha256, vector, missing, delays_here(definition.toxiproxy.binary))


def _check_slots(definition: StackDefinition, flink: FlinkDefinition) -> None:
    """All parallel tasks of a job's vertex find a slot; a job that waits for one would wait in vain."""
    hosts, wanted = len(definition.nodes_of("taskmanager")), flink.parallelism
    slots = hosts * flink.slots
    if definition.job is None or wanted <= slots:
        return
    each = f"flink.slots={math.ceil(wanted / hosts)}, " if hosts else ""
    raise BadInput(
        f"flink.parallelism {wanted} needs {wanted} slots, and there are {slots}",
        why=f"TaskManagers: {hosts}, slots of each: {flink.slots}",
        fix=f"{each}a smaller flink.parallelism, or more TaskManagers among the nodes of stack.yaml",
    )


def _check_buckets(definition: StackDefinition) -> None:
    """Every bucket that something writes to is one of those that the object store is made with."""
    job, vector, objects = definition.job, definition.vector, definition.objects
    used = {"job.archive": bucket_of(job.archive)} if job and job.archive else {}
    used |= {"vector.bucket": vector.bucket} if vector else {}
    for setting, bucket in used.items():
        if objects is not None and bucket not in objects.buckets:
            raise unknown_name(f"bucket for {setting}", bucket, objects.buckets)


def bucket_of(address: str) -> str:
    """The bucket of an object store address: ``edge-archive`` of ``s3://edge-archive/records``.

    Raises:
        BadInput: it is no such address.
    """
    bucket = address.removeprefix("s3://").partition("/")[0]
    if not address.startswith("s3://") or not bucket:
        raise BadInput(f"{address!r} is no object store address", fix="e.g. s3://edge-archive/records")
    return bucket


def _job(definition: StackDefinition, software: Software) -> tuple[Path | None, str]:
    job = definition.job
    if job is None:
        return None, ""
    jar = Path(job.jar)
    if given := os.environ.get(JOB):
        jar = Path(given)
    elif job.jar == _OWN_JOB:
        source = fixtures() / "flink-job"
        jar = built_job(software.java, software.jars["flink"], software.jars["ecj"][0], source)
    return jar, check_job(jar, job.main)


def _vector(definition: StackDefinition, folder: Path) -> tuple[Path | None, str]:
    vector = definition.vector
    if vector is None:
        return None, ""
    config = folder / vector.config
    try:
        check_programs(config.read_text(encoding="utf-8"), config.name)
    except OSError as error:
        raise BadInput(f"vector.config {config} cannot be read", why=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"vector.config {config} is no text", why=str(error)) from error
    pods = definition.kubernetes
    if pods is not None and "vector" in pods.overrides:
        return None, ""
    found = find_vector(vector.binary)
    instead = ", or an image of it with --set images.vector=NAME" if pods is not None else ""
    return found, "" if found else missing_reason(vector.binary) + instead
