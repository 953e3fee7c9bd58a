"""What a stack runs from: a Java, and the jars of each of its components, by the name of their lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import BadInput
from harness.stack.artifacts import Jar, cache_folder, locked_versions, read_lock
from harness.stack.definition import StackDefinition
from harness.stack.flink.job import OPENED
from harness.stack.java import QUICK, Java, java_for
from harness.stack.kafka.files import KafkaSoftware


@dataclass(frozen=True, slots=True)
class Software:
    """Everything a local stack is started from."""

    java: Java
    jars: Mapping[str, tuple[Path, ...]]
    archives: Mapping[str, Path] = field(default_factory=dict)
    """The archive of a component's classes, where there is one."""

    @property
    def kafka(self) -> KafkaSoftware:
        """What runs a broker."""
        return KafkaSoftware(self.java, self.jars["kafka"])

    @property
    def runtimes(self) -> dict[str, str]:
        """The stack's Java in words, and that of every component for which it is too old."""
        used = {f"java of {name}": java_for(name, self.java) for name in self.jars}
        return {"java": self.java.words, **{n: java.words for n, java in used.items() if java != self.java}}

    def command(
        self, component: str, main: str, *arguments: str, heap_mb: int, flags: Sequence[str] = ()
    ) -> list[str]:
        """The argv of one JVM with the jars of *component* on its class path."""
        classpath = ":".join(map(str, self.jars[component]))
        heap = [f"-Xmx{heap_mb}m", *QUICK, *OPENED]
        heap += [f"-XX:SharedArchiveFile={self.archives[component]}"] if component in self.archives else []
        return [str(self.java.executable), *heap, *flags, "-cp", classpath, main, *arguments]


def locks_of(definition: StackDefinition, folder: Path) -> dict[str, str]:
    """Which lock of *folder* each component of *definition* is fetched by: its name and its version."""
    found = {}
    if definition.operator_of("kafka") is None:
        found["kafka"] = definition.kafka.version
    if definition.flink is not None:
        version = definition.flink.version
        found |= {"flink": version, "flink-s3": version, "ecj": newest(folder, "ecj")}
    if definition.objects is not None:
        found["s3proxy"] = definition.objects.version
    return found


def newest(folder: Path, component: str) -> str:
    """The newest version of *component* that *folder* locks; of tools there is only one.

    Raises:
        BadInput: there is none.
    """
    versions = locked_versions(folder, component)
    if not versions:
        raise BadInput(f"{folder} has no lock of {component}", fix="restore it from the release")
    return versions[-1]


def locked_jars(definition: StackDefinition, folder: Path) -> dict[str, tuple[Jar, ...]]:
    """The jars of every component of *definition*, by the name of their lock.

    Raises:
        BadInput: *folder* has no lock for a version.
    """
    wanted = locks_of(definition, folder)
    return {name: read_lock(folder, name, version) for name, version in wanted.items()}


def installed(java: Java, jars: Mapping[str, Sequence[Jar]]) -> Software:
    """The software whose *jars* lie in the cache."""
    store = cache_folder() / "jars"
    return Software(java, {name: tuple(store / jar.path for jar in own) for name, own in jars.items()})
