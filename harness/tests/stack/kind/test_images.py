"""Images are built from jars and a Java runtime alone, and a program that fails is quoted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.bundle import fixtures
from harness.errors import MissingAbility, StackError
from harness.stack.definition import read_definition
from harness.stack.java import Java
from harness.stack.kind import images
from harness.stack.kind.images import (
    JavaImage,
    ProgramImage,
    build,
    images_of,
    load,
    name_of,
    named,
    present,
    replaced,
    run,
    tag_of,
)
from harness.stack.software import Software


def an_image(folder: Path) -> JavaImage:
    """A runtime of one file and two jars, one of them a plugin."""
    (folder / "jre/bin").mkdir(parents=True)
    (folder / "jre/bin/java").write_text("java")
    jars = [folder / "a.jar", folder / "s3.jar"]
    for jar in jars:
        jar.write_text(jar.name)
    return JavaImage("flink", "1.17.2", folder / "jre", (jars[0],), (jars[1],))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Docker was told; it has the images that were built with the labels they were built with."""
    calls: list[list[str]] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(argv: list[str], **_: object) -> str:
        calls.append(list(argv))
        if argv[1] == "build":
            return ""
        label = argv[argv.index("--filter") + 1].removeprefix("label=")
        built = [call for call in calls if call[1] == "build" and label in call]
        return "\n".join(call[call.index("--tag") + 1] for call in built)

    monkeypatch.setattr(images, "run", run)
    return calls


def builds(told: list[list[str]]) -> list[list[str]]:
    """The builds among what Docker was told."""
    return [argv for argv in told if argv[1] == "build"]


def test_the_context_holds_what_the_dockerfile_copies(tmp_path: Path, told: list[list[str]]) -> None:
    """The runtime, the jars, and each plugin in a folder of its own."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    build(an_image(tmp_path), tmp_path / "Dockerfile")

    (argv,) = builds(told)
    context = Path(argv[-1])
    found = sorted(str(path.relative_to(context)) for path in context.rglob("*") if path.is_file())
    assert found == ["java/bin/java", "libs/a.jar", "plugins/s3/s3.jar"]
    assert "--pull=false" in argv
    assert argv[argv.index("--tag") + 1] == "edge-harness/flink:1.17.2"


def test_an_image_is_built_again_only_from_something_else(tmp_path: Path, told: list[list[str]]) -> None:
    """The same contents: the image is there. Another jar: it is built, and nothing old is in its context."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    image = an_image(tmp_path)
    for _ in range(2):
        build(image, tmp_path / "Dockerfile")
    assert len(builds(told)) == 1

    build(replace(image, plugins=()), tmp_path / "Dockerfile")
    assert len(builds(told)) == 2
    assert not (Path(builds(told)[-1][-1]) / "plugins").exists()


def test_a_base_image_with_an_older_c_library_is_named(
    tmp_path: Path, told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was built against a newer glibc does not run in the image; the error says so and what to do."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")

    def run(argv: list[str], *, what: str, **_: object) -> str:
        if argv[1] == "build":
            raise StackError(what, why="libpython3.so: version `GLIBC_2.41' not found")
        return ""

    monkeypatch.setattr(images, "run", run)
    with pytest.raises(MissingAbility, match=r"C library is newer .* Fix: --set images\.flink="):
        build(an_image(tmp_path), tmp_path / "Dockerfile")


def test_a_program_is_laid_out_under_the_name_of_its_image(tmp_path: Path, told: list[list[str]]) -> None:
    """Whatever the user's file is called, and though it be a link."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "vector-0.99").write_text("vector")
    (tmp_path / "link").symlink_to(tmp_path / "vector-0.99")
    build(ProgramImage("vector", "0.99.0", tmp_path / "link"), tmp_path / "Dockerfile")

    context = Path(builds(told)[0][-1])
    found = [path for path in context.rglob("*") if path.is_file()]
    assert [(str(path.relative_to(context)), path.is_symlink()) for path in found] == [("bin/vector", False)]
    assert found[0].read_text() == "vector"


def test_only_our_images_are_replaced() -> None:
    """What does not begin with our prefix, or that nobody replaces, stays as the manifest has it."""
    tags = {"kafka": "edge-harness/kafka:3.5.1"}

    assert named("edge-harness/kafka", tags) == "edge-harness/kafka:3.5.1"
    assert named("edge-harness/other", tags) == "edge-harness/other"
    assert named("busybox:1.35", tags) == "busybox:1.35"


def test_where_every_image_is_replaced_none_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list is refused by kind, so it is not asked."""
    told: list[list[str]] = []
    monkeypatch.setattr(images, "run", lambda argv, **_: told.append(list(argv)))
    load([], "edge-harness")
    load(["edge-harness/kafka:3.5.1"], "edge-harness")

    assert [argv[-1] for argv in told] == ["edge-harness/kafka:3.5.1"]


