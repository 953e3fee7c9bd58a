"""The allow-list: what is not on it is refused, with what to write to allow it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from harness.errors import BadInput
from harness.guards.allow import AllowList, Entry, Place, allow_file, entry_for, example, read_allow_list

HERE = Place("staging", "https://10.1.2.3:6443", "drill")
GOOD = "clusters: [{context: staging, namespaces: [drill]}]"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A list that allows HERE, which nobody else may write to."""
    (tmp_path / "own").mkdir(mode=0o700)
    path = tmp_path / "own" / "clusters.yaml"
    path.write_text(GOOD)
    path.chmod(0o600)
    return path


def allowed(path: Path, place: Place = HERE) -> Entry:
    """The entry for *place* in *path*."""
    return entry_for(place, read_allow_list(path, place), path)


def test_what_is_on_the_list_is_allowed(written: Path) -> None:
    """A third of the brokers and no whole node, unless the entry says otherwise."""
    entry = allowed(written)

    assert (entry.share_of_brokers, entry.node_faults) == (Fraction(1, 3), False)


def test_a_missing_list_is_told_with_an_entry_to_paste(tmp_path: Path) -> None:
    """One sentence names the file, and what it proposes allows exactly the place that was asked for."""
    missing = tmp_path / "clusters.yaml"
    with pytest.raises(BadInput) as caught:
        allowed(missing)

    assert str(missing) in caught.value.sentence()
    assert example(HERE) in caught.value.fix
    assert (
        entry_for(HERE, AllowList.model_validate(yaml.safe_load(example(HERE))), missing).context == "staging"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clusters: [{contexts: staging, namespaces: [drill]}]", "did you mean 'context'?"),
        ("cluster: []", "did you mean 'clusters'?"),
        ("clusters: [{context: staging}]", "clusters.0.namespaces"),
        ("clusters: [{context: staging, namespaces: []}]", "clusters.0.namespaces"),
        (
            "clusters: [{context: staging, namespaces: [drill], share_of_brokers: 2}]",
            "less than or equal to 1",
        ),
        (
            "clusters: [{context: staging, namespaces: [drill], share_of_brokers: 1/0}]",
            "no share such as 1/3",
        ),
        (
            "clusters: [{context: staging, namespaces: [drill], share_of_brokers: all}]",
            "no share such as 1/3",
        ),
        ("clusters: [{context: staging, namespaces: [drill], share_of_brokers: true}]", "share_of_brokers"),
        ("clusters: nope", "clusters"),
        ("[]", "context staging is not on the allow-list"),
        ("- 1", "does not fit"),
        ("clusters: [", "cannot be read"),
        ("!!python/object:os.system {}", "cannot be read"),
        ("", "context staging is not on the allow-list"),
        ("clusters: [{context: stagnig, namespaces: [drill]}]", "did you mean 'stagnig'?"),
        ("clusters: [{context: staging, namespaces: [other]}]", "namespace drill is not on the allow-list"),
        (
            "clusters: [{context: staging, server: 'https://10.9.9.9:6443', namespaces: [drill]}]",
            "another cluster",
        ),
    ],
)
def test_what_is_not_on_the_list_is_refused(written: Path, text: str, words: str) -> None:
    """Whatever else the file says is one sentence that names the place in it."""
    written.write_text(text)

    with pytest.raises(BadInput) as caught:
        allowed(written)

    assert words in caught.value.sentence()


@pytest.mark.parametrize(
    "pin", ["https://10.1.2.3:6443", "https://10.1.2.3:6443/", "HTTPS://10.1.2.3:6443", "10.1.2.3:6443"]
)
def test_a_pinned_server_is_compared_by_address(written: Path, pin: str) -> None:
    """How the address is written does not matter; which one it is does."""
    written.write_text(f"clusters: [{{context: staging, server: '{pin}', namespaces: [drill]}}]")

    assert allowed(written).server == pin


@pytest.mark.parametrize(("mode", "folder"), [(0o620, 0o700), (0o602, 0o700), (0o600, 0o770), (0o600, 0o702)])
def test_a_list_that_others_may_write_is_refused(written: Path, mode: int, folder: int) -> None:
    """Neither the file nor its folder may be writable by anybody but its owner."""
    written.chmod(mode)
    written.parent.chmod(folder)

    with pytest.raises(BadInput, match=r"others may write to .*chmod go-w"):
        allowed(written)


def test_a_share_is_exact(written: Path) -> None:
    """Fractions and decimals are taken as written, so that a third of three brokers is one."""
    written.write_text(GOOD.replace("]}]", "], share_of_brokers: 0.4}]"))
    assert allowed(written).share_of_brokers == Fraction(2, 5)
    written.write_text(GOOD.replace("]}]", "], share_of_brokers: 2/3}]"))
    assert allowed(written).share_of_brokers == Fraction(2, 3)


def test_the_file_is_the_one_that_was_named_last() -> None:
    """An option beats the variable, the variable the user's configuration folder."""
    home = {"HOME": "/home/u"}
    own = Path("/home/u/.config/edge-harness/clusters.yaml")

    assert allow_file(None, home) == own
    assert allow_file(None, home | {"XDG_CONFIG_HOME": "/c"}) == Path("/c/edge-harness/clusters.yaml")
    assert allow_file(None, home | {"HARNESS_ALLOW": "/a.yaml"}) == Path("/a.yaml")
    assert allow_file(Path("b.yaml"), home | {"HARNESS_ALLOW": "/a.yaml"}) == Path("b.yaml")
