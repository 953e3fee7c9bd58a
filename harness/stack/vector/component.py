"""The metrics agent: the user's own ``vector`` on its node, checked before load, started, killed, stopped.

Vector does not come with the harness. Without it the metrics hop is not executed; its programs are
checked all the same (``harness.stack.vector.config``). The configuration is the stack's file, as it
stands; what a configuration lacks to be watched goes into a second file beside it.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from harness.errors import BadInput, StackError
from harness.stack.components import VectorDefinition
from harness.stack.definition import StackDefinition
from harness.stack.namespaces.netns import NamespaceNode
from harness.stack.programs import find_program, missing_program, version_words
from harness.stack.service import NodeProcess
from harness.stack.vector.agent import GRACE_S, Answers, sent_all
from harness.stack.vector.config import VectorConfig, read_config

_VALIDATE_S = 30
_NOISE = re.compile(r"√|^\s*$|^\d{4}-\d\d-\d\dT\S+ +[A-Z]+ ")
"""Lines of ``vector validate`` that are no complaint: what is fine, and its log."""


def find_vector(binary: str) -> Path | None:
    """The ``vector`` to run: a name is looked up in PATH, anything with a slash is a file.

    Returns:
        None when the name is not in PATH: the hop is then not executed.

    Raises:
        BadInput: a file that is not there or does not run, or what was found is not Vector.
    """
    found = find_program("vector.binary", binary, "vector")
    return None if found is None else _proven(found)


def version_of(vector: Path) -> str:
    """Its version: "0.56.0".

    Raises:
        BadInput: it does not say one.
    """
    return version_words(vector, "vector", "Vector")[1]


def missing_reason(binary: str) -> str:
    """Why the metrics hop is not executed, for the report."""
    return missing_program("vector.binary", binary)


def environment_of(definition: StackDefinition) -> dict[str, str]:
    """The variables that a stack's Vector configuration may use; see ``fixtures/stacks/edge/vector.toml``.

    Every node's address under its role and number and under its name, in capitals (``TASKMANAGER_1``), ports,
    and the object store with its credentials.
    """
    found: dict[str, str] = {}
    for node in definition.nodes:
        number = definition.nodes_of(node.role).index(node) + 1
        found |= {_variable(name): node.address for name in (f"{node.role}-{number}", node.name)}
    if definition.vector is not None:
        found |= {
            "VECTOR_API_PORT": str(definition.vector.api_port),
            "VECTOR_METRICS_PORT": str(definition.vector.metrics_port),
            "METRICS_BUCKET": definition.vector.bucket,
        }
    if definition.flink is not None:
        found["FLINK_METRICS_PORT"] = str(definition.flink.metrics_port)
    return found | _store(definition)


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _store(definition: StackDefinition) -> dict[str, str]:
    """The object store as Vector's own AWS client takes it; nothing when the stack has none."""
    objects, nodes = definition.objects, definition.nodes_of("s3")
    if objects is None or not nodes:
        return {}
    endpoint = f"http://{nodes[0].address}:{objects.port}"
    return {
        "S3_ENDPOINT": endpoint,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": objects.region,
        "AWS_ACCESS_KEY_ID": objects.access_key,
        "AWS_SECRET_ACCESS_KEY": objects.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def watching(config: VectorConfig, definition: VectorDefinition, disk: Path) -> str:
    """The TOML of what *config* lacks: a data folder, the API, its own metrics exported. Empty: nothing."""
    parts = []
    if not config.data_dir:
        parts.append(f'data_dir = "{disk}"\n')
    if not config.api.get("enabled"):
        parts.append(f'[api]\nenabled = true\naddress = "0.0.0.0:{definition.api_port}"\n')
    if not config.exports_itself():
        parts.append(
            '[sources.harness_itself]\ntype = "internal_metrics"\nscrape_interval_secs = 1\n'
            '[sinks.harness_itself_exported]\ntype = "prometheus_exporter"\ninputs = ["harness_itself"]\n'
            f'address = "0.0.0.0:{definition.metrics_port}"\n'
        )
    return "".join(parts)


class VectorAgent(NodeProcess):
    """One Vector on its node; see ``seams.Service`` and ``metrics_agent.MetricsAgent``.

    Args:
        node: where it runs; its first port is the one of its API.
        definition: the stack's ``vector``.
        binary: what ``find_vector`` found.
        config: the stack's configuration file.
        disk: the folder on the node's own disk for its buffers.
        logs: where its log goes.
        environment: ``environment_of`` the stack, and what marks the run's processes.
    """

    def __init__(
        self,
        node: NamespaceNode,
        definition: VectorDefinition,
        binary: Path,
        *,
        config: Path,
        disk: Path,
        logs: Path,
        environment: Mapping[str, str],
    ) -> None:
        environment = {"VECTOR_DATA_DIR": str(disk), **environment}
        beside = logs / f"{node.name}-watched.toml"
        self._binary, self._files = binary, (config, beside)
        limit = f"--graceful-shutdown-limit-secs={GRACE_S}"
        argv = [str(binary), limit, *(f"--config={file}" for file in self._files)]
        super().__init__(node, argv, environment=environment, disk=disk, logs=logs)
        told = read_config(config.read_text(encoding="utf-8"), config.name, self._environment)
        beside.write_text(watching(told, definition, disk))
        self.answers = Answers(node.name, node.address, told, definition)
        self._graceful_from = 0
        self.started_ms = 0
        """The wall clock when the present process was started: Vector stamps its events by it."""

    def check(self, seconds: float = _VALIDATE_S) -> None:
        """Let Vector itself judge its configuration, buckets and credentials included; before it is started.

        Raises:
            BadInput: it refuses it; in its own words.
            StackError: it came to no end in *seconds*, or could not be run.
        """
        argv = [str(self._binary), "validate", *map(str, self._files)]
        try:
            done = subprocess.run(
                self.node.enter(argv),
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._undecided(error, seconds) from error
        if done.returncode:
            raise BadInput(f"vector refuses {self._files[0].name}", why=complaint(done.stdout + done.stderr))

    def _undecided(self, error: OSError | subprocess.TimeoutExpired, seconds: float) -> StackError:
        what = f"{self.node.name} could not check {self._files[0].name}"
        if isinstance(error, OSError):
            return StackError(what, why=str(error))
        said = error.stderr or error.stdout or b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        heard = complaint(text) if text else "nothing"
        seen = f"vector validate had not ended after {seconds:g} s; it said {heard}"
        return StackError(what, why=seen, fix="see whether what its sinks write to answers, then run again")

    def before_start(self) -> None:
        """Remember when and behind which line of the log; what its disk still buffers is sent first."""
        self._graceful_from = self.log.stat().st_size if self.log.exists() else 0
        self.started_ms = time.time_ns() // 1_000_000

    def wait_ready(self, seconds: float) -> str:
        """Return when its API calls it healthy and a first page was scraped."""
        return self.answers.wait_scraping(seconds, alive=self.must_live)

    def stop(self, seconds: float) -> bool:
        """End it gracefully: its last batch is sent. Returns whether everything it held was.

        Raises:
            StackError: it still runs after *seconds*.
        """
        with contextlib.suppress(ProcessLookupError):  # one that is dead sent nothing more: its log tells
            self.process.send(signal.SIGTERM)
        self.process.wait_gone(seconds)
        end = self.log.read_bytes()[self._graceful_from :].decode(errors="replace")
        return sent_all(end)


def complaint(output: str) -> str:
    """What ``vector validate`` complains of, on one line: from its crosses on, without the decoration."""
    lines = [line.strip() for line in output.splitlines() if not _NOISE.search(line)]
    first = next((n for n, line in enumerate(lines) if line.startswith("x ")), 0)
    said = [line for line in lines[first:] if not set(line) <= set("-|│^ ")]
    return " ".join(said).removeprefix("x ").replace(" x ", "; ")[:600] or "no reason given"


def _proven(vector: Path) -> Path:
    version_of(vector)
    return vector
