"""What this machine offers a run: memory, disk, limits, clock, terminal; and the shape of one check.

Nothing here starts a process or knows the system under test, so that every
limit can be tested against files of a test's own.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

MEMORY_MB, PIPELINE_MB = 2048, 3584
OUT_MB, CACHE_MB = 1024, 512
OPEN_FILES, PROCESSES, CPUS = 4096, 1024, 2
CLOCK_STEP_S = 1e-6

_LIMITS = (
    ("open files", resource.RLIMIT_NOFILE, OPEN_FILES, "nofile"),
    ("user processes", resource.RLIMIT_NPROC, PROCESSES, "nproc"),
)
_SLOW_CLOCKS = frozenset({"jiffies", "hpet", "acpi_pm", "pit"})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``fix`` is a command where there is one; ``needed``: no run without it."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    needed: bool = True

    def as_json(self) -> dict[str, str | bool]:
        """The check as a JSON object with the same keys."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the checks look at; tests put folders of their own in its place."""

    out: Path
    cache: Path
    locks: Path
    stacks: Path
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    root: bool = False


def clock(machine: Machine) -> Iterable[Check]:
    """A clock fine enough for latencies."""
    step = time.get_clock_info("monotonic").resolution
    yield Check("monotonic clock", step <= CLOCK_STEP_S, f"steps of {step:g} s", "use a kernel with hrtimers")
    path = machine.sys / "devices/system/clocksource/clocksource0/current_clocksource"
    source = path.read_text().strip() if path.exists() else "unknown"
    fix = "boot with clocksource=tsc (or kvm-clock in a virtual machine)"
    yield Check("clock source", source not in _SLOW_CLOCKS, source, fix, needed=False)


def memory(machine: Machine) -> Iterable[Check]:
    """Memory for three brokers and the load; for Flink and the object store beside them, as a note."""
    free = min(_available_mb(machine), _cgroup_room_mb(machine))
    fix = f"free memory, or raise this container's limit, until {MEMORY_MB} MB are available"
    yield Check("memory", free >= MEMORY_MB, f"{free} MB available, {MEMORY_MB} needed", fix)
    told = f"{free} MB available, {PIPELINE_MB} needed for a stack with Flink"
    fix = f"run scenarios on edge-kafka, or free memory until {PIPELINE_MB} MB are available"
    yield Check("memory for a pipeline", free >= PIPELINE_MB, told, fix, needed=False)


def _available_mb(machine: Machine) -> int:
    lines = (machine.proc / "meminfo").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))


def _cgroup_room_mb(machine: Machine) -> int:
    """What the memory limit of this cgroup (version 2) leaves; very much where there is none."""
    folder = machine.sys / "fs/cgroup" / _cgroup(machine).lstrip("/")
    try:
        limit, used = (folder / "memory.max").read_text().strip(), (folder / "memory.current").read_text()
    except OSError:
        return sys.maxsize
    return sys.maxsize if limit == "max" else max(0, int(limit) - int(used)) >> 20


def _cgroup(machine: Machine) -> str:
    try:
        lines = (machine.proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")


def processors(_machine: Machine) -> Iterable[Check]:
    """Processors this process may use."""
    count = len(os.sched_getaffinity(0))
    fix = "expect missed budgets to be UNKNOWN: the harness itself will be starved"
    yield Check("processors", count >= CPUS, f"{count} usable", fix, needed=False)


def limits(_machine: Machine) -> Iterable[Check]:
    """Limits of this shell: the hard ones, because a run raises the soft ones itself."""
    for name, number, wanted, item in _LIMITS:
        fix = f"raise {item} to {wanted} in /etc/security/limits.conf, then log in again"
        yield limited(name, resource.getrlimit(number)[1], wanted, fix)


def raise_limits() -> None:
    """Raise this process's soft limits, and with them those of its children, to what a run needs."""
    for _, number, wanted, _ in _LIMITS:
        soft, hard = resource.getrlimit(number)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(number, (wanted, hard))


def limited(name: str, limit: int, wanted: int, fix: str) -> Check:
    """One limit of which *wanted* is enough."""
    unlimited = limit == resource.RLIM_INFINITY
    detail = "unlimited" if unlimited else f"at most {limit}, {wanted} needed"
    return Check(name, unlimited or limit >= wanted, detail, fix)


def folders(machine: Machine) -> Iterable[Check]:
    """Where runs and jars go: writable, and with room."""
    places = (
        ("output", machine.out, OUT_MB, "choose another folder with --out"),
        ("cache", machine.cache, CACHE_MB, "set XDG_CACHE_HOME to another folder"),
    )
    for name, folder, wanted, other in places:
        yield _writable(f"{name} folder", folder, other)
        yield _roomy(f"{name} disk", folder, wanted, other)


def _writable(name: str, folder: Path, fix: str) -> Check:
    if folder.is_symlink():
        fix = f"name the folder itself: {folder.resolve()}"
        return Check(name, ok=False, detail=f"{folder} is a symbolic link", fix=fix)
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return Check(name, ok=True, detail=f"{place} can be written")
    except OSError as error:
        return Check(name, ok=False, detail=f"{place}: {error.strerror}", fix=fix)


def _roomy(name: str, folder: Path, wanted: int, fix: str) -> Check:
    free = shutil.disk_usage(_existing(folder)).free >> 20
    return Check(name, free >= wanted, f"{free} MB free, {wanted} needed", f"free space there, or {fix}")


def _existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that exists."""
    absolute = folder.absolute()
    return next(place for place in (absolute, *absolute.parents) if place.exists())


def terminal(_machine: Machine) -> Iterable[Check]:
    """Whether … and → can be shown."""
    encoding = (sys.stdout.encoding or "none").lower()
    fine = encoding in {"utf-8", "utf8"}
    yield Check("terminal", fine, encoding, "export LC_ALL=C.UTF-8", needed=False)
