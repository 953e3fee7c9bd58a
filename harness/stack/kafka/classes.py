"""The class data sharing archive of a broker; see ``harness.stack.classes``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.stack.classes import Program, shared_classes
from harness.stack.kafka.files import CLUSTER_ID, KafkaSoftware, render_properties

_FORMAT_S = 60.0
_PORT, _CONTROLLER_PORT = 29092, 29093
_HEAP_MB = 256


def with_archive(software: KafkaSoftware, version: str) -> KafkaSoftware:
    """*software* with the archive for its Java and jars, made first where there is none."""

    def command(flags: Sequence[str], arguments: Sequence[str]) -> list[str]:
        return software.command("kafka.Kafka", *arguments, heap_mb=_HEAP_MB, flags=flags)

    broker = Program(
        name=version,
        java=software.java,
        jars=software.jars,
        command=command,
        prepare=lambda scratch: _formatted(software, scratch),
        port=_PORT,
    )
    return replace(software, archive=shared_classes(broker))


def _formatted(software: KafkaSoftware, scratch: Path) -> Sequence[str]:
    config = scratch / "server.properties"
    config.write_text(render_properties(_lone_broker(scratch / "data")))
    format_it = ("format", "-t", CLUSTER_ID, "-c", str(config))
    argv = software.command("kafka.tools.StorageTool", *format_it, heap_mb=_HEAP_MB)
    subprocess.run(argv, capture_output=True, timeout=_FORMAT_S, check=True)
    return (str(config),)


def _lone_broker(data: Path) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{_CONTROLLER_PORT}",
        "listeners": f"PLAINTEXT://127.0.0.1:{_PORT},CONTROLLER://127.0.0.1:{_CONTROLLER_PORT}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
    }
