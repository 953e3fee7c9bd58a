"""The commands that look at what is stored: judged again, compared, explained. No stack, no network.

They are the command line's, kept apart for their number. As there, heavy modules are imported by
the command that needs them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.errors import BadInput, ExitCode, MissingAbility

if TYPE_CHECKING:
    from types import ModuleType

    from harness.calibration import Calibration
    from harness.history.operations import Operation
    from harness.rundir import RunDirectory

as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
)


@click.command()
@click.argument("path", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--cross-check", is_flag=True,
              help="Count the records a second time, in SQL; both counts have to agree.")  # fmt: skip
@click.option("--history", type=click.Path(path_type=Path), metavar="FILE",
              help="Judge a history of any tool instead, or a run's ledger unfolded to one.")  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE",
              help="With --history: settings in the place of its first line's.")  # fmt: skip
@click.option("--records", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Judge single records in partitioned Parquet; writes verdict.json there.")  # fmt: skip
@click.option("--on", type=click.Choice(["processes", "ray"]), default="processes", show_default=True,
              help="With --records: what the work is spread over.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), default=2, show_default=True,
              help="With --records: how many.")  # fmt: skip
@as_json_option
def verify(
    *,
    path: Path | None,
    cross_check: bool,
    history: Path | None,
    config: Path | None,
    records: Path | None,
    on: Literal["processes", "ray"],
    processes: int,
    as_json: bool,
) -> int:
    """Judge a stored RUN again, from its ledger alone, and write run.json and the report anew."""
    given = [each for each in (path, history, records) if each is not None]
    if len(given) != 1 or (config and not history) or (cross_check and records):
        asked = "harness verify RUN [--cross-check], or --history FILE [--config FILE] [--cross-check], "
        asked += "or --records FOLDER"
        raise BadInput("that is nothing to judge, or not one thing", fix=asked)
    if history is not None:
        return _verify_history(history, config, cross_check=cross_check, as_json=as_json)
    if records is not None:
        return _verify_records(records, on, processes, as_json=as_json)
    assert path is not None
    return _verify_run(path, cross_check=cross_check, as_json=as_json)


def _verify_records(folder: Path, on: Literal["processes", "ray"], processes: int, *, as_json: bool) -> int:
    from harness.engine import verify as engine

    document = engine.verify(folder, on=on, processes=processes)
    engine.write(document, folder)
    _print(
        [document.model_dump_json(by_alias=True, indent=2)] if as_json else engine.lines(document),
        as_json=as_json,
    )
    return document.exit_code


def _verify_run(path: Path, *, cross_check: bool, as_json: bool) -> int:
    from harness.display import PlainDisplay
    from harness.lifecycle import report as judge_and_report
    from harness.rundir import RunDirectory

    directory = RunDirectory.open(path)
    second = _oracle().of_run(directory) if cross_check else None
    document = judge_and_report(directory, PlainDisplay(), second=second)
    print_result(directory, as_json=as_json)
    return document.exit_code


def _oracle() -> ModuleType:
    """The second count of a run; what it counts with is a package that may be missing."""
    try:
        from harness.oracle import run
    except ModuleNotFoundError as error:
        raise MissingAbility(
            "the records cannot be counted a second time",
            why=f"the package {error.name} is not installed",
            fix="pip install duckdb",
        ) from error
    return run


def _verify_history(history: Path, config: Path | None, *, cross_check: bool, as_json: bool) -> int:
    from harness.anomalies.judge import judge
    from harness.anomalies.twice import counted_twice
    from harness.anomalies.words import told
    from harness.history.lines import read_settings
    from harness.history.table import tabulate

    operations = _operations(history)
    columns = tabulate(operations.values(), read_settings(config) if config else None, numbers=operations)
    verdict = judge(columns, len(operations))
    if cross_check:
        again = _oracle().recount_history(list(operations.values()), columns.settings)
        verdict = counted_twice(verdict, again)
    click.echo(verdict.model_dump_json(by_alias=True, indent=2) if as_json else "\n".join(told(verdict)))
    return verdict.exit_code


def _operations(path: Path) -> dict[int, Operation]:
    """Those of a file by line; of a run's directory those that its ledger tells of, one after the other."""
    from harness.anomalies.unfolded import unfolded
    from harness.history.lines import read_numbered
    from harness.ledger import evidence
    from harness.rundir import RunDirectory

    if not path.is_dir():
        return read_numbered(path)
    if not RunDirectory(path).events.is_file():
        fix = "name a file of JSON lines, or a folder that `harness run` made"
        raise BadInput(
            f"{path} is no history", why="it is a folder, and no run's: it has no events.jsonl", fix=fix
        )
    return dict(enumerate(unfolded(evidence.load(RunDirectory.open(path))), 1))


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
def report(path: Path) -> int:
    """Write report.html and junit.xml of a stored RUN anew, from run.json and the ledger."""
    from harness.report.html import write_report
    from harness.report.junit import write_junit
    from harness.rundir import RunDirectory

    directory = RunDirectory.open(path)
    click.echo(write_report(directory))
    click.echo(write_junit(directory))
    return ExitCode.PASS


