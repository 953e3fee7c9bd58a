"""What can be found wrong before anything is started is, in one sentence with the setting's name."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput
from harness.launch import prepare
from harness.stack.definition import StackDefinition, read_definition
from harness.stack.java import Java
from harness.stack.parts import NO_PARTS, bucket_of, check_parts, find_parts
from harness.stack.software import Software

STACKS = bundle.fixtures() / "stacks"
NOTHING = Software(Java(Path("/none"), "17", "a test"), {})
MISSING = "there is no 'no-such-vector' in PATH; give it with --set vector.binary=PATH"
ABSENT = {"vector.binary": "no-such-vector"}


def edge(**settings: str) -> StackDefinition:
    """The corrected stack; ``__`` in a setting's name stands for a dot."""
    told = {key.replace("__", "."): value for key, value in settings.items()}
    return read_definition(STACKS, "edge", ABSENT | told)


def jar_with(path: Path, entry: str) -> Path:
    """A jar of one empty class."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, b"")
    return path


def test_without_vector_its_hop_has_a_reason(tmp_path: Path) -> None:
    """The job is found all the same, with its sum; what is lacking is told, and is no error."""
    jar = jar_with(tmp_path / "job.jar", "edge/EdgeProcessor.class")

    found = find_parts(edge(job__jar=str(jar)), STACKS / "edge", NOTHING)

    assert (found.job, found.job_sha256) == (jar, hashlib.sha256(jar.read_bytes()).hexdigest())
    assert (found.vector, found.vector_missing) == (None, MISSING)


def test_in_kubernetes_an_image_takes_the_place_of_the_binary(tmp_path: Path) -> None:
    """What is missing can be named in either way; where an image is, no binary is looked for."""
    jar = jar_with(tmp_path / "job.jar", "edge/EdgeProcessor.class")
    settings = {**ABSENT, "job.jar": str(jar)}
    without = read_definition(STACKS, "edge-plain", settings)
    image = read_definition(STACKS, "edge-plain", settings | {"images.vector": "mirror/vector:1"})

    told = find_parts(without, STACKS / "edge", NOTHING)
    assert told.vector_missing == f"{MISSING}, or an image of it with --set images.vector=NAME"
    found = find_parts(image, STACKS / "edge", NOTHING)
    assert (found.vector, found.vector_missing) == (None, "")


def test_vector_is_found_by_its_path(tmp_path: Path) -> None:
    """Then there is no reason."""
    jar, vector = jar_with(tmp_path / "job.jar", "edge/EdgeProcessor.class"), tmp_path / "vector"
    vector.write_text("#!/bin/sh\necho 'vector 0.99.0 (x86_64)'\n")
    vector.chmod(0o755)

    found = find_parts(edge(job__jar=str(jar), vector__binary=str(vector)), STACKS / "edge", NOTHING)

    assert (found.vector, found.vector_missing) == (vector, "")


def test_a_stack_of_brokers_has_no_parts() -> None:
    """Nothing is looked for that nothing asks for."""
    definition = read_definition(STACKS, "edge-kafka", {})

    found = find_parts(definition, STACKS / "edge-kafka", NOTHING)
    assert replace(found, delays=NO_PARTS.delays) == NO_PARTS


def test_a_jar_is_looked_into_before_anything_starts(tmp_path: Path) -> None:
    """Missing, no jar at all, or without the job's class: three sentences."""
    (tmp_path / "words.jar").write_text("no jar")
    jar_with(tmp_path / "other.jar", "edge/Other.class")
    refusals = {"none.jar": "is not there", "words.jar": "is not a jar", "other.jar": "there is no class in"}

    for name, words in refusals.items():
        with pytest.raises(BadInput, match=words) as refused:
            check_parts(edge(job__jar=str(tmp_path / name)), STACKS / "edge")
        assert name in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "job.archive=s3://no-such/records",
            "there is no bucket for job.archive 'no-such'. Fix: one of: edge-archive, edge-metrics, edge-",
        ),
        ("job.archive=records", "'records' is no object store address. Fix: e.g. s3://edge-archive/records"),
        (
            "vector.bucket=edge-metric",
            "there is no bucket for vector.bucket 'edge-metric'. Fix: did you mean 'edge-metrics'?",
        ),
        ("flink.config=nope.yaml", "nope.yaml cannot be read: No such file or directory"),
        ("vector.config=nope.toml", "nope.toml cannot be read: No such file or directory"),
        ("vector.binary=/no/vector", "vector.binary '/no/vector' is not a program"),
        ("toxiproxy.binary=/no/proxy", "toxiproxy.binary '/no/proxy' is not a program"),
        ("job.jar=/no/job.jar", "job.jar /no/job.jar is not there"),
        ("flink.upgrade=never", "Input should be 'savepoint', 'last-state' or 'stateless'"),
        ("flink.parallelism=0", "Input should be greater than or equal to 1"),
        (
            "flink.parallelism=5",
            "flink.parallelism 5 needs 5 slots, and there are 4: TaskManagers: 2, slots of each: 2. Fix: ",
        ),
        ("objects.secret_key=", "objects.secret_key in"),
        ("flink.version=1.17", "there is no flink.version '1.17'. Fix: did you mean '1.17.2'?"),
    ],
)
def test_what_is_set_wrong_is_refused_as_it_is_prepared(setting: str, said: str) -> None:
    """Nothing was examined, locked or fetched yet, so a rehearsal says it too."""
    key, _, value = setting.partition("=")

    with pytest.raises(BadInput) as refused:
        prepare("edge", {key: value})
    assert said in str(refused.value)


