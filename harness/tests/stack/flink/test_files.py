"""What Flink's processes are told: memory that adds up, and who has the last word about a setting."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import bundle
from harness.errors import BadInput
from harness.stack.definition import StackDefinition, read_definition
from harness.stack.flink.files import (
    Memory,
    checkpointing,
    cluster_settings,
    lay_out_plugins,
    read_config,
    render_config,
    task_manager_memory,
    task_manager_settings,
)

STACKS = bundle.fixtures() / "stacks"
INTERVAL = "execution.checkpointing.interval"
MEGABYTES = st.integers(512, 65_536)
VALUES = st.from_regex(r"[A-Za-z0-9~./][A-Za-z0-9._/:,;=+-]{0,30}", fullmatch=True).filter(
    lambda value: not value.endswith(":")  # that would be a mapping
)


def edge(settings: dict[str, str] | None = None) -> StackDefinition:
    """The corrected stack with *settings*."""
    return read_definition(STACKS, "edge", settings or {})


def told(settings: dict[str, str] | None = None) -> dict[str, str]:
    """What all Flink processes of the corrected stack are told."""
    return cluster_settings(edge(settings), STACKS / "edge")


@given(MEGABYTES)
def test_a_task_managers_memory_adds_up(megabytes: int) -> None:
    """Every part of the process is given, none is negative, and their sum is the process's size."""
    flink = edge({"flink.task_manager_mb": str(megabytes)}).flink
    assert flink is not None
    settings = task_manager_settings(flink)
    sizes = {
        name: int(value.removesuffix("m"))
        for name, value in settings.items()
        if name.endswith(("size", ".max"))
    }
    heap = sum(size for name, size in sizes.items() if name.endswith("heap.size") and "off" not in name)

    assert sum(sizes.values()) == megabytes
    assert min(sizes.values()) >= 0
    assert heap == task_manager_memory(flink).heap_mb


@given(st.integers(384, 65_536))
def test_a_job_manager_has_a_heap(megabytes: int) -> None:
    """The smallest process that the definition takes still has one, and the JVM's limits add up to it."""
    memory = Memory(megabytes)
    direct, metaspace = (int(flag.rpartition("=")[2].removesuffix("m")) for flag in memory.flags)

    assert memory.heap_mb >= 64
    assert memory.heap_mb + direct + metaspace < megabytes


def test_a_process_too_small_for_a_heap_is_refused() -> None:
    """256 MB are all used up beside the heap."""
    with pytest.raises(BadInput, match=r"flink\.job_manager_mb .* greater than or equal to 384"):
        edge({"flink.job_manager_mb": "256"})


def test_a_setting_wins_over_the_file() -> None:
    """``--set flink.config.NAME`` replaces what flink-conf.yaml says, and adds what it does not."""
    changed = told({"flink.config.restart-strategy": "none", "flink.config.my.own": "1"})

    assert told()["restart-strategy"] == "fixed-delay"
    assert (changed["restart-strategy"], changed["my.own"]) == ("none", "1")
    assert changed[INTERVAL] == "2s"


DECIDED = (
    *("jobmanager.rpc.address", "jobmanager.rpc.port", "rest.address", "rest.port", "blob.server.port"),
    *("taskmanager.numberOfTaskSlots", "taskmanager.data.port", "parallelism.default", "metrics.reporters"),
    *("metrics.reporter.prom.port", "s3.endpoint", "s3.access-key", "s3.secret-key", "web.refresh-interval"),
    *("high-availability", "high-availability.zookeeper.quorum", "high-availability.storageDir"),
)


@pytest.mark.parametrize("name", DECIDED)
def test_what_the_harness_decides_wins_over_both(tmp_path: Path, name: str) -> None:
    """Addresses, ports, slots and credentials are the stack's, whatever the file or ``--set`` say."""
    stack = {"flink.high_availability": "true"}
    decided = told(stack)[name]
    (tmp_path / "flink-conf.yaml").write_text(f"{name}: of-the-file\n")

    assert cluster_settings(edge(stack), tmp_path)[name] == decided
    assert told(stack | {f"flink.config.{name}": "of-the-user"})[name] == decided


