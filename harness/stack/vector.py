"""The metrics agent: the user's own ``vector`` on its node, checked before load, started, killed, stopped.

Vector does not come with the harness. Without it the metrics hop is not executed; its programs are
checked all the same (``harness.stack.vector_config``). The configuration is the stack's file, as it
stands; what a configuration lacks to be watched goes into a second file beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from harness.errors import BadInput, StackError
from harness.stack.components import VectorDefinition
from harness.stack.definition import StackDefinition
from harness.stack.netns import NamespaceNode
from harness.stack.programs import find_program, missing_program, version_words
from harness.stack.service import NodeProcess
from harness.stack.vector_config import VectorConfig, read_config
from harness.stack.vector_says import Said, parse
from harness.waiting import NotYet, wait_for
from harness.web import get_json, get_text

T = TypeVar("T")

_CALL_S = 2.0
_VALIDATE_S = 30
_GRACE_S = 30
"""A store that is gone must not hold the end of a run up for longer; what is left stays on the disk."""
_NOISE = re.compile(r"√|^\s*$|^\d{4}-\d\d-\d\dT\S+ +[A-Z]+ ")
"""Lines of ``vector validate`` that are no complaint: what is fine, and its log."""

_STOPPED = "Vector has stopped."
_CUT_SHORT = "Failed to gracefully shut down"


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

    Every node's address under its name in capitals, ports, and the object store with its credentials.
    """
    found = {node.name.upper().replace("-", "_"): node.address for node in definition.nodes}
    if definition.vector is not None:
        found |= {
            "VECTOR_API_PORT": str(definition.vector.api_port),
            "VECTOR_METRICS_PORT": str(definition.vector.metrics_port),
            "METRICS_BUCKET": definition.vector.bucket,
        }
    if definition.flink is not None:
        found["FLINK_METRICS_PORT"] = str(definition.flink.metrics_port)
    return found | _store(definition)


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
    """One Vector on its node; see ``harness.stack.seams.Service``.

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
        limit = f"--graceful-shutdown-limit-secs={_GRACE_S}"
        argv = [str(binary), limit, *(f"--config={file}" for file in self._files)]
        super().__init__(node, argv, environment=environment, disk=disk, logs=logs)
        self.config = read_config(config.read_text(encoding="utf-8"), config.name, self._environment)
        beside.write_text(watching(self.config, definition, disk))
        self._health = f"http://{node.address}:{definition.api_port}/health"
        self._page = f"http://{node.address}:{definition.metrics_port}/metrics"
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
        wait_for(self._healthy, what=f"{self.node.name} to be healthy", seconds=seconds)
        said = wait_for(self._scraped, what=f"{self.node.name} to scrape a page", seconds=seconds)
        return f"{self.node.name} is healthy and scraped {said.scraped:,} events"

    def said(self) -> Said:
        """What it says of itself right now, at most a second old.

        Raises:
            StackError: it does not answer, or not as Vector.
        """
        found = parse(get_text(self._page, _CALL_S))
        if found is None:
            raise StackError(f"{self._page} tells nothing of Vector")
        return found

    def account(self) -> dict[str, int]:
        """``said``, when that was, and what was asked for: the agent's part of its hop's counts.

        Raises:
            StackError: it does not answer, or not as Vector.
        """
        said, now = dataclasses.asdict(self.said()), time.time_ns() // 1_000_000
        return {"started_ms": self.started_ms, "read_ms": now, **self.asked(), **said}

    def asked(self) -> dict[str, int]:
        """How many pages its configuration has it scrape, and how often."""
        scrapers = self.config.scrapers()
        pages = sum(1 if isinstance(one.endpoints, str) else len(one.endpoints) for one in scrapers)
        interval = max((one.scrape_interval_secs for one in scrapers), default=0.0)
        return {"pages": pages, "interval_ms": round(interval * 1000)}

    def stop(self, seconds: float) -> bool:
        """End it gracefully: its last batch is sent. Returns whether everything it held was.

        Raises:
            StackError: it still runs after *seconds*.
        """
        with contextlib.suppress(ProcessLookupError):  # one that is dead sent nothing more: its log tells
            self.process.send(signal.SIGTERM)
        self.process.wait_gone(seconds)
        end = self.log.read_bytes()[self._graceful_from :].decode(errors="replace")
        return _STOPPED in end and _CUT_SHORT not in end

    def _healthy(self) -> None:
        self.must_live()
        if _unless_silent(lambda: get_json(self._health, _CALL_S)) != {"ok": True}:
            raise NotYet("its API does not call it healthy")

    def _scraped(self) -> Said:
        self.must_live()
        found = _unless_silent(self.said)
        if not found.scraped:
            raise NotYet(f"nothing was scraped, {found.failed_scrapes} pages failed")
        return found


def _unless_silent(ask: Callable[[], T]) -> T:
    """What *ask* gives; no answer is one to wait for, while its process lives."""
    try:
        return ask()
    except StackError as error:
        raise NotYet(str(error)) from error


def complaint(output: str) -> str:
    """What ``vector validate`` complains of, on one line: from its crosses on, without the decoration."""
    lines = [line.strip() for line in output.splitlines() if not _NOISE.search(line)]
    first = next((n for n, line in enumerate(lines) if line.startswith("x ")), 0)
    said = [line for line in lines[first:] if not set(line) <= set("-|│^ ")]
    return " ".join(said).removeprefix("x ").replace(" x ", "; ")[:600] or "no reason given"


def _proven(vector: Path) -> Path:
    version_of(vector)
    return vector
