"""Writes the golden run: ``python -m harness.tests.report.golden``.

``fixtures/golden/leader-killed/`` is a tiny stored run with its page and its
JUnit file. The test holds today's report against them byte by byte; a wanted
change is made visible by running this and reading the diff.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.report.html import write_report
from harness.report.junit import write_junit
from harness.tests.report.build import Shape, build, document

GOLDEN = Path(__file__).parents[3] / "fixtures" / "golden"
NAME = "leader-killed"


def write(out: Path) -> None:
    """Build the run anew under *out*, with its report."""
    shutil.rmtree(out / NAME, ignore_errors=True)
    directory = build(out, document(run_id=NAME), Shape(batches=1, records=1_600))
    write_report(directory)
    write_junit(directory)


if __name__ == "__main__":
    write(GOLDEN)
