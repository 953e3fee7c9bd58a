"""The machines of a kind cluster are containers of Docker: found, stopped, paused and started by ``docker``.

What stops one outlives the harness, so the watchdog and ``heal`` start them again. Standard library only.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_LABEL = "io.x-k8s.kind.cluster"
_DOCKER_S = 30.0
CORDONED = "edge-harness/cordoned"
"""The label of a machine onto which the harness lets no pods."""

START = "start-machine"
"""In a journal's note, under ``do``: the machine under ``node`` is to be started."""


def states(cluster: str) -> dict[str, str]:
    """``running``, ``paused``, ``exited`` of every machine of *cluster*.

    Raises:
        OSError: Docker does not answer.
    """
    form = "{{.Names}} {{.State}}"
    told = _docker("ps", "--all", "--filter", f"label={_LABEL}={cluster}", "--format", form)
    return dict(line.split(" ", 1) for line in told.splitlines() if " " in line)


def stop(machine: str) -> None:
    """Take its power away.

    Raises:
        OSError: it is no machine of a cluster, or Docker refuses.
    """
    state_of(machine)
    _docker("kill", machine)


def pause(machine: str) -> None:
    """Freeze every process on it.

    Raises:
        OSError: it is no machine of a cluster, or Docker refuses.
    """
    state_of(machine)
    _docker("pause", machine)


def start(machine: str) -> None:
    """Have it run, whether it was stopped or paused; idempotent.

    Raises:
        OSError: Docker refuses.
    """
    state = state_of(machine)
    if state == "paused":
        _docker("unpause", machine)
    elif state != "running":
        _docker("start", machine)


def state_of(machine: str) -> str:
    """``running``, ``paused``, ``exited``.

    Raises:
        OSError: it is no machine of a kind cluster.
    """
    # The label comes last: where there is none its place is empty.
    form = '{{.State.Status}} {{index .Config.Labels "%s"}}' % _LABEL  # noqa: UP031 - braces mean something here
    state, _, cluster = _docker("inspect", "--format", form, _checked(machine)).strip().partition(" ")
    if not cluster:
        raise OSError(f"{machine} is no machine of a kind cluster")
    return state


def pid_of(machine: str) -> int:
    """The pid of its first process as seen here; 0 while it does not run."""
    try:
        return int(_docker("inspect", "--format", "{{.State.Pid}}", _checked(machine)))
    except (OSError, ValueError):
        return 0


def network_of(machine: str) -> tuple[str, ...]:
    """The prefix of a command that enters the network of *machine*.

    Raises:
        OSError: it is no machine of a cluster, or does not run.
    """
    state_of(machine)
    pid = pid_of(machine)
    if not pid:
        raise OSError(f"{machine} does not run")
    return ("nsenter", f"--target={pid}", "--net", "--")


def kubectl_of(cluster: str) -> tuple[str, ...]:
    """The prefix of a command that asks the API server of *cluster*, as its administrator, on its machine."""
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
    return ("docker", "exec", f"{_checked(cluster)}-control-plane", *kubectl)


def start_all(machines: Sequence[str]) -> list[str]:
    """Start those of *machines* that do not run; returns them.

    Raises:
        OSError: Docker refuses one, or it is none; all others are started before.
    """
    started, refused = [], []
    for machine in sorted(set(machines)):
        try:
            if state_of(machine) != "running":
                start(machine)
                started.append(machine)
        except OSError as error:
            refused.append(str(error))
    if refused:
        raise OSError("; ".join(refused))
    return started


def _checked(machine: str) -> str:
    if not _NAME.match(machine):
        raise OSError(f"{machine!r} is no name of a machine")
    return machine


def _docker(*words: str) -> str:
    try:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, timeout=_DOCKER_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"docker {words[0]} took longer than {_DOCKER_S:g} s") from error
    if done.returncode:
        raise OSError(done.stderr.strip() or f"docker {words[0]} failed")
    return done.stdout
