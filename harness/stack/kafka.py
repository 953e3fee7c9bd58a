"""The Kafka component: one broker for each broker node, started, killed, wiped and started again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import StackError
from harness.stack.kafka_admin import KafkaAdmin
from harness.stack.kafka_files import KafkaSoftware, lay_down, render_properties
from harness.stack.netns import NamespaceNode
from harness.stack.process import NamespacedProcess
from harness.waiting import NotYet, wait_for

YIELDING = ("nice", "-n", "10")
"""On a machine that is short of processors the brokers wait, not the load: its clients stand for
machines of their own, and a load that is late measures itself."""


class Broker:
    """One broker on its node; see ``harness.stack.seams.Service``."""

    def __init__(
        self,
        node: NamespaceNode,
        admin: KafkaAdmin,
        software: KafkaSoftware,
        *,
        properties: Mapping[str, str],
        formatted: Path,
        heap_mb: int,
        log4j: Path,
        logs: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.node = node
        self._admin = admin
        self._data = Path(properties["log.dirs"])
        self._formatted = formatted
        self._log = logs / f"{node.name}.log"
        self._config = logs / f"{node.name}.properties"
        self._config.write_text(render_properties(properties))
        flags = (f"-Dlog4j.configuration=file:{log4j}", "-XX:+ExitOnOutOfMemoryError")
        command = software.command("kafka.Kafka", str(self._config), heap_mb=heap_mb, flags=flags)
        self._argv = [*YIELDING, *command]
        self._environment = {"PATH": os.environ.get("PATH", ""), "HARNESS_NODE": node.name, **environment}
        self._process: NamespacedProcess | None = None

    @property
    def process(self) -> NamespacedProcess:
        """The present process, alive or not."""
        if self._process is None:
            raise StackError(f"{self.node.name} was never started")
        return self._process

    @property
    def disk(self) -> Path:
        """Where its disk is mounted."""
        return self._data

    def start(self) -> None:
        """Start the broker; an empty disk is formatted first.

        Raises:
            StackError: it still runs, or could not be started.
        """
        if self._process is not None and self._process.is_alive():
            raise StackError(f"{self.node.name} still runs")
        if not (self._data / "meta.properties").exists():
            lay_down(self._formatted, self._data)
        self._process = NamespacedProcess.start(
            self.node.enter([]), self._argv, environment=self._environment, log=self._log
        )

    def wait_ready(self, seconds: float) -> str:
        """Return when the broker answers and every replica of every topic is in sync again."""
        wait_for(self._answers, what=f"{self.node.name} to answer", seconds=seconds)
        self._admin.wait_for_brokers(seconds)
        topics = self._admin.topics()
        for topic in topics:
            self._admin.wait_in_sync(topic, seconds)
        return f"{self.node.name} answers; every replica of {', '.join(topics) or 'no topic'} is in sync"

    def wipe(self) -> None:
        """Delete everything on its disk; the next start formats it anew.

        Raises:
            StackError: the broker runs.
        """
        if self.process.is_alive():
            raise StackError(f"{self.node.name} runs", fix="kill it before its disk is wiped")
        for entry in self._data.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def log_tail(self, lines: int = 5) -> str:
        """The end of its log, for an error."""
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def _answers(self) -> None:
        if not self.process.is_alive():
            raise StackError(f"{self.node.name} died", why=self.log_tail(), fix=f"see {self._log}")
        if not self.node.can_connect(self.node.address, self.node.ports[0], seconds=0.5):
            raise NotYet("its port is closed")