def print_result(directory: RunDirectory, *, as_json: bool) -> None:
    """Print what a run came to."""
    from harness.report.terminal import summary_lines

    document = directory.read_document()
    if as_json:
        click.echo(document.model_dump_json(by_alias=True, indent=2))
        return
    for line in summary_lines(document, directory):
        click.echo(line)


@click.command()
@click.argument("path", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--history", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Plant into a history of any tool instead, and print what came of it.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Repeat the draws of an earlier calibration.")
@click.option("--times", type=click.IntRange(1, 1000), default=3, show_default=True, metavar="N",
              help="Plant each defect, and make each legal change, N times.")  # fmt: skip
@as_json_option
def calibrate(path: Path | None, *, history: Path | None, seed: int | None, times: int, as_json: bool) -> int:
    """Plant every known defect into a stored RUN, and say which of them its checkers caught.

    They are planted into its ledger and into the history of each of its workloads. The kill table goes
    into RUN as calibration.json and into its report. Without RUN the runs that come with the harness are
    calibrated, and left as they are. Exit code 0: all caught, no false alarm.
    """
    from harness import calibrating, seeds
    from harness.report.kills import table_lines

    if path and history:
        raise BadInput("a RUN and a history are two things", fix="calibrate one after the other")
    chosen = seeds.fresh_seed() if seed is None else seed
    told = list(_calibrated(path, history, seed=chosen, times=times))
    if as_json:
        whole = [one.model_dump(mode="json", by_alias=True) for one in told]
        click.echo(json.dumps(whole[0] if path or history else whole, indent=2))
    else:
        click.echo("\n\n".join("\n".join(table_lines(one)) for one in told))
    return calibrating.exit_code(told)


def _calibrated(path: Path | None, history: Path | None, *, seed: int, times: int) -> Iterator[Calibration]:
    from harness import bundle, calibrating
    from harness.rundir import RunDirectory

    if history is not None:
        yield calibrating.calibrated_history(history, seed=seed, times=times)
        return
    for one in [path] if path else sorted((bundle.fixtures() / "golden").iterdir()):
        directory = RunDirectory.open(one)
        yield calibrating.calibrated(directory, seed=seed, times=times, keep=path is not None)


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--min-effect", type=click.FloatRange(0, 1), default=0.05, show_default=True, metavar="SHARE",
              help="The least difference that matters, as a share of A's median.")  # fmt: skip
