"""The command line. Heavy modules are imported by the command that needs them, after ``--help`` is served."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import __version__, stored_commands
from harness.errors import ExitCode, HarnessError, MissingAbility
from harness.stored_commands import as_json_option, print_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.launch import Prepared
    from harness.platforms import Entry, Platform, Wish
    from harness.scenario import Scenario


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def commands() -> None:
    """Prove what the edge pipeline guarantees while it is being broken.

    Exit codes: 0 everything held, 1 a guarantee broken, 2 unknown, 3 a budget missed,
    4 a fault left behind, 130 aborted and healed, 254 bad input, 255 internal error.
    """


@commands.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Repeat the choices of an earlier run.")
@click.option("--platform", default="local", show_default=True, help="Where the stack runs.")
@click.option("--stack", help="A stack in the place of the scenario's own: edge-kafka-strimzi.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting of the stack."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports"), show_default=True,
              help="Folder that gets the run's directory.")  # fmt: skip
@click.option("--scenarios", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Folder of scenario files; the ones that come with the harness unless given.")  # fmt: skip
@click.option("--reuse", is_flag=True, help="Take the kind cluster that is there, and leave it there.")
@click.option("--keep", is_flag=True, help="Leave the kind cluster there.")
@click.option("--allow", type=click.Path(path_type=Path), metavar="FILE",
              help="The list of clusters that may be broken.")  # fmt: skip
@click.option("--confirm", default="", metavar="CONTEXT",
              help="Confirm a context, namespace or server that looks like production.")  # fmt: skip
@click.option("--load-workers", type=click.IntRange(1, 64), metavar="N",
              help="Drive the load with N Locust workers; on kind in pods of their own.")  # fmt: skip
@click.option("--rehearse", is_flag=True, help="Only resolve the targets and print what would be done.")
@as_json_option
def run(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    seed: int | None,
    platform: str,
    stack: str | None,
    settings: tuple[str, ...],
    out: Path,
    folder: Path | None,
    reuse: bool,
    keep: bool,
    allow: Path | None,
    confirm: str,
    load_workers: int | None,
    rehearse: bool,
    as_json: bool,
) -> int:
    """Boot the stack, tell SCENARIO, judge, and leave OUT/<run-id>/ with a report."""
    from harness import launch, platforms, seeds
    from harness.guards.gate import Asked
    from harness.rehearsal import plan_of
    from harness.stack.namespaces import enclosure

    place = platforms.platform(platform)
    workers = () if load_workers is None else (f"load.workers={load_workers}",)
    chosen, prepared, merged = _chosen(name, folder, (*settings, *workers), platform, stack)
    if enclosure.is_inside() and not rehearse:
        return _inside(chosen, prepared, merged, platform, as_json=as_json)
    where = out.resolve() / launch.new_run_id(chosen.name)
    chosen_seed = seeds.fresh_seed() if seed is None else seed
    entry = platforms.Entry(
        sys.argv[1:], prepared, where, chosen_seed, reuse=reuse, keep=keep,
        asked=Asked(allow, confirm, _ask if sys.stdin.isatty() and sys.stderr.isatty() else None),
    )  # fmt: skip
    if isinstance(place, platforms.Guarded):
        entry = replace(entry, plan=plan_of(chosen, prepared.definition))
    if rehearse:
        return _rehearse(chosen, entry, place)
    return place.enter(entry)


@commands.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--platform", default="kind", help="context:NAME, the cluster that the Role is for.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting of the stack."
)
@click.option("--scenarios", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Folder of scenario files; the ones that come with the harness unless given.")  # fmt: skip
def rbac(*, name: str, platform: str, settings: tuple[str, ...], folder: Path | None) -> int:
    """Print the least Role that SCENARIO needs in a cluster, as YAML to review and apply."""
    from harness.errors import BadInput
    from harness.guards.rbac import render
    from harness.guards.rights import SEND
    from harness.launch import in_kubernetes
    from harness.platforms.clearing import rights_of
    from harness.rehearsal import plan_of

    if not in_kubernetes(platform):
        raise BadInput(f"the platform {platform} knows no Role", fix="--platform context:NAME")
    chosen, prepared, _ = _chosen(name, folder, settings, platform)
    assert prepared.definition.kubernetes is not None
    plan = plan_of(chosen, prepared.definition)
    rights = SEND | rights_of(prepared.definition, prepared.folder, plan)
    namespace, faults = prepared.definition.kubernetes.namespace, [each.strike.name for each in plan]
    click.echo(render(rights, namespace, title=f"{chosen.name} on {prepared.definition.name}", faults=faults))
    return ExitCode.PASS


@commands.command()
@as_json_option
def doctor(*, as_json: bool) -> int:
    """Check that this machine can run drills; print the fixing command for each failure."""
    from harness.doctor import examine, render

    checks = examine()
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        click.echo("\n".join(render(checks)))
    return ExitCode.PASS if all(check.ok or not check.needed for check in checks) else ExitCode.BAD_INPUT


@commands.command()
@click.option("--abort", is_flag=True, help="Also end runs that are alive and well.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("reports"), help="Where runs are stored."
)
@click.option("--platform", help="context:NAME, to heal its namespaces; this machine unless given.")
@click.option("--namespace", default="", help="Heal only this namespace of the context.")
@click.option("--allow", type=click.Path(path_type=Path), metavar="FILE",
              help="The list of clusters that may be broken.")  # fmt: skip
@as_json_option
def heal(
    *, abort: bool, out: Path, platform: str | None, namespace: str, allow: Path | None, as_json: bool
) -> int:
    """Remove every fault that a dead or stuck run left behind; repeating it does no harm."""
    from harness import platforms
    from harness.faults import heal as healing

    said: list[str] = []
    say = said.append if as_json else click.echo
    wish = platforms.Wish(out.resolve(), namespace, allow, abort)
    code = _elsewhere(platform, wish, say) if platform else None
    if code is None:
        code = healing.heal(abort=abort, folders=[out], say=say)
    if as_json:
        click.echo(json.dumps({"exit_code": code, "said": said}, indent=2))
    return code


@commands.command(name="list")
@click.option("--scenarios", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@as_json_option
def list_(folder: Path | None, *, as_json: bool) -> int:
    """List the scenarios, the stacks, and the versions of Kafka and Flink there are."""
    from harness import bundle
    from harness.scenario import discover
    from harness.stack.artifacts import locked_versions
    from harness.stack.definition import stack_names

    found = discover(folder or bundle.scenarios())
    stacks = stack_names(bundle.fixtures() / "stacks")
    locks = bundle.fixtures() / "locks"
    versions = {name: locked_versions(locks, name) for name in ("kafka", "flink")}
    if as_json:
        told = {
            one.name: {"title": one.title, "expect": one.expect, "stack": one.stack} for one in found.values()
        }
        click.echo(json.dumps({"scenarios": told, "stacks": stacks, **versions}, indent=2))
        return ExitCode.PASS
    width = max((len(name) for name in found), default=0)
    for one in found.values():
        click.echo(
            f"{one.name:{width}}  {one.title}" + (" (must be found broken)" if one.expect == "broken" else "")
        )
    click.echo(f"\nstacks: {', '.join(stacks)}")
    for name, known in versions.items():
        click.echo(f"{name}.version: {', '.join(known)}")
    return ExitCode.PASS


@commands.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fail-on", type=click.Choice(["error", "warning", "note", "never"]), default="error",
              show_default=True, help="The mildest finding that ends in exit code 1.")  # fmt: skip
@click.option("--sarif", is_flag=True, help="Print the result as SARIF 2.1.0 on standard output.")
@as_json_option
def audit(*, files: tuple[Path, ...], fail_on: str, sarif: bool, as_json: bool) -> int:
    """Name what will hurt in configuration files of Kafka, Flink and Vector; nothing is started.

    FILE is YAML, JSON, TOML or properties: Strimzi and Flink resources, a ConfigMap with a Vector
    configuration in it, server.properties, flink-conf.yaml, producer.properties. Files that
    belong together are audited together.
    """
    from harness.audit import render
    from harness.audit.examine import audit as examine_files
    from harness.audit.findings import Severity

    found = examine_files(files)
    failed = fail_on != "never" and found.has_at_least(Severity(fail_on))
    code = ExitCode.GUARANTEE_BROKEN if failed else ExitCode.PASS
    if sarif:
        click.echo(render.as_sarif(found, __version__))
    elif as_json:
        click.echo(render.as_json(found, code))
    else:
        lines = render.as_text(found, shutil.get_terminal_size((100, 24)).columns)
        click.echo("\n".join(lines), color=False if os.environ.get("NO_COLOR") else None)
    return code


def _chosen(
    name: str, folder: Path | None, given: tuple[str, ...], platform: str, stack: str | None = None
) -> tuple[Scenario, Prepared, dict[str, str]]:
    from harness import bundle, launch
    from harness.scenario import find

    chosen = find(folder or bundle.scenarios(), name)
    budgets = {f"budgets.{name}": str(value) for name, value in chosen.budgets.items()}
    merged = dict(chosen.settings) | budgets | launch.parse_settings(given)
    return chosen, launch.prepare(stack or chosen.stack, merged, platform), merged


def _rehearse(chosen: Scenario, entry: Entry, place: Platform) -> int:
    from harness import platforms
    from harness.rehearsal import rehearse
    from harness.stack.delays import UNTRIED

    guarded = place.cleared(entry).lines if isinstance(place, platforms.Guarded) else ()
    delays = UNTRIED if isinstance(place, platforms.Guarded) else None  # its nodes are asked by the run alone
    for line in (*guarded, *rehearse(chosen, entry.prepared.definition, delays)):
        click.echo(line)
    return ExitCode.PASS


def _elsewhere(platform: str, wish: Wish, say: Callable[[str], None]) -> int | None:
    """The exit code of healing somebody's cluster; None: *platform* is on this machine."""
    from harness import platforms

    place = platforms.platform(platform)
    return place.heal(wish, say) if isinstance(place, platforms.Guarded) else None


