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

ROOTS = {
    # Kafka ≤ 3.9 leaves the choice of a log back end to whoever starts it.
    "kafka": ("org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-reload4j:1.7.36"),
    # ProducerPerformance, for the benchmark only.
    "kafka-tools": ("org.apache.kafka:kafka-tools:{version}",),
}
ALONE = {"kafka-tools"}
"""Components of which only the named jars are locked, not what they depend on."""


def main(component: str, version: str) -> None:
    """Resolve, fetch and lock *component* at *version*."""
    context = MavenContext(repo_cache=cache_folder() / "lock")
    roots = [context.create_dependency(root.format(version=version)) for root in ROOTS[component]]
    found = [] if component in ALONE else list(context.resolver.resolve(roots)[1])
    jars = {_locked(dependency) for dependency in (*roots, *found)}
    path = fixtures() / "locks" / f"{component}-{version}.lock"
    write_lock(path, jars, f"{component} {version}: python -m harness.stack.lock {component} {version}")
    sys.stdout.write(f"{path}: {len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.1f} MB\n")


def _locked(dependency: object) -> Jar:
    artifact = dependency.artifact  # type: ignore[attr-defined] # jgo has no types for this
    path = Path(artifact.resolve())
    coordinates = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
    return Jar(coordinates, sha256_of(path), path.stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:3])
