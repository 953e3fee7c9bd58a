"""Who fills a group's memory must outlive whom the kernel kills for it."""

from __future__ import annotations

import os
from pathlib import Path

from harness.stack import filling

WAITS = "import sys, time; sys.stdin.read(1); time.sleep(60)"


def test_who_fills_is_the_last_to_be_killed(tmp_path: Path) -> None:
    """An agent's pod has the worst score of all, and its children inherit it; without rights it stays so."""
    own = Path("/proc/self/oom_score_adj").read_text().strip()
    filler = filling.start(WAITS)
    try:
        filling.join(filler, tmp_path)
        score = Path(f"/proc/{filler.pid}/oom_score_adj").read_text().strip()
    finally:
        filler.kill()
        filler.wait()

    assert score == (filling.LAST_TO_DIE if os.geteuid() == 0 else own)
    assert (tmp_path / "cgroup.procs").read_text() == str(filler.pid)
