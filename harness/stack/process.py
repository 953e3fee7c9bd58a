"""A process of the system under test, in its node's network and in its own pid and mount namespace.

It is PID 1 of its pid namespace, so its death takes its children along; a stop does not, so it
is sent to them as well. It is named by a pidfd: no signal can hit a stranger that got its pid later.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from harness.errors import StackError
from harness.rundir import private
from harness.stack.seams import Process
from harness.waiting import NotYet, wait_for

_HOLDING = frozenset({signal.SIGSTOP, signal.SIGCONT})


class KnownProcess:
    """One process by its pidfd; see ``harness.stack.seams.Process``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._start_ticks = int(_stat(pid)[19])

    @property
    def pid(self) -> int:
        """The pid as the harness sees it."""
        return self._pid

    @property
    def start_ticks(self) -> int:
        """Field 22 of /proc/PID/stat."""
        return self._start_ticks

    def pids(self) -> tuple[int, ...]:
        """Its pid, then those of all that it started and that live."""
        return (self._pid, *(child.pid for child in self._descendants()))

    def is_alive(self) -> bool:
        """Whether it still runs; stopped counts as running."""
        return not self._ended(0)

    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it and all that it started."""
        return self.is_alive() and {_stat(pid)[0] for pid in self.pids()} == {"T"}

    def send(self, number: signal.Signals) -> None:
        """Send signal *number*; a stop and its end to all that it started as well.

        Raises:
            ProcessLookupError: it is gone.
        """
        signal.pidfd_send_signal(self._pidfd, number)
        for child in self._descendants() if number in _HOLDING else ():
            with contextlib.suppress(psutil.NoSuchProcess):  # also raised for a stranger with its pid
                child.send_signal(number)

    def wait_gone(self, seconds: float) -> None:
        """Return when it has ended.

        Raises:
            StackError: it still runs after *seconds*.
        """
        if not self._ended(seconds):
            raise StackError(f"process {self._pid} still runs after {seconds:g} s")

    def _descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _ended(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


class NamespacedProcess(KnownProcess):
    """One that the harness started itself, with namespaces of its own."""

    def __init__(self, launcher: subprocess.Popen[bytes], pid: int) -> None:
        super().__init__(pid)
        self._launcher = launcher

    @classmethod
    def start(
        cls, enter: Sequence[str], argv: Sequence[str], *, environment: Mapping[str, str], log: Path
    ) -> NamespacedProcess:
        """Start *argv* behind the *enter* prefix; both outputs are appended to *log*.

        Raises:
            StackError: it did not start; carries the end of the log.
        """
        # unshare forks and waits: it reaps the process, dies with the harness and takes it along.
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        with open(log, "ab", opener=private) as output:
            launcher = subprocess.Popen(
                [*enter, *own, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
            )
        pid = wait_for(
            lambda: _only_child(launcher, argv[0]), what=f"starting {argv[0]}", seconds=10, every=0.002
        )
        return cls(launcher, pid)

    def wait_gone(self, seconds: float) -> None:
        """Return when it has ended and is reaped.

        Raises:
            StackError: it still runs after *seconds*.
        """
        super().wait_gone(seconds)
        self._launcher.wait(timeout=seconds + 5)


def started_ms(process: Process) -> int:
    """The wall clock when *process* was started, ms since 1970, to a hundredth of a second."""
    ago_s = time.clock_gettime(time.CLOCK_BOOTTIME) - process.start_ticks / os.sysconf("SC_CLK_TCK")
    return round((time.time() - ago_s) * 1000)


def _only_child(launcher: subprocess.Popen[bytes], name: str) -> int:
    if launcher.poll() is not None:
        raise StackError(f"{name} did not start", why=f"exit code {launcher.returncode}")
    try:
        children = psutil.Process(launcher.pid).children()
    except psutil.NoSuchProcess as error:
        raise NotYet("its launcher is gone") from error
    if not children:
        raise NotYet("no process yet")
    return int(children[0].pid)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second may hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["X"] + ["0"] * 49
