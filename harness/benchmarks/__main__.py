"""``python -m harness.benchmarks``: measure, print the table, keep it in ``reports/benchmarks/``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from harness import launch
from harness.benchmarks.figures import SETTINGS
from harness.errors import HarnessError
from harness.stack.namespaces import enclosure

_RESULT = "HARNESS_BENCHMARK_RESULT"


def main() -> int:
    """Measure everything; returns 0 when every figure is reached, else 1."""
    prepared = launch.prepare("edge-kafka", SETTINGS | launch.parse_settings(sys.argv[1:]))
    if enclosure.is_inside():
        return _inside(prepared)
    out = Path("reports") / "benchmarks"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as scratch:
        os.environ[_RESULT] = str(Path(scratch) / "figures.json")
        launch.fetch_tools(prepared)
        with launch.machine_lock("benchmarks"):
            command = enclosure.keeper([sys.executable, "-m", "harness.benchmarks", *sys.argv[1:]])
            code = subprocess.run(command, check=False).returncode
        return code or _finish(Path(os.environ[_RESULT]), out)


def _inside(prepared: launch.Prepared) -> int:
    from harness.benchmarks.cluster import Bench
    from harness.stack.artifacts import cache_folder

    store = cache_folder() / "jars"
    software = prepared.software
    tools = tuple(store / jar.path for jar in launch.tools(prepared))
    result = Path(os.environ[_RESULT])
    bench = Bench(prepared.definition, prepared.folder, software, tools, result.parent)
    result.write_text(json.dumps([asdict(figure) for figure in bench.measure()]))
    return 0


def _finish(result: Path, out: Path) -> int:
    from harness.benchmarks import archive, checking, pipeline, quickstart, records, windows
    from harness.benchmarks.figures import Figure, table

    figures = [Figure(**one) for one in json.loads(result.read_text())]
    figures += [*checking.measure(), *windows.measure(), *archive.measure(), *records.measure()]
    figures += [*pipeline.measure(), *quickstart.measure()]
    (out / "figures.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    (out / "figures.md").write_text(table(figures))
    sys.stdout.write(table(figures))
    return 0 if all(figure.reached is not False for figure in figures) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HarnessError as error:
        sys.stderr.write(f"harness: {error.sentence()}\n")
        sys.exit(error.exit_code)
