"""The metrics agent without its binary: what is found, what its configuration asks for, what it says."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput, StackError
from harness.stack.components import VectorDefinition
from harness.stack.definition import read_definition
from harness.stack.namespaces.netns import NamespaceNode
from harness.stack.vector.component import (
    VectorAgent,
    complaint,
    environment_of,
    find_vector,
    missing_reason,
    version_of,
    watching,
)
from harness.stack.vector.config import check_programs, fill_in, read_config
from harness.stack.vector.says import Said, parse

STACKS = bundle.fixtures() / "stacks"
CORRECTED = (STACKS / "edge/vector.toml").read_text()
SEED = (STACKS / "edge-seed/vector.toml").read_text()
_SCRAPE, _ITSELF = ("source", "prometheus_scrape"), ("source", "internal_metrics")
_PROGRAM, _SINK = ("transform", "remap"), ("sink", "aws_s3")
_LINES = (
    ("component_received_events_total", _SCRAPE, 'uri="http://a/metrics"', 115),
    ("component_received_events_total", _SCRAPE, 'uri="http://b/metrics"', 5),
    ("component_received_events_total", _ITSELF, "", 482),
    ("component_errors_total", _SCRAPE, 'error_type="request_failed"', 3),
    ("component_errors_total", _PROGRAM, 'error_type="a \\"quoted} one"', 7),
    ("component_discarded_events_total", _PROGRAM, 'intentional="false"', 2),
    ("component_discarded_events_total", _SINK, 'intentional="false"', 4),
    ("component_sent_events_total", _SINK, "", 100),
    ("buffer_events", _SINK, "", 9),
)
PAGE = "# TYPE vector_buffer_events gauge\n" + "".join(
    f'vector_{name}{{component_kind="{kind}",component_type="{type_}",{more}}} {value} 1795643948337\n'
    for name, (kind, type_), more, value in _LINES
)


def program(folder: Path, text: str) -> Path:
    """An executable script."""
    path = folder / "vector"
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_no_vector_in_path_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a binary the hop is not executed, and the reason says what would change that."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_vector("vector") is None
    assert missing_reason("vector") == "there is no 'vector' in PATH; give it with --set vector.binary=PATH"


def test_a_vector_in_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up in PATH, and what is found has to say that it is Vector."""
    path = program(tmp_path, "#!/bin/sh\necho 'vector 0.99.0 (x86_64-unknown-linux-gnu)'\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert find_vector("vector") == path
    assert find_vector(str(path)) == path
    assert version_of(path) == "0.99.0"


def test_a_path_that_leads_nowhere_is_told() -> None:
    """A file that the user named and that is not there is an error, not a hop that is left out."""
    with pytest.raises(BadInput, match=r"vector\.binary '/no/such/vector' is not a program"):
        find_vector("/no/such/vector")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/sh\necho 'something else 1.0'\n", "is not Vector: --version says 'something else 1.0'"),
        ("#!/bin/sh\nexit 3\n", "is not Vector: --version says 'nothing'"),
        ("no program at all", "does not run: "),
    ],
)
def test_a_program_that_is_not_vector_is_told(tmp_path: Path, text: str, words: str) -> None:
    """What was named must say that it is Vector."""
    with pytest.raises(BadInput) as raised:
        find_vector(str(program(tmp_path, text)))

    assert words in str(raised.value)


def test_the_corrected_configuration_shapes_every_sample() -> None:
    """Its program compiles and fails on nothing that a metric as a log can be."""
    assert check_programs(CORRECTED, "vector.toml") == []


def test_the_seeds_program_is_told_to_fail_on_everything() -> None:
    """The seed's own program compiles, and never once succeeds: a metric has no message."""
    line = next(n for n, line in enumerate(SEED.splitlines(), 1) if "parse_json" in line)

    (said,) = check_programs(SEED, "vector.toml")
    assert said == (
        f"edge_processing (vector.toml:{line}) fails on every sample of its input: "
        'function call error for "parse_json": expected string, got null'
    )


