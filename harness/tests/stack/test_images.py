"""Images are built from jars and a Java runtime alone, and a program that fails is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import MissingAbility, StackError
from harness.stack import images
from harness.stack.images import Image, build, load, named, run


def an_image(folder: Path) -> Image:
    """A runtime of one file and two jars, one of them a plugin."""
    (folder / "jre/bin").mkdir(parents=True)
    (folder / "jre/bin/java").write_text("java")
    jars = [folder / "a.jar", folder / "s3.jar"]
    for jar in jars:
        jar.write_text(jar.name)
    return Image("flink", "1.17.2", folder / "jre", (jars[0],), (jars[1],))


def test_the_context_holds_what_the_dockerfile_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime, the jars, and each plugin in a folder of its own; what was there before is gone."""
    told: list[list[str]] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "run", lambda argv, **_: told.append(list(argv)))
    image = an_image(tmp_path)
    for _ in range(2):
        build(image, tmp_path / "Dockerfile")

    context = Path(told[0][-1])
    found = sorted(str(path.relative_to(context)) for path in context.rglob("*") if path.is_file())
    assert found == ["java/bin/java", "libs/a.jar", "plugins/s3/s3.jar"]
    assert "--pull=false" in told[0]
    assert told[0][told[0].index("--tag") + 1] == "edge-harness/flink:1.17.2"


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