@click.option("--anyway", is_flag=True, help="Compare runs of different scenarios, stacks or settings too.")
@as_json_option
def compare(*, first: str, second: str, min_effect: float, anyway: bool, as_json: bool) -> int:
    """Say in what the stored runs of B are worse or better than those of A.

    A and B are a folder of runs each, or a pattern in quotes. The run is the unit: fewer than four on
    a side prove nothing. A run that broke a guarantee, on either side, comes first and decides.
    """
    from harness.statistics import words
    from harness.statistics.compare import compare as hold_against
    from harness.statistics.stored import gather

    found = hold_against(gather(first), gather(second), min_effect=min_effect, anyway=anyway)
    _print([words.as_json(found)] if as_json else words.as_text(found), as_json=as_json)
    return found.exit_code


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--window", type=click.IntRange(8, 500), default=50, show_default=True, metavar="RUNS",
              help="How many runs are looked at together.")  # fmt: skip
@click.option("--max-p", type=click.FloatRange(0, 0.1, min_open=True), default=0.001, show_default=True,
              metavar="P", help="How sure a change must be.")  # fmt: skip
@click.option("--min-effect", type=click.FloatRange(0, 1), default=0.05, show_default=True, metavar="SHARE",
              help="The least change that matters, as a share of the level before it.")  # fmt: skip
@as_json_option
def trend(*, folder: Path, window: int, max_p: float, min_effect: float, as_json: bool) -> int:
    """Say where the figures of the nightly runs in FOLDER changed for good.

    Only run.json files are read, however deep. An alarm to look at, not a gate: it ends in exit code 0
    whatever it finds, and lists the runs that did not pass.
    """
    from harness.statistics import trend_words
    from harness.statistics.changes import Rules
    from harness.statistics.stored import history
    from harness.statistics.trend import trend as changes_in

    rules = Rules(window=window, max_p=max_p, min_magnitude=min_effect)
    found = changes_in(history(folder), rules)
    _print([trend_words.as_json(found)] if as_json else trend_words.as_text(found), as_json=as_json)
    return ExitCode.PASS


@click.command()
@click.argument("runs")
@click.option("--needs", multiple=True, metavar="SCENARIO",
              help="Certify nothing without a run of it. May be repeated.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default="certificate", show_default=True,
              help="Folder for certificate.html and certificate.json.")  # fmt: skip
@as_json_option
def certify(*, runs: str, needs: tuple[str, ...], out: Path, as_json: bool) -> int:
    """Say what RUNS of one product certify together, as a page that prints.

    RUNS is a folder of runs, or a pattern in quotes. Exit code 0: all came to what their scenarios
    expect, on one set of versions, and their checkers were calibrated and sharp.
    """
    import harness
    from harness.certificate.compose import certify as compose
    from harness.certificate.page import write_certificate
    from harness.certificate.words import lines
    from harness.statistics.stored import gather

    found = compose(gather(runs, events=False), needs=needs, harness_version=harness.__version__)
    page, twin = write_certificate(found, out)
    twice = found.model_dump_json(by_alias=True, indent=2)
    told = [twice] if as_json else [*lines(found), str(page), str(twin)]
    _print(told, as_json=as_json)
    return found.exit_code


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("record", metavar="RECORD")
@as_json_option
def explain(*, path: Path, record: str, as_json: bool) -> int:
    """Tell the life of one RECORD of a stored RUN: every hop, with its instant, faults and log lines.

    RECORD is as a witness names it: PRODUCER/PARTITION/SEQUENCE, and of a workload's topic
    PRODUCER/TOPIC/PARTITION/SEQUENCE.
    """
    from harness.history import parts
    from harness.ledger import evidence
    from harness.lives import words
    from harness.lives.find import find
    from harness.lives.names import parse
    from harness.rundir import RunDirectory

    named, directory = parse(record), RunDirectory.open(path)
    stored = evidence.load(directory)
    told = find(stored, named, lambda: parts.stored(directory.history))
    logs = words.with_logs(directory, stored, told)
    shown = (told, logs, stored.started.run_id)
    _print([words.as_json(*shown)] if as_json else words.as_text(*shown), as_json=as_json)
    return ExitCode.PASS


def _print(lines: Iterable[str], *, as_json: bool) -> None:
    from harness.report.plaintext import table_line

    for line in lines:
        click.echo(line if as_json else table_line(line))


COMMANDS = (verify, calibrate, certify, report, compare, trend, explain)
