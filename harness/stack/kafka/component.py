"""The Kafka component: one broker for each broker node, started, killed, wiped and started again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.kafka.files import KafkaSoftware, lay_down, render_properties
from harness.stack.namespaces.netns import NamespaceNode
from harness.stack.service import NodeProcess


class Broker(NodeProcess):
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
        self._admin, self._formatted = admin, formatted
        config = logs / f"{node.name}.properties"
        config.write_text(render_properties(properties))
        flags = (f"-Dlog4j.configuration=file:{log4j}", "-XX:+ExitOnOutOfMemoryError")
        argv = software.command("kafka.Kafka", str(config), heap_mb=heap_mb, flags=flags)
        super().__init__(node, argv, environment=environment, disk=Path(properties["log.dirs"]), logs=logs)

    def before_start(self) -> None:
        """Format an empty disk."""
        if not (self.disk / "meta.properties").exists():
            lay_down(self._formatted, self.disk)

    def wait_ready(self, seconds: float) -> str:
        """Return when the broker answers and every replica of every topic is in sync again."""
        self.wait_listening(seconds)
        return self._admin.prove_in_sync(self.node.name, seconds)
