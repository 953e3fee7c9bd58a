"""A real Vector on a node of its own, between a page of metrics and a small store that speaks S3.

The store keeps what is put into it and can be told to say no; nothing else of S3 is needed to see what
an agent does with its buffers.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import bundle
from harness.clock import MONOTONIC
from harness.errors import BadInput
from harness.ledger.metrics import read_metrics
from harness.stack.components import VectorDefinition
from harness.stack.namespaces.disks import make_disk
from harness.stack.namespaces.netns import NamespaceNode, Observer, build_network
from harness.stack.vector.agent import account
from harness.stack.vector.component import VectorAgent, find_vector
from harness.waiting import NotYet, wait_for

OBSERVER, AGENT = "198.18.0.1", "198.18.0.71"
SERIES = 50


class Store(ThreadingHTTPServer):
    """An S3 server of one bucket that keeps every body, and the scraped page beside it."""

    def __init__(self) -> None:
        super().__init__(("", 9000), _Answering)
        self.kept: dict[str, bytes] = {}
        self.refuses = False
        self.pages = 0


class _Answering(BaseHTTPRequestHandler):
    server: Store
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page of metrics: as many series as there are, each counting pages."""
        self.server.pages += 1
        lines = [f'flink_a{{task="{n}"}} {self.server.pages}\n' for n in range(SERIES)]
        self._say(200, "".join(["# TYPE flink_a counter\n", *lines]).encode())

    def do_HEAD(self) -> None:
        """The bucket is there, and no other."""
        self._say(200 if self.path.rstrip("/") == "/edge-metrics" else 404)

    def do_PUT(self) -> None:
        """Keep an object, unless the store refuses."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.refuses:
            self.server.kept[self.path] = body
        self._say(503 if self.server.refuses else 200)

    def _say(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[Store]:
    """A store that answers."""
    store = Store()
    thread = threading.Thread(target=store.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        thread.join()


def agent_of(folder: Path, text: str = "") -> VectorAgent:
    """An agent on its own node with the stack's configuration, or with *text*."""
    definition = VectorDefinition()
    node = NamespaceNode("vector-1", "vector", AGENT, (definition.api_port, definition.metrics_port))
    build_network(Observer(OBSERVER), [node], prefix=24)
    config = folder / "vector.toml"
    config.write_text(text or (bundle.fixtures() / "stacks/edge/vector.toml").read_text())
    binary = find_vector(definition.binary)
    assert binary is not None
    return VectorAgent(
        node,
        definition,
        binary,
        config=config,
        disk=make_disk(node.name, definition.data_mb),
        logs=folder,
        environment=_environment(folder),
    )


def _environment(folder: Path) -> dict[str, str]:
    flink = dict.fromkeys(("JOBMANAGER_1", "TASKMANAGER_1", "TASKMANAGER_2"), OBSERVER)
    store = {"S3_ENDPOINT": f"http://{OBSERVER}:9000", "AWS_ENDPOINT_URL": f"http://{OBSERVER}:9000"}
    keys = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "edge", "AWS_SECRET_ACCESS_KEY": "edge-secret"}
    mark = {name: os.environ[name] for name in ("HARNESS_RUN", "HARNESS_DIR")}
    return {**flink, "FLINK_METRICS_PORT": "9000", **store, **keys, **mark, "HOME": str(folder)}


def agent_killed(folder: Path, given: object) -> dict[str, object]:
    """The store refuses for a while, the agent is killed meanwhile and started again.

    *given* is a replacement in its configuration, as [old, new].
    """
    text = (bundle.fixtures() / "stacks/edge/vector.toml").read_text()
    old, new = given if isinstance(given, list) else ("", "")
    with served() as store:
        agent = agent_of(folder, text.replace(old, new) if old else text)
        agent.check()
        agent.start()
        ready = agent.wait_ready(20)
        store.refuses = True
        before = wait_for(lambda: _at_least(agent, 4 * SERIES * 3), what="four scrapes", seconds=20)
        MONOTONIC.sleep(1.2)  # what came in just now is not yet on the disk: Vector syncs twice a second
        buffered = agent.answers.said().buffered
        agent.process.send(signal.SIGKILL)
        agent.process.wait_gone(5)
        store.refuses = False
        agent.start()
        agent.wait_ready(20)
        told = account(agent)
        graceful = agent.stop(20)
        found = read_metrics(sorted(store.kept.items()), folder, "edge-metrics")
    return {
        "ready": ready,
        "scraped": before + told["scraped"],
        "buffered": buffered,
        "graceful": graceful,
        "pages": told["pages"],
        "read": found.counts,
    }


def _at_least(agent: VectorAgent, events: int) -> int:
    said = agent.answers.said().scraped
    if said < events:
        raise NotYet(f"{said} events were scraped")
    return said


def agent_refuses(folder: Path, given: object) -> dict[str, object]:
    """What the agent says of its configuration with a replacement in it."""
    text = (bundle.fixtures() / "stacks/edge/vector.toml").read_text()
    assert isinstance(given, list)
    with served():
        agent = agent_of(folder, text.replace(*given))
        try:
            agent.check()
        except BadInput as error:
            return {"said": str(error)}
    return {"said": ""}


STORIES: dict[str, Callable[[Path, object], dict[str, object]]] = {
    "agent_killed": agent_killed,
    "agent_refuses": agent_refuses,
}
