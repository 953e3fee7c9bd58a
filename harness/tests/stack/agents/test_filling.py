"""Who fills a group's memory must outlive whom the kernel kills for it."""

from __future__ import annotations

import re
from pathlib import Path

from harness.stack.agents import filling

WAITS = "import sys, time; sys.stdin.read(1); time.sleep(60)"
SYS_RESOURCE = 24
"""The number of the capability to lower a score below what it was set to."""


def test_who_fills_is_killed_after_all_others(tmp_path: Path) -> None:
    """An agent's pod has the worst score, which its children inherit: it is lowered as far as one may."""
    held = re.search(r"^CapEff:\t(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert held is not None
    able = bool(int(held[1], 16) >> SYS_RESOURCE & 1)
    own = int(Path("/proc/self/oom_score_adj").read_text())
    filler = filling.start(WAITS)
    try:
        filling.join(filler, tmp_path)
        score = int(Path(f"/proc/{filler.pid}/oom_score_adj").read_text())
    finally:
        filler.kill()
        filler.wait()

    assert score == int(filling.SCORES[0]) if able else score <= own
    assert (tmp_path / "cgroup.procs").read_text() == str(filler.pid)
