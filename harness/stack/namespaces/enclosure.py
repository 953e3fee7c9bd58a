"""The enclosure: one user, network, pid and mount namespace that holds a whole local run.

The command that a person starts stays outside as a *keeper*: it forwards signals
and waits. Its child is PID 1 of the enclosure and *is* the harness. So:

* nothing leaks out: the enclosing network has no uplink;
* nothing is left behind: when PID 1 dies the kernel kills every process of the
  enclosure, and with the last one go the namespaces, the rules and the data;
* killing the keeper kills PID 1 (parent-death signal), hence everything.

Without root a user namespace makes the others possible; as root they are plain.
A user namespace refuses a process with threads, and numpy alone brings some. So the
keeper is this module run as a program of its own, standard library only:
``python -m harness.stack.namespaces.enclosure COMMAND…``.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import ExitCode, MissingAbility
from harness.stack.namespaces import syscalls

INSIDE = "HARNESS_ENCLOSED"
DIRECTORY = "HARNESS_DIR"
"""Environment variable that names the run's directory, in every process of a run."""

_KILLED = 128 + signal.SIGKILL
_ADMINISTRATION = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def is_inside() -> bool:
    """Whether this process already runs in an enclosure."""
    return os.environ.get(INSIDE) == "1"


def search_path() -> str:
    """PATH with the folders in which Debian keeps ip and nft from an ordinary user's."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*path, *(folder for folder in _ADMINISTRATION if folder not in path)])


def keeper(argv: Sequence[str]) -> list[str]:
    """The command that runs *argv* as PID 1 of a new enclosure and ends with its exit code."""
    return [sys.executable, "-m", __name__, *argv]


def run_inside(argv: Sequence[str], environment: dict[str, str]) -> int:
    """Run *argv* as PID 1 of a new enclosure and return its exit code (128+n: killed by signal n).

    Raises:
        MissingAbility: the kernel refuses the namespaces.
    """
    _enter_namespaces()
    ready, alive = os.pipe()
    child = os.fork()
    if child == 0:
        _become_first_process(argv, environment, ready, alive)
    os.close(ready)
    return _keep(child)


def keep(argv: Sequence[str], environment: dict[str, str]) -> int:
    """Run *argv* as a child, forward signals to it, and return its exit code; no namespace is made."""
    child = subprocess.Popen(argv, env=environment, process_group=0)
    return _keep(child.pid)


def _enter_namespaces() -> None:
    flags = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWPID
    flags |= syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
    user, group, root = os.getuid(), os.getgid(), os.geteuid() == 0
    try:
        syscalls.unshare(flags if root else flags | syscalls.CLONE_NEWUSER)
        if not root:
            _map_to_root(user, group)
    except OSError as error:
        raise refused(error) from error


def _map_to_root(user: int, group: int) -> None:
    # setgroups must be denied before an unprivileged gid map is accepted: user_namespaces(7).
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def refused(error: OSError) -> MissingAbility:
    """The error for a kernel that refuses namespaces, with the switch that decides it."""
    apparmor = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    debian = Path("/proc/sys/kernel/unprivileged_userns_clone")
    fix = "allow user namespaces (user.max_user_namespaces > 0), or run as root"
    if apparmor.exists() and apparmor.read_text().strip() == "1":
        fix = "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    elif debian.exists() and debian.read_text().strip() == "0":
        fix = "sudo sysctl kernel.unprivileged_userns_clone=1"
    return MissingAbility("the local platform needs namespaces of its own", why=str(error), fix=fix)


def _become_first_process(argv: Sequence[str], environment: dict[str, str], ready: int, alive: int) -> None:
    inner = environment | {INSIDE: "1", "PATH": search_path()}
    try:
        syscalls.die_with_parent()
        os.close(alive)
        if select.select([ready], [], [], 0)[0]:
            os._exit(1)  # the keeper died before the parent-death signal was set
        os.setpgid(0, 0)  # a terminal's Ctrl-C reaches the keeper alone, which forwards it once
        _furnish(inner)
        os.execvpe(argv[0], list(argv), inner)  # noqa: S606 - an argv list, no shell
    except (OSError, subprocess.CalledProcessError) as error:
        os.write(2, f"harness: the enclosure could not be set up: {error}\n".encode())
    finally:
        os._exit(1)


def _furnish(environment: dict[str, str]) -> None:
    """Give the enclosure its own /proc, an empty /run for network namespaces, and loopback."""
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("proc", "/proc", "proc")
    syscalls.mount("tmpfs", "/run", "tmpfs", 0, "mode=0755")
    subprocess.run(["ip", "link", "set", "lo", "up"], env=environment, check=True)


def _keep(child: int) -> int:
    """Forward signals to *child* until it ends; returns its exit code."""
    for number in _FORWARDED:
        signal.signal(number, lambda received, _frame: _forward(child, received))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


def main() -> int:
    """Keep one enclosure; a harness that was killed is reported in one sentence."""
    try:
        code = run_inside(sys.argv[1:], dict(os.environ))
    except MissingAbility as error:
        sys.stderr.write(f"harness: {error.sentence()}\n")
        return error.exit_code
    if code != _KILLED:
        return code
    recorded = (
        f" What it had recorded: harness verify {os.environ[DIRECTORY]}" if DIRECTORY in os.environ else ""
    )
    sys.stderr.write(f"harness: the run was killed; all that it had started ended with it.{recorded}\n")
    return ExitCode.INTERNAL


if __name__ == "__main__":
    sys.exit(main())
