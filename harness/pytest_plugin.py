"""pytest runs scenarios: each one in a ``harness run`` of its own, judged by the run's verdict.

A child process for each scenario keeps pytest outside the enclosure: it stays an
ordinary process with threads and plugins, and killing a scenario kills its whole
stack. The test passes when the run's verdict is what the scenario expects: PASS,
or for ``expect="broken"`` a FAIL of one of its guarantees with witness records.
UNKNOWN is never a pass. A scenario that this machine cannot express, or whose metrics agent is not
there, is reported as skipped: *not executed*, with the reason.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.findings import Finding, RunDocument
    from harness.scenario import Scenario

_ABORT_SECONDS = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, prefixed so that they meet nobody else's."""
    group = parser.getgroup("harness", "edge-harness scenarios")
    group.addoption(
        "--harness-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one setting of every stack",
    )
    group.addoption(
        "--harness-platform",
        default="local",
        metavar="NAME",
        help="where every stack runs; harness run --platform",
    )
    group.addoption(
        "--harness-cluster",
        choices=("keep", "reuse"),
        help="on kind: leave the cluster there, or take the one that is",
    )
    group.addoption("--harness-out", default="reports", metavar="FOLDER", help="folder that gets the runs")
    group.addoption(
        "--harness-rehearse", action="store_true", help="only print what each scenario would do; runs nothing"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "scenario: a drill; see harness.scenario.scenario")
    config.addinivalue_line("markers", "kubernetes: a drill that only an orchestrator can make")


@pytest.fixture(name="run")
def _run() -> None:
    """Stands for the ``run`` argument of a scenario; the child process gives it the real one."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a scenario; every other test is left to pytest."""
    if pyfuncitem.get_closest_marker("scenario") is None:
        return None
    from harness.scenario import from_function

    scenario = from_function(pyfuncitem.obj, pyfuncitem.path)
    assert scenario is not None
    _drill(scenario, pyfuncitem)
    return True


def unmet(scenario: Scenario, document: RunDocument) -> str:
    """Why *document* is not what *scenario* expects; empty when it is."""
    if scenario.expect == "held":
        return (
            ""
            if document.verdict == "PASS"
            else f"expected PASS, got {document.verdict}: {document.sentence}"
        )
    asked: set[str] = {guarantee.name for guarantee in scenario.guarantees}
    broken = [one for one in document.findings if _is_broken(one, asked)]
    if document.verdict == "FAIL" and broken:
        return ""
    wanted = f"a broken {' or '.join(sorted(asked))} with witnesses"
    return f"expected {wanted}, got {document.verdict}: {document.sentence}"


def not_executed(scenario: Scenario, document: RunDocument) -> str:
    """What this machine could not execute of *scenario*, which is why it is not judged; else empty.

    A run that found a guarantee broken was judged, whatever else it lacked.
    """
    if document.verdict != "UNKNOWN":
        return ""
    asked = {guarantee.name for guarantee in scenario.guarantees}
    decisive = [
        part
        for part in document.not_executed
        if part.part.startswith("fault:") or (part.part == "metrics" and "metrics_complete" in asked)
    ]
    return "; ".join(f"{part.part}: {part.reason}" for part in decisive)


def _is_broken(finding: Finding, asked: set[str]) -> bool:
    name = finding.checker.rpartition(".")[2]  # of a workload: WORKLOAD.CHECK
    return name in asked and finding.verdict == "FAIL" and bool(finding.witnesses)


def _drill(scenario: Scenario, item: pytest.Function) -> None:
    config = item.config
    argv = [sys.executable, "-m", "harness", "run", scenario.name, "--scenarios", str(scenario.path.parent)]
    argv += ["--out", config.getoption("--harness-out"), "--platform", config.getoption("--harness-platform")]
    argv += [f"--{word}" for word in [config.getoption("--harness-cluster")] if word]
    argv += [word for setting in config.getoption("--harness-set") for word in ("--set", setting)]
    rehearse = bool(config.getoption("--harness-rehearse"))
    code, told = _child([*argv, "--rehearse" if rehearse else "--json"])
    if rehearse:
        sys.stdout.write(told)
        return _fail_unless(code == 0, f"the rehearsal ended with exit code {code}")
    _fail_unless(told.startswith("{"), f"harness run ended with exit code {code} and no verdict")
    _judge(scenario, told, item)
    return None


def _judge(scenario: Scenario, told: str, item: pytest.Function) -> None:
    from harness.findings import RunDocument

    document = RunDocument.model_validate_json(told)
    item.user_properties += [
        ("run_id", document.run_id),
        ("seed", document.seed),
        ("verdict", document.verdict),
    ]
    report = Path(item.config.getoption("--harness-out")) / document.run_id / "report.html"
    why = unmet(scenario, document)
    if why and (missing := not_executed(scenario, document)):
        pytest.skip(f"not executed: {missing}")
    _fail_unless(not why, f"{why}\n{report}")


def _child(argv: list[str]) -> tuple[int, str]:
    """The exit code and standard output of *argv*; an interrupt lets it heal first."""
    plain = dict(os.environ) | {"NO_COLOR": "1"}
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=plain)
    try:
        told, _ = child.communicate()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=_ABORT_SECONDS)
        raise
    return child.returncode, told


def _fail_unless(holds: bool, why: str) -> None:  # noqa: FBT001 - reads as prose
    if not holds:
        pytest.fail(why, pytrace=False)
