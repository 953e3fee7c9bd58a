"""What a node costs is what its whole process tree costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.probes.host import HostProbe, host_sampler
from harness.probes.sampler import sampled

_CHILD = "import sys; held = bytearray(40_000_000); print('ready', flush=True); sys.stdin.read()"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CHILD!r}])"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process whose child holds 40 MB."""
    argv = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process
        process.communicate()


def test_children_count(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    """Memory and CPU are those of the process and of every process below it; disk and network are there."""
    probe = HostProbe(lambda: {"node-1": parent.pid}, {"node-1": tmp_path})

    first, second = ({(s, n): v for s, n, v in probe.sample()} for _ in range(2))

    assert first["node-1", "rss_mb"] > 50
    assert ("node-1", "cpu_percent") not in first
    assert second["node-1", "cpu_percent"] >= 0
    assert second["node-1", "rx_mb_per_s"] >= 0
    assert second["node-1", "tx_mb_per_s"] >= 0
    assert second["node-1", "disk_mb"] > 0
    assert ("host", "cpu_percent") in second


def test_work_shows_as_cpu() -> None:
    """A busy process has a CPU share above zero and, alone on one core, not much above one hundred."""
    probe = HostProbe(lambda: {"self": os.getpid()})
    probe.sample()

    total = sum(number * number for number in range(3_000_000))
    seen = {(s, n): v for s, n, v in probe.sample()}

    assert total
    assert 5 < seen["self", "cpu_percent"] < 250


def test_what_died_leaves_a_gap(tmp_path: Path) -> None:
    """A node whose process is gone has no sample at all, and neither has a disk that is not there."""
    with subprocess.Popen([sys.executable, "-c", ""]) as done:
        done.wait()
    probe = HostProbe(lambda: {"gone": done.pid}, {"gone": tmp_path / "none"})

    assert {source for source, _, _ in probe.sample()} == {"host"}


def test_the_host_sampler_writes_where_the_run_reads(tmp_path: Path) -> None:
    """Its file is one of the run's samples."""
    with sampled([host_sampler(tmp_path, dict)]):
        pass

    assert (tmp_path / "samples-host.arrow").exists()