def test_of_images_from_elsewhere_those_that_docker_has_are_brought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each once; what Docker does not have, or what is named by its digest, the machines fetch themselves."""
    asked: list[str] = []

    def run(argv: list[str], **_: object) -> str:
        asked.append(argv[-1])
        return "0a1b2c\n" if argv[-1] == "mirror/kafka:3.5.1" else ""

    monkeypatch.setattr(images, "run", run)
    named = ["mirror/kafka:3.5.1", "mirror/kafka:3.5.1", "far/operator:1", "mirror/flink@sha256:0a1b"]

    assert present(named) == ["mirror/kafka:3.5.1"]
    assert asked == ["far/operator:1", "mirror/kafka:3.5.1"]


def test_a_program_that_is_not_there_is_named() -> None:
    """Without Docker or kind one sentence says which is missing."""
    with pytest.raises(MissingAbility, match="there is no no-such-program in PATH"):
        run(["no-such-program"], what="it was asked", seconds=1)


def test_a_program_that_fails_is_quoted() -> None:
    """Its last words stand in the error."""
    with pytest.raises(StackError, match="the cluster could not be made: ERROR: no such image"):
        run(
            ["sh", "-c", "echo ERROR: no such image >&2; exit 1"],
            what="the cluster could not be made",
            seconds=5,
        )


def test_a_program_that_hangs_is_given_up() -> None:
    """No call goes without a bound."""
    with pytest.raises(StackError, match=r"sleep took longer than 0\.05 s"):
        run(["sleep", "5"], what="waiting", seconds=0.05)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("far.example/strimzi/kafka:0.39.0-kafka-3.5.1", "mirror/k:1"),
        ("near:5000/kafka@sha256:0a1b", "mirror/k:1"),
        ("3.5.0=far/strimzi/kafka:a\n3.5.1=far/strimzi/kafka:b\n", "3.5.0=mirror/k:1\n3.5.1=mirror/k:1\n"),
        ("far/strimzi/kafka-bridge:0.27.0", "far/strimzi/kafka-bridge:0.27.0"),
        ("/opt/strimzi/kafka", "/opt/strimzi/kafka"),
        ("http://a/kafka", "http://a/kafka"),
        ("kafka", "kafka"),
    ],
)
def test_an_image_is_replaced_wherever_it_is_named(text: str, expected: str) -> None:
    """With any registry and tag, alone or in a list; not in a path, an address or a longer name."""
    assert replaced(text, {"kafka": "mirror/k:1"}) == expected


def test_an_image_is_called_by_the_last_word_of_its_name() -> None:
    """Neither its registry with a port nor its tag counts."""
    assert [name_of(image) for image in ("flink:1.17", "near:5000/a/flink", "a/flink@sha256:0a")] == [
        "flink"
    ] * 3


def test_where_an_operator_brings_brokers_only_the_loads_image_is_ours(
    tmp_path: Path, told: list[list[str]]
) -> None:
    """It is nothing but its base, and is built all the same: producers come from outside."""
    definition = read_definition(fixtures() / "stacks", "edge-kafka-strimzi", {})
    (image,) = images_of(definition, Software(Java(tmp_path / "jre/bin/java", "17", "test"), {})).values()
    build(image, fixtures() / "images/load/Dockerfile")

    assert tag_of(image) == "edge-harness/load:1"
    assert list(Path(told[-1][-1]).iterdir()) == []
