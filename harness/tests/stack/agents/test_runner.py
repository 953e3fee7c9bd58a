"""The first process of a run's pod: it passes words on, tells the exit code, and waits to be done with."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import pytest

MODULE = (sys.executable, "-P", "-m", "harness.stack.agents.runner")


def started(program: str) -> subprocess.Popen[str]:
    """The runner with a Python program as its command."""
    argv = [*MODULE, sys.executable, "-u", "-c", program]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def runner() -> Iterator[subprocess.Popen[str]]:
    """One whose command says something to both sides, waits for Ctrl-C, and ends with 130."""
    program = (
        "import sys, signal\n"
        # Whoever is started in the background of a shell inherits that Ctrl-C is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    print('out'); print('err', file=sys.stderr)\n"
        "    signal.pause()\n"
        "except KeyboardInterrupt: print('healed'); sys.exit(130)\n"
    )
    process = started(program)
    yield process
    process.kill()
    process.wait()
    said(process).close()


def said(process: subprocess.Popen[str]) -> IO[str]:
    """What it says."""
    assert process.stdout is not None
    return process.stdout


def test_ctrl_c_reaches_the_command_and_its_end_is_told(runner: subprocess.Popen[str]) -> None:
    """Both outputs are told apart; the last line has the exit code; then it waits until it is done with."""
    lines = said(runner)
    assert {lines.readline(), lines.readline()} == {"1out\n", "2err\n"}
    runner.send_signal(signal.SIGINT)

    assert lines.readline() == "1healed\n"
    assert lines.readline() == "0130\n"
    assert runner.poll() is None
    runner.send_signal(signal.SIGUSR1)
    assert runner.wait(10) == 130


def test_a_command_that_was_killed_is_told_as_a_shell_does() -> None:
    """128 and the signal; and when its pod is deleted it does not wait for anybody."""
    process = started("import os; os.kill(os.getpid(), 9)")
    with said(process) as lines:
        assert lines.readline() == "0137\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 137
