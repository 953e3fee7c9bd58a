"""A cluster of ours is made, found and deleted; a strange one of that name is left alone."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Sequence

import pytest

from harness.errors import BadInput, StackError
from harness.stack.kind import cluster
from harness.stack.kind.cluster import Cluster, find, secret, standing

NODE = [{"State": {"Pid": 77}, "NetworkSettings": {"Networks": {"kind": {"IPAddress": "172.18.0.2"}}}}]
Told = list[str]


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """Stands in for docker and kind: knows some clusters, and notes every command."""

    def install(*known: str, refuses: str = "") -> Told:
        told: Told = []
        clusters = list(known)

        def run(argv: Sequence[str], *, what: str, seconds: float) -> str:
            words = " ".join(argv)
            told.append(words)
            if refuses and refuses in words:
                raise StackError(what, why="no space left on device")
            if "create cluster" in words:
                clusters.append("edge-harness")
            return {"kind get clusters": "\n".join(clusters), "docker": json.dumps(NODE)}.get(
                words if words == "kind get clusters" else argv[0], ""
            )

        monkeypatch.setattr(cluster, "run", run)
        return told

    return install


def test_a_cluster_is_made_and_deleted(programs: Callable[..., Told]) -> None:
    """Nothing is left of a cluster that was made for one run."""
    told = programs()
    with standing(reuse=False, keep=False) as made:
        assert made == Cluster("edge-harness", 77, "172.18.0.2", ours=True)

    assert any("create cluster --name edge-harness" in words for words in told)
    assert told[-1] == "kind delete cluster --name edge-harness"


@pytest.mark.parametrize(("reuse", "keep", "known"), [(True, False, ["edge-harness"]), (False, True, [])])
def test_what_is_kept_or_reused_stays(
    programs: Callable[..., Told], *, reuse: bool, keep: bool, known: list[str]
) -> None:
    """--keep leaves the cluster, --reuse takes the one that is there and leaves it."""
    told = programs(*known)
    with standing(reuse=reuse, keep=keep):
        pass

    assert not any("delete" in words for words in told)
    assert any("create" in words for words in told) is not reuse


def test_one_of_that_name_is_not_touched(programs: Callable[..., Told]) -> None:
    """Without --reuse a cluster that is there already is an error that says how to go on."""
    told = programs("edge-harness")

    with pytest.raises(BadInput, match=r"there is a cluster edge-harness already\. Fix: --reuse it"):
        standing(reuse=False, keep=False).__enter__()
    assert told == ["kind get clusters"]


def test_half_a_cluster_is_deleted(programs: Callable[..., Told]) -> None:
    """When kind fails half way, what it made goes, and its words stay."""
    told = programs(refuses="create")

    with pytest.raises(StackError, match="no space left on device"):
        standing(reuse=False, keep=False).__enter__()
    assert told[-1] == "kind delete cluster --name edge-harness"


def test_none_is_found_where_there_is_none(programs: Callable[..., Told]) -> None:
    """A name that kind does not know is bad input."""
    programs()

    with pytest.raises(BadInput, match="there is no cluster edge-harness"):
        find()


def test_credentials_are_for_nobody_else() -> None:
    """The file can be read by its owner alone and is gone after."""
    with secret("token") as path:
        assert path.read_text() == "token"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
