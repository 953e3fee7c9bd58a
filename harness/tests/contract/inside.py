"""Runs a story in an enclosure of its own: ``python -m harness.tests.contract.inside STORY FOLDER JSON``.

A story is a function of ``harness.tests.contract.stories`` that gets an ``Arena``
and what the test passed on, and returns what it saw; the test reads that from
``result.json`` and judges. The outer process is the enclosure's keeper.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.stack.namespaces import enclosure

_ROOT = Path(__file__).resolve().parents[3]


def start(story: str, folder: Path, given: object = None) -> subprocess.Popen[str]:
    """Start *story*; its folder's name is its run id."""
    argv = [sys.executable, "-P", "-m", __name__, story, str(folder), json.dumps(given)]
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path[1:]])}
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment)


def tell(story: str, folder: Path, given: object = None, *, seconds: float = 60) -> dict[str, object]:
    """What *story* saw."""
    running = start(story, folder, given)
    try:
        output, _ = running.communicate(timeout=seconds)
    finally:
        running.kill()
        running.wait()
    assert (running.returncode, output) == (0, "")
    seen = json.loads((folder / "result.json").read_text())
    assert isinstance(seen, dict)
    return seen


def _main() -> int:
    story, folder, given = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    if not enclosure.is_inside():
        mark = {"HARNESS_RUN": folder.name, "HARNESS_DIR": str(folder)}
        return enclosure.run_inside([sys.executable, *sys.orig_argv[1:]], dict(os.environ) | mark)
    from harness.tests.contract import degraded, delayed, far, stories, volume_stories  # noqa: PLC0415 - the keeper has one thread and stays light

    told = stories.STORIES | degraded.STORIES | delayed.STORIES | far.STORIES | volume_stories.STORIES
    seen = told[story](folder, given)
    (folder / "result.json").write_text(json.dumps(seen))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
