"""A run sent into a cluster that is made of dictionaries: what is sent, shown, and taken away."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput, StackError
from harness.interrupts import Interrupted
from harness.launch import prepare
from harness.platforms import Entry, errand
from harness.platforms.errand import Errand
from harness.stack.kubernetes.pods_seen import PodSeen

RUN = "20261126-1200-quickstart-4f2a"


@dataclass
class Ended:
    """A command in the pod that has ended."""

    def is_open(self) -> bool:
        """It has."""
        return False

    def close(self) -> None:
        """See ``Channel``."""


@dataclass
class Cluster:
    """Stands in for ``Api``: one Job, its pod, what that says, and what lies in it."""

    says: list[bytes]
    namespace: str = "drill"
    access: str = ""
    pods_seen: dict[str, PodSeen] = field(default_factory=dict)
    complaints: str = ""
    made: list[dict[str, Any]] = field(default_factory=list)
    told: list[Sequence[str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Keep it, and give it a uid."""
        self.made.append(manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "u-1"}}

    def labelled(self, _kind: tuple[str, str], _label: str) -> list[str]:
        """The pods, until the Job is deleted."""
        return [] if self.deleted else list(self.pods_seen)

    def pods(self) -> dict[str, PodSeen]:
        """As they are."""
        return self.pods_seen

    def complaint(self, _name: str) -> str:
        """What the cluster has against the Job."""
        return self.complaints

    def exec(self, _pod: str, argv: Sequence[str]) -> Ended:
        """Note it."""
        self.told.append(argv)
        return Ended()

    def output(self, _pod: str, argv: Sequence[str], *, seconds: float) -> Iterator[bytes]:
        """A directory with one file in it, packed."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(f"{argv[-1]}/run.json")
            entry.size = 2
            archive.addfile(entry, io.BytesIO(b"{}"))
        yield packed.getvalue()[:700]
        yield packed.getvalue()[700:]

    def delete(self, _version: str, _kind: str, name: str) -> None:
        """Note it."""
        self.deleted.append(name)


def pod(*, ready: bool = True, said: str = "", hopeless: bool = False) -> PodSeen:
    """The pod of the run."""
    return PodSeen("p", "10.0.0.9", "worker", ready, 0, said, "run" if hopeless else "")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster whose run passes."""
    made = Cluster(
        [b"1out /var/lib/edge-harness/reports/" + RUN.encode() + b"/report.html\n2er", b"r\n", b"00\n"]
    )
    made.pods_seen["p"] = pod()
    monkeypatch.setattr(errand, "followed", lambda *_: iter(made.says))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(errand, "_GONE_S", 0.3)
    monkeypatch.setattr(errand, "_STARTED_S", 0.3)
    return made


def sent(cluster: Cluster, folder: Path, *argv: str) -> Errand:
    """The errand of a quickstart."""
    prepared = prepare("edge-kafka", {}, "context:staging")
    entry = Entry(["run", "quickstart", *argv], prepared, folder / RUN, 7)
    marks = {"HARNESS_RUN": RUN, "HARNESS_DIR": f"/var/lib/edge-harness/reports/{RUN}"}
    return Errand(cluster, entry, marks)  # type: ignore[arg-type] # as far as it is used


def container(cluster: Cluster) -> dict[str, Any]:
    """The container of the Job."""
    found: dict[str, Any] = cluster.made[0]["spec"]["template"]["spec"]["containers"][0]
    return found


