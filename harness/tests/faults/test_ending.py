"""``heal --abort``: a harness is asked to end, killed if it does not, and what it leaves goes as well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.faults import ending, heal
from harness.faults.heal import NOTHING
from harness.faults.observed import namespace, start_ticks

# Not beside others: what these do or see is every marked process of the machine.
pytestmark = pytest.mark.contract

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
WAITS = "import time; print(flush=True); time.sleep(60)"


@contextmanager
def running(program: str, **marks: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that is under way, with *marks* in its environment."""
    argv = [sys.executable, "-S", "-c", program]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, **marks}) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("program", "end"), [(DEAF, signal.SIGKILL), ("", signal.SIGTERM)])
def test_abort_ends_a_harness_and_all_that_it_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, end: signal.Signals
) -> None:
    """One that beats and was stopped; if it does not get to its end, it is killed. Its nodes go with it."""
    monkeypatch.setattr(ending, "ABORT_SECONDS", 0.5 if program else 60.0)
    marks = {"HARNESS_RUN": tmp_path.name, "HARNESS_DIR": str(tmp_path), "HARNESS_NODE": "broker-1"}
    with running(WAITS, **marks) as node, running(program + WAITS) as harness:
        beat = f"{harness.pid} {start_ticks(harness.pid)} {namespace(harness.pid, 'pid')}\n"
        (tmp_path / "heartbeat").write_text(beat)
        harness.send_signal(signal.SIGSTOP)
        said: list[str] = []
        code = heal.heal(abort=True, only=tmp_path.name, say=said.append)

        assert (code, harness.wait(5), node.wait(5)) == (NOTHING, -end, -signal.SIGKILL)
        assert f"  end broker-1 (pid {node.pid}): done" in said
