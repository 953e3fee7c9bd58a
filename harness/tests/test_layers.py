"""The harness keeps its own rules: imports point down, and some things are never written.

The order of the layers is that of the design; a module may import only from
lower ones and from its own part.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.tests.source import PACKAGE, ROOT, Module, modules

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"", "errors"}),
    frozenset({"names"}),
    frozenset({"clock", "seeds", "ranges", "verdict", "model", "bundle", "interrupts", "durations"}),
    frozenset(
        {"journal_entry", "findings", "calibration", "prometheus", "promises", "s3", "vrl", "waiting", "web"}
    ),
    frozenset({"rundir", "bounds"}),
    frozenset({"ledger", "history"}),
    frozenset({"lives", "oracle"}),
    frozenset({"stack"}),
    frozenset({"faults", "load", "probes", "checkers", "report", "machine", "audit"}),
    frozenset({"anomalies", "workloads"}),
    frozenset({"scenario", "display", "guards", "statistics", "engine", "planting"}),
    frozenset({"hops", "order", "transactions", "certificate", "calibrating"}),
    frozenset({"run", "rehearsal", "doctor"}),
    frozenset({"launch"}),
    frozenset({"platforms"}),
    frozenset({"lifecycle"}),
    frozenset({"stored_commands"}),
    frozenset({"cli", "pytest_plugin", "benchmarks"}),
    frozenset({"__main__"}),
)
STACK_LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"namespaces"}),
    frozenset({"kafka", "toxiproxy", "vector"}),
    frozenset({"flink", "objects"}),
    frozenset({"kind"}),
    frozenset({"kubernetes"}),
    frozenset({"agents", "docker"}),
)
"""The folders of the stack; its own files are what all of them share and what joins them."""
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
STACK_RANK = {folder: rank for rank, layer in enumerate(STACK_LAYERS) for folder in layer}
PURE = {
    *("checkers", "anomalies", "planting", "report", "audit", "statistics", "lives", "oracle", "engine"),
    "certificate",
}
"""Parts that read files and nothing else: a run directory, or a configuration."""

WORLD = {"stack", "faults", "load", "probes", "workloads"}
STANDARD_ONLY = (
    *("harness.faults.heal", "harness.faults.watchdog"),
    *("harness.stack.agents.agent", "harness.stack.agents.runner"),
)
HEAVY = {
    *("pandas", "kubernetes", "docker", "boto3", "pyarrow", "locust", "gevent", "numpy", "testcontainers"),
    *("requests", "confluent_kafka", "pydantic", "hypothesis", "toxiproxy", "pyvrl", "duckdb", "ray"),
}
WHOLE_FILE = 400

FORBIDDEN_CALLS = {"os.system", "os.popen", "eval", "exec", "yaml.load", "yaml.unsafe_load", "pickle.loads"}
MAY_CATCH_ALL = {
    "harness.anomalies.judge",  # the same for histories
    "harness.checkers.compose",  # a checker that fails is UNKNOWN, and the next still runs
    "harness.faults.heal",  # an undo that fails must not keep the next from its turn
    "harness.scenario",  # a user's file may raise anything when it is imported
    "harness.engine.on_ray",  # Ray has no kind of error for a node that did not start
    "harness.cli",  # the last line of defence: no traceback for users
}

ALL = modules()
EVERY = modules(tests=True)


def internal(module: Module) -> Iterator[str]:
    """The parts of the harness that *module* imports, its own left out."""
    for name in module.imports():
        if name.startswith("harness.") and (part := _part(name)) != module.part:
            yield part


def _part(name: str) -> str:
    first = name.split(".")[1]
    return first if (PACKAGE / first).is_dir() or (PACKAGE / f"{first}.py").is_file() else ""


def named(found: list[Module]) -> list[str]:
    """Names for parametrized tests."""
    return [module.name for module in found]


def test_every_part_has_its_layer() -> None:
    """A new module or folder is given its place here before anything may import it."""
    assert {module.part for module in ALL} <= set(RANK)


@pytest.mark.parametrize("module", ALL, ids=named(ALL))
def test_imports_point_down(module: Module) -> None:
    """A module imports only parts of lower layers; even inside a function, even lazily."""
    upward = [part for part in internal(module) if RANK[part] >= RANK[module.part]]

    assert upward == []


def test_the_folders_of_the_stack_look_down() -> None:
    """A component knows no platform that it runs on, and what is read of a cluster not who acts there."""
    looks = {(_folder(m.name), _folder(name)) for m in ALL for name in m.imports() if _folder(m.name)}
    sideways = {(own, other) for own, other in looks if other not in {own, ""}}

    assert {own for own, _ in looks} == set(STACK_RANK)
    assert [pair for pair in sideways if STACK_RANK[pair[0]] <= STACK_RANK[pair[1]]] == []


def _folder(name: str) -> str:
    """The folder of the stack that a module's name lies in."""
    words = name.split(".")
    inside = words[:2] == ["harness", "stack"] and len(words) > 2
    return words[2] if inside and (PACKAGE / "stack" / words[2]).is_dir() else ""


