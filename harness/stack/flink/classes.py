"""The class data sharing archive of Flink's processes; see ``harness.stack.classes``.

A JobManager and a TaskManager start alone on loopback and are handed the job. It finds no brokers
there, but what its tasks need to begin with is loaded by then. One archive serves both.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError, StackError
from harness.stack.classes import Program, listed, listing, shared_classes
from harness.stack.components import FlinkDefinition
from harness.stack.definition import StackDefinition
from harness.stack.flink.files import (
    cluster_settings,
    render_config,
    task_manager_memory,
    task_manager_settings,
)
from harness.stack.flink.pipeline import Pipeline
from harness.stack.flink.rest import FlinkRest
from harness.stack.software import Software
from harness.waiting import NotYet, wait_for

JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"

_HERE = "127.0.0.1"
_NO_BROKER = f"{_HERE}:1"
_REGISTER_S, _USE_S = 60.0, 30.0
_QUIET_S = 1.0


def with_flink_archive(
    software: Software, definition: StackDefinition, folder: Path, job: Path | None
) -> Software:
    """*software* with the archive for Flink's processes, made first where there is none.

    *job* is the jar that the lone cluster is handed; *folder* holds the stack's files.
    """
    if definition.flink is None:
        return software
    cluster = LoneCluster(software, definition, folder, job, definition.flink)
    try:
        archive = shared_classes(cluster.program())
    except StackError:
        archive = None  # the user's settings are in it: what is wrong with them the stack itself will tell
    return software if archive is None else replace(software, archives={"flink": archive})


@dataclass(frozen=True, slots=True)
class LoneCluster:
    """A JobManager and a TaskManager on loopback, where nothing else is; see ``with_flink_archive``."""

    software: Software
    definition: StackDefinition
    folder: Path
    job: Path | None
    flink: FlinkDefinition

    def program(self) -> Program:
        """The JobManager, which is used by a TaskManager and the job."""
        return Program(
            name=f"flink-{self.flink.version}",
            java=self.software.java,
            jars=self.software.jars["flink"],
            command=lambda flags, arguments: self._command(JOB_MANAGER, flags, arguments),
            prepare=self._configured,
            port=self.flink.rest_port,
            use=self._used,
        )

    def _command(self, main: str, flags: Sequence[str], arguments: Sequence[str]) -> list[str]:
        log = f"-Dlog4j.configuration=file:{self.folder / 'log4j-console.properties'}"
        memory = task_manager_memory(self.flink)
        told = (*memory.flags, log, *flags)
        return self.software.command("flink", main, *arguments, heap_mb=memory.heap_mb, flags=told)

    def _configured(self, scratch: Path) -> Sequence[str]:
        """The arguments of both processes, behind which their configuration lies in *scratch*."""
        shared = cluster_settings(self.definition, self.folder) | task_manager_settings(self.flink)
        settings = {key: value for key, value in shared.items() if not key.startswith("high-availability")}
        here = dict.fromkeys(("jobmanager.rpc.address", "rest.address", "taskmanager.host"), _HERE)
        disk = dict.fromkeys(("io.tmp.dirs", "blob.storage.directory", "web.upload.dir"), str(scratch))
        state = dict.fromkeys(("state.checkpoints.dir", "state.savepoints.dir"), f"file://{scratch}/state")
        both = {"metrics.reporter.prom.port": f"{self.flink.metrics_port}-{self.flink.metrics_port + 1}"}
        (scratch / "flink-conf.yaml").write_text(render_config(settings | here | disk | state | both))
        return ("--configDir", str(scratch))

    def _used(self, scratch: Path) -> None:
        rest = FlinkRest([f"http://{_HERE}:{self.flink.rest_port}"])
        flags = (listing(scratch, "taskmanager"),)
        with _running(self._command(TASK_MANAGER, flags, ("--configDir", str(scratch)))):
            rest.wait_task_managers(1, _REGISTER_S)
            # What a user's own job does here is its own affair: the archive only gets smaller by it.
            with contextlib.suppress(HarnessError):
                self._work(rest, scratch)
                wait_for(_quiet(scratch), what="the job to begin", seconds=_USE_S, every=_QUIET_S)

    def _work(self, rest: FlinkRest, scratch: Path) -> None:
        job = self.definition.job
        if job is None or self.job is None:
            return
        archive = f"file://{scratch}/archive" if job.archive else ""
        lone = self.definition.model_copy(update={"job": job.model_copy(update={"archive": archive})})
        told = Pipeline(
            lone, self.folder, rest, jar=self.job, bootstrap=_NO_BROKER, source="none", told=lambda _: None
        )
        rest.run(rest.upload(self.job), job.main, told.arguments(), parallelism=1)


def _quiet(scratch: Path) -> Callable[[], None]:
    """Whether nothing new was listed in *scratch* since the last look."""
    before = 0

    def look() -> None:
        nonlocal before
        before, now = len(listed(scratch)), before
        if now != before:
            raise NotYet(f"{before - now} more classes")

    return look


@contextlib.contextmanager
def _running(argv: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
