"""The files of an audit as documents of a known kind, whatever language they are written in.

A ConfigMap is opened: each configuration file inside it is a document of its
own whose lines are those of the outer file.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.audit.languages import read_json, read_properties, read_toml, read_yaml
from harness.audit.nodes import Node, flat, nested
from harness.errors import BadInput

LARGEST = 1_000_000
"""Bytes of the largest file that is read."""


class Kind(StrEnum):
    """What a document is."""

    KAFKA = "Kafka"
    NODE_POOL = "KafkaNodePool"
    TOPIC = "KafkaTopic"
    FLINK = "FlinkDeployment"
    VECTOR = "Vector configuration"
    BROKER = "broker properties"
    FLINK_CONF = "Flink configuration"
    PRODUCER = "producer properties"
    CONSUMER = "consumer properties"
    OBJECT = "another Kubernetes object"

    @property
    def is_audited(self) -> bool:
        """Whether there are rules for it; other objects only tell about those that have them."""
        return self is not Kind.OBJECT


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its file, kind and content. ``base`` is the dotted path of its root in its file.

    ``inside`` is the name of the ConfigMap it lies in, ``called`` its file name there and ``line`` that of
    its key; the names are empty for a file of its own.
    """

    file: str
    kind: Kind
    root: Node
    base: str = ""
    inside: str = ""
    called: str = ""
    line: int = 1


_OF_KUBERNETES = {
    "Kafka": Kind.KAFKA,
    "KafkaNodePool": Kind.NODE_POOL,
    "KafkaTopic": Kind.TOPIC,
    "FlinkDeployment": Kind.FLINK,
}
_GROUPS = ("kafka.strimzi.io/", "flink.apache.org/")
_VECTOR_KEYS = {"sources", "sinks", "transforms"}
_FLINK_PREFIXES = (
    "jobmanager.", "taskmanager.", "state.", "execution.", "parallelism.", "restart-strategy",
    "high-availability", "heartbeat.", "kubernetes.operator.", "metrics.reporter",
)  # fmt: skip
_BROKER_KEYS = {
    "node.id", "broker.id", "process.roles", "zookeeper.connect", "log.dirs", "log.dir", "listeners",
    "advertised.listeners", "controller.quorum.voters", "min.insync.replicas", "num.network.threads",
    "default.replication.factor", "offsets.topic.replication.factor", "auto.create.topics.enable",
    "unclean.leader.election.enable", "transaction.state.log.replication.factor",
    "inter.broker.protocol.version",
}  # fmt: skip
_PRODUCER_KEYS = {
    "acks", "enable.idempotence", "linger.ms", "batch.size", "key.serializer", "value.serializer",
    "transactional.id", "delivery.timeout.ms", "max.in.flight.requests.per.connection", "buffer.memory",
    "compression.type", "transaction.timeout.ms", "max.block.ms",
}  # fmt: skip
_CONSUMER_KEYS = {
    "group.id", "auto.offset.reset", "isolation.level", "enable.auto.commit", "key.deserializer",
    "value.deserializer", "max.poll.records", "max.poll.interval.ms", "session.timeout.ms",
}  # fmt: skip


def read(path: Path) -> list[Document]:
    """The documents of one file.

    Raises:
        BadInput: it cannot be read, is too large, not what its name says, or no configuration known here.
    """
    text, name = _text(path), str(path)
    if path.suffix == ".properties":
        root = read_properties(text)
        return [Document(name, _properties_kind(root, name), root)]
    if path.suffix in {".toml", ".tml"}:
        return [_plain(name, read_toml(text, name))]
    roots = list((read_json if path.suffix == ".json" else read_yaml)(text, name))
    if not roots:
        raise BadInput(f"{name} is empty", fix="name a file that has a configuration in it")
    return [document for root in roots for document in _documents(name, root)]


def _text(path: Path) -> str:
    fix = "name a configuration file"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise BadInput(f"{path} cannot be audited", why=f"it is {kind}", fix=fix)
        if status.st_size > LARGEST:
            raise BadInput(f"{path} is too large", why=f"{status.st_size} bytes; at most {LARGEST}", fix=fix)
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not text", why=f"{error.reason} at byte {error.start}", fix=fix) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"{path} cannot be read", why=str(why), fix="check the path and its rights") from error


def _documents(name: str, root: Node) -> Iterator[Document]:
    if root.text("kind") == "List" or root.text("kind").endswith("List"):
        for item in root.list_of("items"):
            yield from _documents(name, item)
    elif root.text("apiVersion") and root.text("kind"):
        yield Document(name, _kubernetes_kind(root), root)
        if root.text("kind") == "ConfigMap":
            yield from _inside(name, root)
    else:
        yield _plain(name, root)


def _kubernetes_kind(root: Node) -> Kind:
    ours = root.text("apiVersion").startswith(_GROUPS)
    return _OF_KUBERNETES.get(root.text("kind"), Kind.OBJECT) if ours else Kind.OBJECT


def _inside(name: str, config_map: Node) -> Iterator[Document]:
    """The configuration files in a ConfigMap; what is none of ours is passed over."""
    data = config_map.at("data")
    for called, node in ({} if data is None else data.entries).items():
        suffix, text = Path(called).suffix, config_map.text("data", called)
        root = _embedded(name, suffix, text, node.text_line)
        kind = None if root is None else _kind(root, properties=suffix == ".properties")
        if root is not None and kind is not None:
            base, owner = f'data."{called}".', config_map.text("metadata", "name")
            yield Document(name, kind, root, base, owner, called, node.line)


def _embedded(name: str, suffix: str, text: str, first_line: int) -> Node | None:
    if suffix == ".toml":
        return read_toml(text, name, first_line)
    if suffix == ".properties":
        return read_properties(text, first_line)
    if suffix in {".yaml", ".yml", ".json"}:
        # Blank lines in front move every line of the inner file to where it stands in the outer one.
        return next(read_yaml("\n" * (first_line - 1) + text, name), None)
    return None


def _plain(name: str, root: Node) -> Document:
    kind = _kind(root, properties=False)
    if kind is None:
        known = ", ".join(sorted(kind.value for kind in Kind if kind.is_audited))
        raise BadInput(
            f"{name} is no configuration known here", why="none of its keys are",
            fix=f"name a file with one of: {known}",
        )  # fmt: skip
    return Document(name, kind, nested(dict(flat(root)), root.line) if kind is Kind.FLINK_CONF else root)


def _kind(root: Node, *, properties: bool) -> Kind | None:
    if properties:
        return _kind_of_keys(root.entries)
    if _VECTOR_KEYS & set(root.entries):
        return Kind.VECTOR
    keys = [key for key, _ in flat(root)]
    return Kind.FLINK_CONF if any(key.startswith(_FLINK_PREFIXES) for key in keys) else None


def _kind_of_keys(keys: Iterable[str]) -> Kind | None:
    """The kind that most of *keys* speak for; of a tie the first of broker, producer, consumer."""
    known = {Kind.BROKER: _BROKER_KEYS, Kind.PRODUCER: _PRODUCER_KEYS, Kind.CONSUMER: _CONSUMER_KEYS}
    given = set(keys)
    votes = {kind: len(given & names) for kind, names in known.items()}
    best = max(votes, key=lambda kind: votes[kind])
    return best if votes[best] else None


def _properties_kind(root: Node, name: str) -> Kind:
    kind = _kind_of_keys(root.entries)
    if kind is None:
        raise BadInput(
            f"{name} is no configuration known here", why="none of its keys is a broker's or a client's",
            fix="name a server.properties, producer.properties or consumer.properties",
        )  # fmt: skip
    return kind