def test_high_availability_needs_a_zookeeper_node() -> None:
    """Without one, the sentence says what to add and where."""
    with_it = edge({"flink.high_availability": "true"})
    nodes = tuple(node for node in with_it.nodes if node.role != "zookeeper")

    with pytest.raises(BadInput, match=r"needs a zookeeper node\. Fix: add one to the nodes of stack\.yaml"):
        cluster_settings(with_it.model_copy(update={"nodes": nodes}), STACKS / "edge")
    settings = cluster_settings(with_it, STACKS / "edge")
    assert settings["high-availability.zookeeper.quorum"] == "198.18.0.51:2181"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- a\n- b\n", "it is not a mapping of keys"),
        ("just words", "it is not a mapping of keys"),
        ("a: [1, 2]\n", "a is not one plain value"),
        ("a:\n  b: 1\n", "a is not one plain value"),
        ("a: [", "expected"),
    ],
)
def test_a_file_that_is_no_flat_mapping_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """Lists, words, nested keys and broken YAML are each one sentence with the file's name."""
    path = tmp_path / "flink-conf.yaml"
    path.write_text(text)

    with pytest.raises(BadInput, match="is not a Flink configuration") as refused:
        read_config(path)
    assert str(path) in str(refused.value)
    assert why in str(refused.value)


def test_a_file_that_is_not_there_is_refused() -> None:
    """The sentence names the setting that leads to it."""
    with pytest.raises(BadInput, match=r"flink\.config .*nope\.yaml cannot be read: No such file"):
        told({"flink.config": "nope.yaml"})


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    """It is a configuration all the same."""
    path = tmp_path / "flink-conf.yaml"
    path.write_text("# nothing yet\n")

    assert read_config(path) == {}


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,9}(\.[a-z-]{1,9}){0,3}", fullmatch=True), VALUES))
def test_what_is_written_is_read_again(settings: dict[str, str]) -> None:
    """Values stay the words they are: 010 is no eight, 1:30 no ninety, yes no truth."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flink-conf.yaml"
        path.write_text(render_config(settings))

        assert read_config(path) == settings


@pytest.mark.parametrize("value", ["010", "1:30", "1_000", "yes", "null", "~", "2026-01-01", "1e3", "true"])
def test_words_that_yaml_takes_for_something_else_stay_words(tmp_path: Path, value: str) -> None:
    """Flink reads its file line by line and knows nothing of YAML's types."""
    path = tmp_path / "flink-conf.yaml"
    path.write_text(f"a.key: {value}\n")

    assert read_config(path) == {"a.key": value}


@pytest.mark.parametrize("value", ["edge#1", "a\nrest.port: 1"])
def test_what_flink_would_cut_short_is_refused(value: str) -> None:
    """A password with a # in it would reach Flink as its first half, and be refused much later."""
    with pytest.raises(BadInput, match=r"Flink cannot be told s3\.secret-key"):
        render_config({"s3.secret-key": value})


@pytest.mark.parametrize(
    ("settings", "takes"),
    [({}, False), ({INTERVAL: ""}, False), ({INTERVAL: "2s"}, True)],
)
def test_checkpoints_are_taken_when_there_is_an_interval(settings: dict[str, str], *, takes: bool) -> None:
    """An interval that was set to nothing is none."""
    assert checkpointing(settings) is takes


def test_each_plugin_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Flink loads a folder's jars together, away from all others."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.jar").write_text(name)
    jars = (tmp_path / "one.jar", tmp_path / "two.jar")

    folder = lay_out_plugins(jars, tmp_path / "plugins")

    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jar"))
    assert found == ["one/one.jar", "two/two.jar"]
