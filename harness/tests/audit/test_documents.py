"""What an audit reads: kinds, lines of every language, and that hostile files are refused at once."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.audit.documents import LARGEST, Kind, read
from harness.audit.examine import audit
from harness.audit.languages import read_toml
from harness.audit.nodes import Node
from harness.audit.topology import MOST_PROGRAMS
from harness.errors import BadInput
from harness.tests.audit.planted import base_text

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
HOSTILE = {
    "bomb.yaml": (BOMB, "unfolds without end"),
    "circle.yaml": ("a: &a [*a]\nsinks: {}\n", "unfolds without end"),
    "python.yaml": ("sinks:\n  x: !!python/object/apply:os.system ['true']\n", "python.yaml:2 has the tag"),
    "custom.yaml": ("sinks: !mine {}\n", "custom.yaml:1 has the tag !mine"),
    "deep.yaml": ("[" * 100_000, "is not YAML"),
    "broken.yaml": ("sinks:\n  - a\n b: [", "broken.yaml:3 is not YAML"),
    "keys.yaml": ("? [a, b]\n: c\n", "has a key that is no word"),
    "empty.yaml": ("# nothing\n", "is empty"),
    "other.yaml": ("hello: world\n", "is no configuration known here"),
    "list.yaml": ("- a\n- b\n", "is no configuration known here"),
    "scalar.yaml": ("hello\n", "is no configuration known here"),
    "broken.toml": ('[sinks]\na = "x\n', "broken.toml:2 is not TOML"),
    "deep.toml": ("a = " + "[" * 50_000, "is not TOML"),
    "dots.toml": ("a." * 400_000 + "b = 1", "dots"),
    "twice.toml": ("[sinks]\n[sinks]\n", "twice.toml:2 is not TOML"),
    "broken.json": ('{\n"sinks": }', "broken.json:2 is not JSON"),
    "other.properties": ("hello=world\n", "none of its keys"),
    "large.yaml": ("x" * (LARGEST + 1), "is too large"),
    "zero.yaml": ("sinks: \0\n", "is not YAML"),
}


_LIST = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: flink.apache.org/v1\n  kind: FlinkDeployment\n"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    """One error that says where and why, and never a long wait."""
    text, words = HOSTILE[name]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    began = time.process_time()

    with pytest.raises(BadInput) as raised:
        audit([path])

    assert words in raised.value.sentence()
    assert raised.value.fix
    assert time.process_time() - began < 3


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe that would block, and bytes that are no text."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")

    for name in ("missing.yaml", ".", "pipe.yaml", "binary.yaml"):
        with pytest.raises(BadInput):
            audit([tmp_path / name])


def test_an_embedded_file_that_is_broken_is_named_by_the_outer_line(tmp_path: Path) -> None:
    """A ConfigMap's TOML that does not parse is an error on its line in the ConfigMap."""
    path = tmp_path / "vector.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\ndata:\n  vector.toml: |\n    [sinks]\n    a = \n")

    with pytest.raises(BadInput, match=r"vector\.yaml:6 is not TOML"):
        read(path)


def test_objects_without_rules_alone_are_nothing_to_audit(tmp_path: Path) -> None:
    """An audit that cannot find anything must not pass."""
    path = tmp_path / "service.yaml"
    path.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")

    with pytest.raises(BadInput, match="nothing to audit"):
        audit([path])


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.yaml", "apiVersion: kafka.strimzi.io/v1beta2\nkind: Kafka\n", Kind.KAFKA),
        ("a.yaml", "apiVersion: kafka.strimzi.io/v1\nkind: KafkaNodePool\n", Kind.NODE_POOL),
        ("a.yaml", _LIST, Kind.FLINK),
        ("a.yaml", "sources: {}\nsinks: {}\n", Kind.VECTOR),
        ("a.toml", "[sinks.a]\ntype = 'console'\n", Kind.VECTOR),
        ("a.json", json.dumps({"sinks": {"a": {"type": "console"}}}), Kind.VECTOR),
        ("flink-conf.yaml", "taskmanager.numberOfTaskSlots: 2\n", Kind.FLINK_CONF),
        ("config.yaml", "taskmanager:\n  numberOfTaskSlots: 2\n", Kind.FLINK_CONF),
        ("server.properties", "min.insync.replicas=2\n", Kind.BROKER),
        ("a.properties", "bootstrap.servers=x\nacks=all\n", Kind.PRODUCER),
        ("a.properties", "bootstrap.servers=x\ngroup.id=x\n", Kind.CONSUMER),
    ],
)  # fmt: skip
def test_a_document_is_known_by_its_content(name: str, text: str, kind: Kind, tmp_path: Path) -> None:
    """Kinds come from keys, not from file names."""
    path = tmp_path / name
    path.write_text(text)

    assert [one.kind for one in read(path)] == [kind]


def test_another_tools_kafka_is_not_strimzis(tmp_path: Path) -> None:
    """A kind is known with its group only."""
    path = tmp_path / "a.yaml"
    path.write_text("apiVersion: example.org/v1\nkind: Kafka\n")

    assert [one.kind for one in read(path)] == [Kind.OBJECT]