def _ask(question: str) -> str:
    """What is typed on the terminal; the question goes where errors go."""
    return str(click.prompt(question, prompt_suffix="", default="", show_default=False, err=True))


def _inside(
    chosen: Scenario, prepared: Prepared, settings: dict[str, str], platform: str, *, as_json: bool
) -> int:
    from harness.display import open_display
    from harness.interrupts import Interrupted, Interrupts
    from harness.lifecycle import execute
    from harness.order import Order
    from harness.rundir import RunDirectory
    from harness.stack.parts import find_parts

    interrupts = Interrupts()
    interrupts.install()
    where = Path(os.environ["HARNESS_DIR"])
    software = prepared.software
    parts = find_parts(prepared.definition, prepared.folder, software)
    if platform == "docker" and prepared.definition.vector is not None:
        parts = parts.without_vector("the docker platform does not run Vector")
    directory = RunDirectory.create(where.parent, where.name)
    _keep_native_crashes(directory.logs / "crash-native.txt")
    order = Order(
        scenario=chosen, definition=prepared.definition, folder=prepared.folder, software=software,
        parts=parts, directory=directory, seed=int(os.environ["HARNESS_SEED"]),
        command=("harness", *sys.argv[1:]), settings=settings, platform=platform,
    )  # fmt: skip
    display = open_display()
    display.say(f"run     {directory.run_id}, seed {order.seed}")
    try:
        document = execute(order, display, interrupts)
    except Interrupted:
        return ExitCode.ABORTED
    finally:
        display.close()
    print_result(directory, as_json=as_json)
    return document.exit_code