def test_the_seeds_configuration_is_the_seeds() -> None:
    """But for the address that it scrapes, every value is the seed's."""
    sources = tomllib.loads(SEED)

    assert sources["sources"]["edge_metrics"]["scrape_interval_secs"] == 15
    assert sources["sinks"]["edge_storage"] == {
        "type": "aws_s3",
        "inputs": ["edge_processing"],
        "bucket": "edge-metrics",
        "compression": "gzip",
        "encoding": {"codec": "json"},
        "batch": {"timeout_secs": 300},
    }
    assert ". = parse_json!(.message)" in sources["transforms"]["edge_processing"]["source"]


def test_a_program_that_does_not_compile_is_told_with_the_line_of_the_file() -> None:
    """One error: whose program, where in the file, and the engine's own words."""
    text = CORRECTED.replace("value = .gauge.value\n", "value = parse_json(.gauge)\n")
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "parse_json" in line)

    with pytest.raises(BadInput) as raised:
        check_programs(text, "vector.toml")
    assert str(raised.value) == (
        f"the program of edge_processing does not compile (vector.toml:{line}): error[E103]: "
        "unhandled fallible assignment: this expression is fallible because at least one argument's type "
        "cannot be verified to be valid"
    )


def test_a_program_for_a_running_vector_only_is_left_to_it() -> None:
    """A function that the engine alone does not have is no defect of the program."""
    text = CORRECTED.replace("value = .gauge.value\n", 'value = get_secret("a")\n')

    assert check_programs(text, "vector.toml") == []


def test_a_program_gets_what_the_one_before_it_made() -> None:
    """Samples flow through the transforms: what the first program makes is there for the second."""
    more = """
[transforms.second]
type = "remap"
inputs = ["edge_processing"]
source = ".upper = upcase!(.metric)"
"""
    assert check_programs(CORRECTED + more, "vector.toml") == []
    assert len(check_programs(CORRECTED + more.replace("!(.metric)", "!(.name)"), "vector.toml")) == 1


def test_yaml_and_json_are_read_as_well() -> None:
    """The file's name says which format it has."""
    yaml = "sources:\n  a: {type: prometheus_scrape, endpoints: ['http://x/metrics']}\n"
    json = '{"sources": {"a": {"type": "prometheus_scrape", "endpoints": "http://x/metrics"}}}'

    assert [one.endpoints for one in read_config(yaml, "vector.yaml").scrapers()] == [("http://x/metrics",)]
    assert [one.endpoints for one in read_config(json, "vector.json").scrapers()] == ["http://x/metrics"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sources.a", "vector.toml cannot be read: "),
        ("[sources.a]\nendpoints = []\n", "is no Vector configuration: sources.a.type: Field required"),
        ('[sources]\na = "x"\n', "is no Vector configuration: sources.a: "),
    ],
)
def test_a_file_that_is_no_configuration_is_told(text: str, words: str) -> None:
    """One sentence, in the parser's words."""
    with pytest.raises(BadInput) as raised:
        read_config(text, "vector.toml")

    assert words in str(raised.value)


def test_variables_are_filled_in_as_vector_does() -> None:
    """With braces or without, with a default or none; two dollars are one; what is not known stays."""
    text = "${A} $A ${B:-b} ${A:-x} ${C} $$A"

    assert fill_in(text, {"A": "1"}) == "1 1 b 1 ${C} $A"


def test_the_environment_names_every_node_and_the_store() -> None:
    """Each variable that the stack's configuration uses has a value."""
    found = environment_of(read_definition(STACKS, "edge", {}))
    config = read_config(CORRECTED, "vector.toml", found)

    assert [one.endpoints for one in config.scrapers()] == [
        (
            "http://198.18.0.31:9249/metrics",
            "http://198.18.0.41:9249/metrics",
            "http://198.18.0.42:9249/metrics",
        )
    ]
    assert found["S3_ENDPOINT"] == found["AWS_ENDPOINT_URL"] == "http://198.18.0.61:9000"
    assert "${" not in fill_in(CORRECTED, {"VECTOR_DATA_DIR": "/d", **found})