def test_the_pure_parts_know_nothing_of_the_world() -> None:
    """Checkers and the report never import the stack, faults, load or probes: they judge stored runs."""
    reached = {(m.name, part) for m in ALL if m.part in PURE for part in internal(m) if part in WORLD}

    assert reached == set()


def test_locust_is_imported_only_by_its_own_programs() -> None:
    """Importing locust patches the whole process, so only the load's own interpreters may."""
    importers = {m.name for m in EVERY if any(n.split(".")[0] in {"locust", "gevent"} for n in m.imports())}

    assert importers == {"harness.load.users", "harness.load.pod"}
    assert importers & {name for m in EVERY if m.name not in importers for name in m.imports()} == set()


def test_testcontainers_is_imported_in_one_file() -> None:
    """It reads settings of its own and brings Docker's client: one module knows it, and is imported last."""
    owned = {"testcontainers", "docker"}
    importers = {m.name for m in ALL if any(n.split(".")[0] in owned for n in m.imports())}

    assert importers == {"harness.stack.docker.containers"}


def test_the_second_count_shares_nothing_with_the_first() -> None:
    """The oracle in SQL imports no checker, and one module of it alone knows DuckDB."""
    importers = {m.name for m in ALL if any(n.split(".")[0] == "duckdb" for n in m.imports())}
    reached = {part for m in ALL if m.part == "oracle" for part in internal(m)}

    assert importers == {"harness.oracle.database"}
    assert reached == {"findings", "history", "ledger", "model", "rundir"}


@pytest.mark.parametrize("name", STANDARD_ONLY)
def test_what_heals_needs_only_the_standard_library(name: str) -> None:
    """``heal`` and the watchdog start with no third-party package in sight."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {name}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help is served before any package that takes a tenth of a second is imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "harness", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}

    assert "click" in imported, "the list of imports was read"
    assert imported & HEAVY == set()


@pytest.mark.parametrize("module", EVERY, ids=named(EVERY))
def test_nothing_runs_words_as_code(module: Module) -> None:
    """No shell, no pickle, no eval, no unsafe YAML: nothing from a file or a user is ever executed."""
    called = {name for name, _ in module.calls() if name in FORBIDDEN_CALLS}
    shells = [
        key.lineno
        for _, call in module.calls()
        for key in call.keywords
        if key.arg == "shell" and not (isinstance(key.value, ast.Constant) and key.value.value is False)
    ]
    pickles = [name for name in module.imports() if name.split(".")[0] in {"pickle", "shelve", "marshal"}]

    assert (called, shells, pickles) == (set(), [], [])


@pytest.mark.parametrize("module", EVERY, ids=named(EVERY))
def test_only_the_clock_sleeps(module: Module) -> None:
    """Waiting goes through a ``Clock``, so that tests never wait; tests do not sleep at all."""
    sleeps = [call.lineno for name, call in module.calls() if name in {"time.sleep", "sleep"}]

    assert sleeps == [] or module.name == "harness.clock"


@pytest.mark.parametrize("module", EVERY, ids=named(EVERY))
def test_no_error_is_caught_unnamed(module: Module) -> None:
    """``except Exception`` stands in few documented places; elsewhere it may only pass the error on."""
    broad = [
        handler.lineno
        for handler in ast.walk(module.tree)
        if isinstance(handler, ast.ExceptHandler) and _is_broad(handler) and not _passes_on(handler)
    ]

    assert broad == [] or module.name in MAY_CATCH_ALL
    assert len(broad) <= 1


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = "" if handler.type is None else ast.unparse(handler.type)
    return not caught or re.search(r"\b(Base)?Exception\b", caught) is not None


def _passes_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize("module", EVERY, ids=named(EVERY))
def test_a_file_can_be_read_in_one_sitting(module: Module) -> None:
    """No file is longer than 400 lines, and each says why it exists."""
    assert len(module.path.read_text(encoding="utf-8").splitlines()) <= WHOLE_FILE
    assert ast.get_docstring(module.tree)


@pytest.mark.parametrize(
    "module", [m for m in EVERY if m.path.name.startswith("test_")], ids=lambda module: module.name
)
def test_every_test_says_what_it_holds(module: Module) -> None:
    """Each test's docstring is a sentence, and none is skipped or patches the harness itself."""
    functions = [
        n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
    ]
    mute = [
        f.name for f in functions if not (ast.get_docstring(f) or "").split("\n\n")[0].endswith((".", "…"))
    ]
    mocks = [name for name in module.imports() if name.startswith("unittest.mock")]
    skips = [name for name, _ in module.calls() if name.startswith(("pytest.skip", "pytest.mark.skip"))]

    assert (mute, mocks, skips) == ([], [], [])