def _keep_native_crashes(place: Path) -> None:
    """A crash below Python leaves what every thread was doing; else it would leave nothing."""
    import faulthandler

    # It keeps the descriptor alone: one that belonged to a file object would be closed with it.
    faulthandler.enable(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))


for _other in stored_commands.COMMANDS:
    commands.add_command(_other)


def main() -> None:
    """Run the command and leave with its exit code; every error is one sentence."""
    try:
        code = commands(standalone_mode=False)
    except HarnessError as error:
        click.echo(f"harness: {error.sentence()}", err=True)
        code = error.exit_code
    except click.Abort:
        code = ExitCode.ABORTED
    except click.ClickException as error:
        error.show()
        code = ExitCode.BAD_INPUT
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback for users
        code = _internal(error)
    sys.exit(int(code or 0))


def _internal(error: Exception) -> ExitCode:
    """Keep the traceback in a file and say where it is."""
    from harness.stack.artifacts import cache_folder

    place = (
        Path(os.environ.get("HARNESS_DIR", "")) / "logs" if "HARNESS_DIR" in os.environ else cache_folder()
    )
    text = "".join(traceback.format_exception(error))
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / "crash.txt").write_text(text)
        kept = f"the traceback is in {place / 'crash.txt'}"
    except OSError:
        kept = text
    missing = MissingAbility(
        "a defect of the harness", why=f"{type(error).__name__}: {error}", fix=f"report it; {kept}"
    )
    click.echo(f"harness: {missing.sentence()}", err=True)
    return ExitCode.INTERNAL