def test_files_in_a_config_map_have_the_lines_of_the_outer_file(tmp_path: Path) -> None:
    """TOML, YAML and properties inside a ConfigMap stand where they stand in the file."""
    path = tmp_path / "a.yaml"
    path.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n"
        "  vector.toml: |\n    [sinks.a]\n    type = 'console'\n"
        "  vector.yaml: |\n    sinks:\n      a:\n        type: console\n"
        "  server.properties: |\n    # a comment\n    min.insync.replicas=2\n"
    )

    found = {one.called: one.root for one in read(path)}
    places = [found["vector.toml"].at("sinks", "a", "type"), found["vector.yaml"].at("sinks", "a", "type")]
    places.append(found["server.properties"].at("min.insync.replicas"))

    assert [node and node.line for node in places] == [7, 11, 14]


def test_lines_of_toml_in_all_its_spellings() -> None:
    """Dotted and quoted keys, lists of tables, values over several lines, texts that look like tables."""
    text = (
        'top = 1\n"quoted.key" = 2\na.b.c = [\n  "x", # [not.a.table]\n  "y",\n]\n[t.u]\n'
        "program = '''\n[no.table]\nkey = 1\n'''\nlast = {x = 1, y = [1]}\n[[list]]\nn = 1\n[[list]]\nn = 2\n"
        "[list.inner]\nz = 3\n"
    )
    root = read_toml(text, "x.toml", first_line=11)
    lists = root.list_of("list")
    inner = lists[1].at("inner", "z")

    assert [_line(root, *path) for path in (("top",), ("quoted.key",), ("a", "b", "c"), ("t",))] == [
        11,
        12,
        13,
        17,
    ]
    program = root.at("t", "u", "program")
    assert program is not None
    assert (program.line, program.text_line, _line(root, "t", "u", "last")) == (18, 19, 22)
    assert [_line(one, "n") for one in lists] == [24, 26]
    assert inner is not None
    assert inner.line == 28


def _line(root: Node, *path: str) -> int:
    found = root.at(*path)
    assert found is not None
    return found.line


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,4}", fullmatch=True),
            st.sampled_from(["1", '"x"', "'#'", "[1,\n2]", "'''\na\n[b]\n'''", '"""x\ny = 1"""', "{a = 1}"]),
        ),
        max_size=12, unique_by=lambda pair: pair[0],
    )
)  # fmt: skip
def test_every_key_of_any_toml_is_found_where_it_was_written(pairs: list[tuple[str, str]]) -> None:
    """Whatever stands before it, a key's line is the one on which it was written."""
    text, expected = "[sinks]\n", {}
    for key, value in pairs:
        expected[key] = text.count("\n") + 1
        text += f"{key} = {value}\n"

    found = read_toml(text, "x.toml").at("sinks")

    assert found is not None
    assert {key: node.line for key, node in found.entries.items()} == expected


def test_merged_keys_count_as_written(tmp_path: Path) -> None:
    """YAML's merge key brings in what the anchor has, and own keys win."""
    path = tmp_path / "a.yaml"
    path.write_text("base: &b {type: console, x: 1}\nsinks:\n  a:\n    <<: *b\n    x: 2\n")
    (document,) = read(path)

    assert (document.root.text("sinks", "a", "type"), document.root.text("sinks", "a", "x")) == (
        "console",
        "2",
    )


def _vector(transforms: str) -> str:
    return f'[sources.k]\ntype = "kafka"\n{transforms}'


def _filter(name: str, reads: str) -> str:
    return f'[transforms.{name}]\ntype = "filter"\ninputs = ["{reads}"]\n'


_CHAIN = "".join(_filter(f"t{n}", f"t{n - 1}" if n else "k") for n in range(2_000))
_CIRCLE = (
    _filter("a", "b")
    + _filter("b", "a")
    + _filter("c", "a").replace("filter", "remap")
    + 'source = ".x = 1"\n'
)


@pytest.mark.parametrize("transforms", [_CHAIN, _CIRCLE], ids=["a long chain", "a circle"])
def test_a_graph_without_end_is_followed_to_one(transforms: str, tmp_path: Path) -> None:
    """A chain of thousands and a circle end in a result."""
    path = tmp_path / "vector.toml"
    path.write_text(_vector(transforms))

    assert audit([path]).findings


def test_hundreds_of_programs_are_not_all_tried(tmp_path: Path) -> None:
    """Each costs a process, so the rest is reported as untried rather than waited for."""
    path = tmp_path / "vector.toml"
    remap = _filter("tN", "k").replace("filter", "remap") + 'source = ".x = 1"\n'
    path.write_text(_vector("".join(remap.replace("tN", f"t{n}") for n in range(MOST_PROGRAMS + 2))))

    assert len([one for one in audit([path]).findings if one.rule == "VECTOR-VRL-UNTRIED"]) == 2


_JUNK = ["", "[]", "{}", "null", "--5", "1e400", '"x', "9" * 30, "*a", ".inf", "|"]


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_changed_in_a_file_there_is_an_answer(tmp_path: Path, data: st.DataObject) -> None:
    """Lines that go, values that become something else: findings or one error, nothing else."""
    name = data.draw(st.sampled_from(["kafka.yaml", "flink.yaml", "server.properties"]))
    lines = base_text(name).splitlines()
    for _ in range(3):
        place = data.draw(st.integers(0, len(lines) - 1))
        key, sign, _ = lines[place].partition(": " if name.endswith("yaml") else "=")
        junk = data.draw(
            st.sampled_from(["", "[]", "{}", "null", "--5", "1e400", '"x', "9" * 30, "*a", ".inf", "|"])
        )
        lines[place] = data.draw(st.sampled_from(["", key + sign + junk]))
    path = tmp_path / name
    path.write_text("\n".join(lines))

    with contextlib.suppress(BadInput):
        assert audit([path]).files == (str(path),)
