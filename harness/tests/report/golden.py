"""The golden runs: ``python -m harness.tests.report.golden [RUN…]``.

``fixtures/golden/NAME/`` is a real run, as its drill left it, less its logs: events,
journal, ledger, samples, and what follows from them. Tests hold today's verdict, page
and JUnit file against the stored ones byte by byte. A wanted change is made visible by
running this and reading the diff; a RUN that is named becomes the golden run of its
scenario.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from harness.checkers.compose import judge
from harness.ledger import evidence
from harness.report.html import write_report
from harness.report.junit import write_junit
from harness.rundir import RunDirectory

GOLDEN = Path(__file__).parents[3] / "fixtures" / "golden"
KEPT = ("events.jsonl", "journal.jsonl", "ledger", "samples", "run.json")
WRITTEN = ("run.json", "report.html", "junit.xml")


def rewrite(directory: RunDirectory) -> None:
    """Judge and report the stored run again, as the version that it was stored by."""
    version = directory.read_document().harness_version
    directory.write_document(judge(evidence.load(directory), harness_version=version))
    write_report(directory)
    write_junit(directory)


def adopt(run: Path) -> None:
    """Make the run at *run* the golden one of its scenario."""
    source = RunDirectory.open(run)
    target = GOLDEN / source.read_document().scenario
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        stored = source.root / name
        copy = shutil.copytree if stored.is_dir() else shutil.copy
        copy(stored, target / name)


def main() -> None:
    """Adopt what is named, then rewrite every golden run."""
    for run in sys.argv[1:]:
        adopt(Path(run))
    for events in sorted(GOLDEN.glob("*/events.jsonl")):
        rewrite(RunDirectory.open(events.parent))


if __name__ == "__main__":
    main()