def test_what_it_says_comes_out_and_what_it_left_comes_home(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both outputs apart, paths as they are here, the run's directory whole, and the Job deleted."""
    assert sent(cluster, tmp_path).run() == 0

    out, err = capfd.readouterr()
    assert out == f"out {tmp_path / RUN}/report.html\n"
    assert err == "err\n"
    assert (tmp_path / RUN / "run.json").read_text() == "{}"
    assert cluster.told[-1][-1] == "done"
    assert cluster.deleted == ["edge-run-20261126-1200-4f2a"]


def test_the_pod_has_no_power_and_a_deadline(cluster: Cluster, tmp_path: Path) -> None:
    """Nobody's root, no capability; the Job ends at its deadline and goes by itself after it has ended."""
    sent(cluster, tmp_path).run()
    spec = cluster.made[0]["spec"]

    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["ttlSecondsAfterFinished"] <= 300
    assert spec["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container(cluster)["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_users_own_scenarios_go_with_it(cluster: Cluster, tmp_path: Path) -> None:
    """The folder's files lie where the command line in the pod says."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.py").write_text("x = 1\n")
    sent(cluster, tmp_path, "--scenarios", str(own)).run()

    files = cluster.made[1]
    assert files["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert base64.b64decode(files["binaryData"]["mine.py"]) == b"x = 1\n"
    assert container(cluster)["command"][-2:] == ["--scenarios", "/given"]


def test_what_is_too_large_to_be_handed_over_is_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is made."""
    monkeypatch.setattr(errand, "_GIVEN_BYTES", 3)
    (tmp_path / "mine.py").write_text("x = 1\n")

    with pytest.raises(BadInput, match=r"mine\.py are too large to be handed to the cluster: 6 bytes"):
        sent(cluster, tmp_path, f"--scenarios={tmp_path}").run()
    assert cluster.made == []


@pytest.mark.parametrize(
    ("complaint", "fix"),
    [
        ('pods "p" is forbidden: exceeded quota: full', ""),
        ('serviceaccount "edge-harness" not found', "harness rbac"),
    ],
)
def test_a_pod_that_may_not_be_is_told_in_the_clusters_words(
    cluster: Cluster, tmp_path: Path, complaint: str, fix: str
) -> None:
    """And the Job does not stay."""
    cluster.pods_seen, cluster.complaints = {}, complaint

    with pytest.raises(StackError, match="the pod of the run may not be made") as refused:
        sent(cluster, tmp_path).run()
    assert complaint in refused.value.why
    assert fix in refused.value.fix
    assert cluster.deleted


def test_an_image_that_is_nowhere_is_named_with_its_setting(cluster: Cluster, tmp_path: Path) -> None:
    """Waiting would not help."""
    cluster.pods_seen["p"] = pod(ready=False, said="ImagePullBackOff (no such image)", hopeless=True)

    with pytest.raises(
        StackError, match=r"pod p cannot start: ImagePullBackOff .* Fix: --set images\.harness="
    ):
        sent(cluster, tmp_path).run()


def test_a_pod_that_is_gone_is_an_error(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log ends without an exit code, and there is nobody to ask."""
    made = sent(cluster, tmp_path)

    def ends(*_: object) -> Iterator[bytes]:
        yield b"1half\n"
        cluster.pods_seen.clear()

    monkeypatch.setattr(errand, "followed", ends)
    with pytest.raises(StackError, match="the pod of the run, p, is gone: it was deleted"):
        made.run()


def test_a_log_that_broke_off_goes_on_where_it_was(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is shown twice."""
    turns = iter([[b"1one\n"], [b"1one\n", b"1two\n", b"02\n"]])
    monkeypatch.setattr(errand, "followed", lambda *_: iter(next(turns)))

    assert sent(cluster, tmp_path).run() == 2
    assert capfd.readouterr().out == "one\ntwo\n"


def test_a_pod_that_is_unready_for_a_while_is_still_the_run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is late with its word calls its pods unready: the run goes on, and so does its log."""
    turns = iter([[b"1one\n"], [b"1one\n", b"00\n"]])
    states = iter([pod(ready=True), pod(ready=False, said="Running")])

    def seen() -> dict[str, PodSeen]:
        return {"p": next(states, pod())}

    monkeypatch.setattr(errand, "followed", lambda *_: iter(next(turns)))
    monkeypatch.setattr(cluster, "pods", seen)

    assert sent(cluster, tmp_path).run() == 0


def test_a_pod_that_stays_unready_is_an_error(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the cluster's words."""
    monkeypatch.setattr(errand, "_BACK_S", 0.1)
    states = iter([pod(ready=True)])
    monkeypatch.setattr(errand, "followed", lambda *_: iter([b"1half\n"]))
    monkeypatch.setattr(cluster, "pods", lambda: {"p": next(states, pod(ready=False, said="NodeLost"))})

    with pytest.raises(StackError, match=r"the pod of the run, p.*NodeLost"):
        sent(cluster, tmp_path).run()


def test_ctrl_c_is_passed_on_or_ends_what_has_not_begun(cluster: Cluster, tmp_path: Path) -> None:
    """Without a pod there is nothing to heal."""
    made = sent(cluster, tmp_path)
    with pytest.raises(Interrupted):
        made._on_signal(2, None)
    made._pod = "p"
    made._on_signal(2, None)

    assert list(cluster.told[-1][-2:]) == ["tell", "2"]