def test_a_job_that_finds_too_few_slots_is_told_the_least_that_it_needs() -> None:
    """Seven tasks side by side on two TaskManagers: four slots on each."""
    with pytest.raises(
        BadInput, match=r"Fix: flink\.slots=4, a smaller flink\.parallelism, or more TaskManagers"
    ):
        check_parts(edge(flink__parallelism="7"), STACKS / "edge")


def test_a_job_that_fills_every_slot_is_fine() -> None:
    """As many parallel tasks as there are slots, and any number where no job is to run."""
    check_parts(edge(flink__parallelism="4"), STACKS / "edge")
    check_parts(edge(flink__parallelism="5").model_copy(update={"job": None}), STACKS / "edge")


def test_a_program_of_vector_that_does_not_compile_is_told_with_its_line(tmp_path: Path) -> None:
    """Also where there is no Vector: the engine's own words, and the line of the file."""
    shutil.copytree(STACKS / "edge", tmp_path / "edge")
    config = tmp_path / "edge" / "vector.toml"
    text = config.read_text().replace("value = .gauge.value\n", "value = parse_json(.gauge)\n")
    config.write_text(text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "parse_json" in line)

    with pytest.raises(BadInput, match=rf"does not compile \(vector\.toml:{line}\): error\[E103\]"):
        check_parts(edge(), tmp_path / "edge")


def test_a_configuration_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are not decoded half-way."""
    shutil.copytree(STACKS / "edge", tmp_path / "edge")
    (tmp_path / "edge" / "vector.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(BadInput, match=r"vector\.config .* is no text"):
        check_parts(edge(), tmp_path / "edge")


@pytest.mark.parametrize(
    "key", ["flink.version", "flink.config.a.b", "job.main", "objects.port", "vector.binary", "topics.late"]
)
def test_a_setting_brings_no_component(key: str) -> None:
    """A stack without Flink stays one, and the sentence names the stacks that have what was set."""
    with pytest.raises(BadInput) as refused:
        prepare("edge-kafka", {key: "1.20.1"})
    assert str(refused.value) == (
        f"the stack edge-kafka has no {key.partition('.')[0]}: {key} was to be set. "
        "Fix: choose a scenario on edge or edge-seed"
    )


def test_a_job_needs_what_it_runs_on(tmp_path: Path) -> None:
    """A stack of one's own that has a job and no cluster is refused as a whole."""
    (tmp_path / "own").mkdir()
    text = (STACKS / "edge-kafka/stack.yaml").read_text()
    (tmp_path / "own/stack.yaml").write_text(f"{text}\njob: {{archive: ''}}\n")

    with pytest.raises(BadInput, match="a job needs flink and topics"):
        read_definition(tmp_path, "own", {})


def test_the_bucket_of_an_address_is_its_first_part() -> None:
    """With and without a folder in it."""
    assert bucket_of("s3://edge-archive/records/of/this") == "edge-archive"
    assert bucket_of("s3://edge-archive") == "edge-archive"


def test_a_stack_of_pods_is_refused_on_another_platform() -> None:
    """Its addresses are names that only a cluster knows, so it is told before anything starts."""
    with pytest.raises(BadInput, match=r"the stack edge-plain runs in Kubernetes\. Fix: --platform kind"):
        prepare("edge-plain", {})
    assert prepare("edge", {}, "kind").definition.name == "edge-plain"
