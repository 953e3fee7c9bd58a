"""How long the first drill takes, start to report, with a warm cache."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from harness.benchmarks.figures import Figure


def measure() -> list[Figure]:
    """Run the quickstart once as a user would."""
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as out:
        argv = [sys.executable, "-m", "harness", "run", "quickstart", "--out", out]
        start = time.monotonic()
        done = subprocess.run(argv, capture_output=True, check=False, timeout=300)
        seconds = time.monotonic() - start
    good = seconds <= 75 and done.returncode == 0
    return [
        Figure("quickstart, start to report", f"{seconds:.0f} s", "≤ 75 s", good, f"exit {done.returncode}")
    ]