def test_nodes_with_other_names_are_known_by_role_and_number() -> None:
    """The same configuration serves pods, whose names are others."""
    found = environment_of(read_definition(STACKS, "edge-plain", {}))

    assert found["TASKMANAGER_2"] == found["EDGE_TASKMANAGER_1"]
    assert found["TASKMANAGER_2"].startswith("edge-taskmanager-1.edge-taskmanager.")


def test_what_a_configuration_lacks_to_be_watched_is_added(tmp_path: Path) -> None:
    """The seed's has no data folder, API or exporter; the corrected one has them and gets nothing."""
    definition = VectorDefinition()
    added = watching(read_config(SEED, "vector.toml"), definition, tmp_path)

    assert watching(read_config(CORRECTED, "vector.toml"), definition, tmp_path) == ""
    assert read_config(SEED + added, "vector.toml").exports_itself()
    assert tomllib.loads(added)["data_dir"] == str(tmp_path)
    assert tomllib.loads(added)["api"] == {"enabled": True, "address": "0.0.0.0:8686"}


def test_its_own_page_is_summed_by_what_counts() -> None:
    """Events of all scraped pages; its own metrics, its own exporter and comments count for nothing."""
    expected = Said(scraped=120, stored=100, errors=7, discarded=2, given_up=4, buffered=9, failed_scrapes=3)

    assert parse(PAGE) == expected
    assert parse("flink_a 1\n") is None


class HereNode(NamespaceNode):
    """A node whose programs run in the test's own network."""

    def enter(self, argv: Sequence[str]) -> list[str]:
        """As it stands."""
        return list(argv)


def agent_at(folder: Path) -> VectorAgent:
    """The corrected stack's agent, whose binary is *folder*'s ``vector``."""
    return VectorAgent(
        HereNode("vector-1", "vector", "198.18.0.71", (8686, 9598)),
        VectorDefinition(),
        folder / "vector",
        config=STACKS / "edge/vector.toml",
        disk=folder,
        logs=folder,
        environment=environment_of(read_definition(STACKS, "edge", {})),
    )


def test_a_check_without_an_end_is_one_error(tmp_path: Path) -> None:
    """It says what was waited for, for how long, and what to do."""
    program(tmp_path, "#!/bin/sh\nexec tail -f /dev/null\n")

    with pytest.raises(StackError) as raised:
        agent_at(tmp_path).check(seconds=0.2)
    assert raised.value.sentence() == (
        "vector-1 could not check vector.toml: vector validate had not ended after 0.2 s; "
        "it said nothing. "
        "Fix: see whether what its sinks write to answers, then run again"
    )


def test_a_check_that_cannot_be_run_is_one_error(tmp_path: Path) -> None:
    """The binary may be gone by the time it is asked."""
    with pytest.raises(StackError, match=r"vector-1 could not check vector\.toml: .*No such file"):
        agent_at(tmp_path).check()


@pytest.mark.parametrize(("code", "refused"), [(0, False), (78, True)])
def test_a_check_has_vectors_own_verdict(tmp_path: Path, code: int, *, refused: bool) -> None:
    """What it refuses is bad input, in its words."""
    program(tmp_path, f"#!/bin/sh\necho 'x unknown field'\nexit {code}\n")

    if refused:
        with pytest.raises(BadInput, match=r"vector refuses vector\.toml: unknown field"):
            agent_at(tmp_path).check()
    else:
        agent_at(tmp_path).check()


def test_the_account_tells_what_was_asked_for(tmp_path: Path) -> None:
    """Pages and interval come from the configuration, without a process to ask."""
    agent = agent_at(tmp_path)

    assert agent.answers.asked() == {"pages": 3, "interval_ms": 2000}
    assert set(asdict(Said())) & set(agent.answers.asked()) == set()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            '√ Loaded ["v.toml"]\n\nComponent errors\n----------\nx Sink "o": no region\n\n',
            'Sink "o": no region',
        ),
        ("x A: one\nx B: two\n", "A: one; B: two"),
        ("2026-11-25T21:59:08.693973Z ERROR vector: x\nx Health check\n", "Health check"),
        ("", "no reason given"),
    ],
)
def test_a_refusal_is_one_line(output: str, said: str) -> None:
    """What is fine, headings, rules and the log are left out of what Vector complains of."""
    assert complaint(output) == said
