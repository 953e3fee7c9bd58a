"""Make a lock: ``python -m harness.stack.lock kafka 3.9.1`` writes ``fixtures/locks/kafka-3.9.1.lock``.

For maintainers. It resolves the component's coordinates with all they depend on
at run time, fetches every jar and writes down the sums.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jgo.maven import MavenContext

from harness.bundle import fixtures
from harness.stack.artifacts import Jar, cache_folder, sha256_of, write_lock

_FLINK = "org.apache.flink:flink-"
ROOTS = {
    # Kafka ≤ 3.9 leaves the choice of a log back end to whoever starts it.
    "kafka": ("org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-reload4j:1.7.36"),
    # ProducerPerformance, for the benchmark only.
    "kafka-tools": ("org.apache.kafka:kafka-tools:{version}",),
    # Flink is published in parts, never as its distribution.
    "flink": (
        _FLINK + "clients:{version}",
        _FLINK + "streaming-java:{version}",
        _FLINK + "runtime-web:{version}",
        _FLINK + "connector-base:{version}",
        _FLINK + "connector-files:{version}",
        _FLINK + "connector-kafka:{kafka_connector}",
        _FLINK + "metrics-prometheus:{prometheus}",
        "org.slf4j:slf4j-reload4j:1.7.36",
    ),
    # A plugin with all it needs inside. Only the Hadoop one lets a file sink recover what it was writing.
    "flink-s3": (_FLINK + "s3-fs-hadoop:{version}",),
    # What the job's own tests need beside Flink.
    "flink-test": (
        _FLINK + "test-utils-junit:{version}",
        _FLINK + "runtime:{version}:tests",
        _FLINK + "streaming-java:{version}:tests",
        "junit:junit:4.13.2",
        "org.hamcrest:hamcrest-core:1.3",
    ),
    # A Java compiler that needs no JDK.
    "ecj": ("org.eclipse.jdt:ecj:{version}",),
    "s3proxy": ("org.gaul:s3proxy:{version}",),
    # What the operators' custom resources look like: Strimzi's model with its generator, which has
    # all that both need inside; and a jar that holds Flink's.
    "strimzi-crds": ("io.strimzi:api:{version}", "io.strimzi:crd-generator:{version}"),
    "flink-crds": (_FLINK + "kubernetes-operator-api:{version}",),
}
ALONE = {"kafka-tools", "flink-s3", "flink-test", "ecj", "strimzi-crds", "flink-crds"}
"""Components of which only the named jars are locked, not what they depend on."""
KEPT = {
    # Its back ends of other clouds bring 60 MB that a file-system store never loads.
    "s3proxy": (
        "args4j:",
        "ch.qos.logback:",
        "com.fasterxml.jackson.core:jackson-annotations:",
        "com.fasterxml.woodstox:",
        "com.google.guava:",
        "io.opentelemetry",
        "io.prometheus:",
        "jakarta.servlet:",
        "org.codehaus.woodstox:",
        "org.eclipse.jetty",
        "org.gaul:",
        "org.slf4j:",
        "software.amazon.",
        "tools.jackson.",
    ),
}
"""What the coordinates of a component's jars begin with, where not everything it depends on is of use."""

BESIDE = {
    # metrics-prometheus was never published at 1.17.2.
    "1.17.2": {"kafka_connector": "3.1.0-1.17", "prometheus": "1.17.1"},
    "1.20.1": {"kafka_connector": "3.4.0-1.20", "prometheus": "1.20.1"},
}
"""Versions of the parts that are not published together with a Flink version."""


def main(component: str, version: str) -> None:
    """Resolve, fetch and lock *component* at *version*."""
    context = MavenContext(repo_cache=cache_folder() / "lock")
    versions = {"version": version, **BESIDE.get(version, {})}
    roots = [context.create_dependency(root.format_map(versions)) for root in ROOTS[component]]
    found = [] if component in ALONE else list(context.resolver.resolve(roots)[1])
    kept = KEPT.get(component, ("",))
    used = [each for each in (*roots, *found) if _coordinates(each).startswith(kept)]
    jars = {_locked(dependency) for dependency in used}
    path = fixtures() / "locks" / f"{component}-{version}.lock"
    write_lock(path, jars, f"{component} {version}: python -m harness.stack.lock {component} {version}")
    sys.stdout.write(f"{path}: {len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.1f} MB\n")


def _locked(dependency: object) -> Jar:
    path = Path(dependency.artifact.resolve())  # type: ignore[attr-defined] # jgo has no types for this
    return Jar(_coordinates(dependency), sha256_of(path), path.stat().st_size)


def _coordinates(dependency: object) -> str:
    artifact = dependency.artifact  # type: ignore[attr-defined] # as above
    parts = [artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier]
    return ":".join(part for part in parts if part)


if __name__ == "__main__":
    main(*sys.argv[1:3])
