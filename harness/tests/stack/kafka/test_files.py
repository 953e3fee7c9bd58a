"""A broker's properties: the stack's file, then what was set, then what the harness decides."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness import bundle
from harness.stack.definition import read_definition
from harness.stack.kafka.files import (
    brokers_of,
    lay_down,
    parse_properties,
    properties_of,
    render_properties,
)

STACKS = bundle.fixtures() / "stacks"
WORDS = st.text("abcdefghijklmnopqrstuvwxyz.0123456789", min_size=1)
VALUES = st.text("abcdefghijklmnopqrstuvwxyz=:/,@ 0123456789").map(str.strip)


def test_comments_blank_lines_and_spaces_are_passed_over() -> None:
    """Only ``key=value`` lines count; the value may hold further ``=``."""
    text = "# a comment\n! another\n\n  a.b = 1 \nc=x=y\nempty=\n"

    assert parse_properties(text) == {"a.b": "1", "c": "x=y", "empty": ""}


def test_the_last_of_two_equal_keys_wins() -> None:
    """As Java's own reader has it."""
    assert parse_properties("a=1\na=2\n") == {"a": "2"}


@given(st.dictionaries(WORDS, VALUES))
def test_what_is_rendered_is_parsed_again(properties: dict[str, str]) -> None:
    """Rendering and parsing are inverse."""
    assert parse_properties(render_properties(properties)) == properties


def test_settings_go_over_the_file_and_the_harness_over_both() -> None:
    """``--set`` changes what the file says, but never who the broker is or where it listens."""
    settings = {"kafka.properties.min.insync.replicas": "1", "kafka.properties.node.id": "9"}
    stack = read_definition(STACKS, "edge-kafka", settings)
    found = properties_of(stack, STACKS / "edge-kafka", 2, Path("/data"))

    assert found["min.insync.replicas"] == "1"
    assert found["default.replication.factor"] == "3"
    assert found["node.id"] == "2"
    assert found["log.dirs"] == "/data"
    assert found["advertised.listeners"] == "PLAINTEXT://198.18.0.12:9092"


def test_the_five_replication_settings_are_those_of_the_pipeline() -> None:
    """The stack under test is the user's: these five are copied from its manifest, to the letter."""
    text = (STACKS / "edge-kafka" / "server.properties").read_text()
    expected = {
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.replication.factor": "3",
        "transaction.state.log.min.isr": "2",
        "default.replication.factor": "3",
        "min.insync.replicas": "2",
    }
    assert expected.items() <= parse_properties(text).items()


def test_every_broker_votes_at_its_own_address() -> None:
    """The three brokers are their own controllers and know each other by node id."""
    stack = read_definition(STACKS, "edge-kafka", {})
    found = [properties_of(stack, STACKS / "edge-kafka", n, Path("/data")) for n in (1, 2, 3)]

    assert [node.name for node in brokers_of(stack)] == ["broker-1", "broker-2", "broker-3"]
    voters = "1@198.18.0.11:9093,2@198.18.0.12:9093,3@198.18.0.13:9093"
    assert {one["controller.quorum.voters"] for one in found} == {voters}
    assert [one["node.id"] for one in found] == ["1", "2", "3"]


def test_a_formatted_folder_is_laid_down_into_an_existing_one(tmp_path: Path) -> None:
    """A broker's disk is a mount point: it exists already and is filled, not replaced."""
    formatted, disk = tmp_path / "formatted", tmp_path / "disk"
    (formatted / "inner").mkdir(parents=True)
    (formatted / "meta.properties").write_text("node.id=1")
    disk.mkdir()
    lay_down(formatted, disk)

    assert sorted(path.name for path in disk.rglob("*")) == ["inner", "meta.properties"]
