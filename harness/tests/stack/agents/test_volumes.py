"""Volumes on an agent's node: which is filled alone, by hand-made tables; who holds it, and what ends that.

Filling a real file system is in ``harness.tests.contract.test_volumes``: here the kernel's room is made up.
"""

from __future__ import annotations

import errno
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.stack.agents import volumes
from harness.stack.agents.agent import undo
from harness.stack.agents.notes import Notes
from harness.stack.agents.serving import Serving, answered
from harness.stack.agents.volumes import NotItsOwn, chosen, mounts, take
from harness.waiting import NotYet, wait_for

UID, OTHER, PV = "0a1b-2c", "9f9f-9f", "pvc-77"
KUBELET = "/var/lib/kubelet"
LOCAL = f"{KUBELET}/pods/{UID}/volumes/kubernetes.io~local-volume/{PV}"
CSI = f"{KUBELET}/pods/{UID}/volumes/kubernetes.io~csi/{PV}/mount"
NODE = """\
21 1 0:40 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b
22 21 8:1 /volumes/9a/_data /var rw,relatime shared:3 - ext4 /dev/sda1 rw
23 21 0:5 / /proc rw - proc proc rw
"""


def line(place: str, *, device: str = "8:16", root: str = "/", kind: str = "ext4", said: str = "rw") -> str:
    """A line of mountinfo."""
    return f"90 22 {device} {root} {place} rw,relatime shared:9 master:1 - {kind} /dev/any {said}\n"


@pytest.mark.parametrize(
    "added",
    [
        [line(CSI)],
        [line(f"{KUBELET}/plugins/kubernetes.io/csi/ebs/3f/globalmount"), line(CSI)],
        [line("/mnt/disks/a"), line(LOCAL)],
        [line(LOCAL, kind="xfs"), line(f"{KUBELET}/pods/{UID}/volume-subpaths/{PV}/kafka/0", root="/data")],
        [line("/mnt/disks/ab"), line("/mnt/disks/a"), line(LOCAL)],
        [line(CSI), line("/mnt/other/x", device="8:32")],
    ],
    ids=["csi", "staged", "local", "subpath", "names alike", "another disk"],
)
def test_a_file_system_for_the_volume_alone_may_be_filled(added: list[str]) -> None:
    """The kubelet's mount of a whole one; its staging, and where a local disk is kept, are nobody's use."""
    found = chosen(mounts(NODE + "".join(added)), UID, PV)

    assert (found.device, found.place) == ("8:16", LOCAL if any(LOCAL in each for each in added) else CSI)


@pytest.mark.parametrize(
    ("added", "why"),
    [
        ([], "a folder of its node"),
        ([line(CSI.replace(UID, OTHER))], "a folder of its node"),
        ([line(CSI.replace(PV, "pvc-7"))], "a folder of its node"),
        ([line(f"{CSI}/deeper")], "a folder of its node"),
        ([line(LOCAL, device="8:1", root="/volumes/9a/_data/local-path/pvc-77")], "a folder of a larger"),
        ([line(LOCAL, root="/a")], "a folder of a larger"),
        ([line(CSI, kind="nfs4")], "its file system is nfs4"),
        ([line(LOCAL, kind="tmpfs")], "its file system is tmpfs"),
        ([line(LOCAL, kind="btrfs")], "its file system is btrfs"),
        ([line("/"), line(LOCAL)], "has the same file system at /"),
        ([line("/data"), line(LOCAL)], "has the same file system at /data"),
        ([line("/var/lib"), line(LOCAL)], "has the same file system at /var/lib"),
        ([line("/var/lib/containerd"), line(LOCAL)], "has the same file system at /var/lib/containerd"),
        ([line(LOCAL), line(CSI.replace(UID, OTHER))], f"at {KUBELET}/pods/{OTHER}/"),
        ([line("/data/kubelet", device="8:32"), line("/mnt/k/pods/x"), line(LOCAL)], "at /mnt/k/pods/x"),
        ([line("/mnt/a"), line("/mnt/a/docker/merged", device="0:50"), line(LOCAL)], "at /mnt/a"),
        ([line("/mnt/a"), line("/run/c", said="rw,upperdir=/mnt/a/layer/fs"), line(LOCAL)], "at /mnt/a"),
        ([line(CSI), line(CSI, device="8:1", root="/over")], "a folder of a larger"),
    ],
)
def test_what_is_somebody_elses_too_is_never_filled(added: list[str], why: str) -> None:
    """The node's own file system, another pod's, another kind's; what lies on top of a mount counts."""
    with pytest.raises(NotItsOwn, match=why):
        chosen(mounts(NODE + "".join(added)), UID, PV)


def test_the_kubelets_folder_on_the_same_disk_is_in_use() -> None:
    """A disk that the node keeps apart, but lays its kubelet's folder on, is not the volume's alone."""
    own = f"/mnt/big/kubelet/pods/{UID}/volumes/kubernetes.io~local-volume/{PV}"

    with pytest.raises(NotItsOwn, match="at /mnt/big"):
        chosen(mounts(NODE + line("/mnt/big") + line(own)), UID, PV)


@dataclass
class Node:
    """A node made of folders, whose volume has *room* bytes left."""

    folder: Path
    room: int = 10 << 20
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.volume.mkdir(parents=True)
        self.mount(self.folder.stat().st_dev)

    @property
    def volume(self) -> Path:
        """Where it is seen."""
        return self.folder / "1/root" / CSI.lstrip("/")

    def mount(self, device: int) -> None:
        """Have the table say that *device* is there."""
        told = line(CSI, device=f"{os.major(device)}:{os.minor(device)}")
        (self.folder / "1/mountinfo").write_text(NODE + told)

    def allocate(self, file: int, start: int, size: int) -> None:
        """As ``os.posix_fallocate``."""
        self.asked.append(size)
        if start + size > self.room:
            raise OSError(errno.ENOSPC, "no room")
        os.ftruncate(file, start + size)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """The node under test."""
    made = Node(tmp_path / "proc")
    monkeypatch.setattr(volumes, "PROC", made.folder)
    monkeypatch.setattr(volumes, "MOST_BYTES", 1 << 60)
    monkeypatch.setattr(os, "posix_fallocate", made.allocate)
    return made


@dataclass
class Asking:
    """An agent that is asked for one volume."""

    notes: Notes

    def __post_init__(self) -> None:
        self.serving = Serving(self.notes)

    def __call__(self, do: str) -> dict[str, object]:
        """The answer."""
        given = {} if do == "free_volume" else {"pod": UID}
        return answered(self.serving, json.dumps({"id": 7, "do": do, "volume": PV, **given}))

    def is_whole(self) -> None:
        """Return when it is."""
        if not self("volume")["whole"]:
            raise NotYet("it is full")

    def holder(self) -> int:
        """The pid of the process that was noted last."""
        return int(self.notes.read("fillers")[-1].split()[0])


@pytest.fixture
def ask(node: Node, tmp_path: Path) -> Asking:
    """The agent of that node."""
    assert node.volume.is_dir()
    return Asking(Notes(tmp_path / "notes"))


def test_a_process_of_ours_holds_all_that_is_free_and_nobody_sees_the_file(node: Node, ask: Asking) -> None:
    """It is noted, it has the file open, and the volume's folder is as empty as it was."""
    assert ask("volume") == {"id": 7, "why": "", "place": CSI, "megabytes": size_of(node), "whole": True}
    assert ask("fill_volume") == {"id": 7}

    open_there = [each.stat().st_size for each in Path(f"/proc/{ask.holder()}/fd").iterdir()]
    assert node.room in open_there
    assert (list(node.volume.iterdir()), ask("volume")["whole"]) == ([], False)
    assert "filled already" in str(ask("fill_volume")["error"])
    assert ask("free_volume") == ask("free_volume") == {"id": 7}
    assert ask("volume")["whole"] is True
    assert not Path(f"/proc/{ask.holder()}").exists()


def size_of(node: Node) -> int:
    """Of the file system that the test has, in MiB."""
    told = os.statvfs(node.volume)
    return (told.f_blocks * told.f_frsize) >> 20


def test_undoing_ends_who_holds_the_room(node: Node, ask: Asking) -> None:
    """What an agent does a lease after the last beat, and an agent that was started again by its notes."""
    assert node.room
    ask("fill_volume")

    assert undo(Notes(ask.notes._folder))
    assert ask("volume")["whole"] is True
    assert ask.notes.read("fillers") == []


@pytest.mark.parametrize("how", ["killed", "its agent is gone"])
def test_nobody_who_holds_the_room_outlives_its_end(node: Node, ask: Asking, how: str) -> None:
    """A SIGKILL gives the room back, and so does the end of the process that serves, whatever ended it."""
    assert node.room
    ask("fill_volume")
    if how == "killed":
        os.kill(ask.holder(), signal.SIGKILL)
    else:
        stdin = ask.serving._volumes._ballasts[PV].holder.stdin
        assert stdin is not None
        stdin.close()  # what the kernel does for a process that is gone

    wait_for(ask.is_whole, what="the room", seconds=5)
    ask("free_volume")


def test_who_is_killed_half_way_fills_no_further(
    node: Node, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request ends with an error, the file is closed, and the volume is whole."""

    def allocate(file: int, start: int, size: int) -> None:
        if start == 4 << 20:
            os.kill(ask.holder(), signal.SIGKILL)
            ask.serving._volumes._ballasts[PV].holder.wait()
        node.allocate(file, start, size)

    node.room = 6 << 20
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    said = ask("fill_volume")

    assert "what was to hold the room is gone" in str(said["error"])
    assert ask("volume")["whole"] is True


def test_a_kernel_that_refuses_leaves_nobody(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not want of room is told in its words, and the process that was to hold it is gone."""

    def refuse(file: int, start: int, size: int) -> None:
        raise OSError(errno.EIO, "bad block")

    monkeypatch.setattr(os, "posix_fallocate", refuse)

    assert "bad block" in str(ask("fill_volume")["error"])
    assert not Path(f"/proc/{ask.holder()}").exists()


def test_all_is_taken_in_ever_smaller_pieces(node: Node, tmp_path: Path) -> None:
    """To the last block, also when the room is no round number."""
    node.room = (5 << 30) + (77 << 20) + 4096
    with (tmp_path / "file").open("wb") as file:
        take(file.fileno(), lambda: True)
        assert os.fstat(file.fileno()).st_size == node.room
    assert len(node.asked) < 100


def test_a_volume_that_is_too_large_is_not_filled(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told, no process was started, and nothing is noted."""
    monkeypatch.setattr(volumes, "MOST_BYTES", 1 << 20)

    assert "and more than" in str(ask("volume")["why"])
    assert "and more than" in str(ask("fill_volume")["error"])
    assert ask.notes.read("fillers") == []


def test_what_is_mounted_there_meanwhile_is_not_touched(node: Node, ask: Asking) -> None:
    """The folder that was opened must be of the very device that the table named."""
    node.mount(os.makedev(8, 99))

    assert all("another file system now" in str(ask(do)["error"]) for do in ("fill_volume", "try_volume"))
    assert ask.notes.read("fillers") == []


def test_a_link_in_the_place_of_a_volume_is_not_followed(node: Node, ask: Asking, tmp_path: Path) -> None:
    """Only a folder is opened."""
    node.volume.rmdir()
    node.volume.symlink_to(tmp_path)

    assert all("error" in ask(do) for do in ("volume", "fill_volume", "try_volume"))
    assert ask.notes.read("fillers") == []


def test_a_write_is_tried_and_seen_by_nobody(
    node: Node, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is told by number; the folder stays as it was."""
    assert ask("try_volume") == {"id": 7, "refused": 0, "readable": True}

    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "write", full)
    assert ask("try_volume") == {"id": 7, "refused": errno.ENOSPC, "readable": True}
    assert list(node.volume.iterdir()) == []


def test_links_and_pipes_of_a_container_are_not_opened(node: Node, ask: Asking, tmp_path: Path) -> None:
    """A pipe would never be answered, a link leads anywhere; the first real file counts."""
    os.mkfifo(node.volume / "a-pipe")
    (node.volume / "b-link").symlink_to(tmp_path / "nowhere")
    (node.volume / "c-loop").symlink_to(node.volume)
    (node.volume / "d").mkdir()
    (node.volume / "d/file").write_bytes(b"data")

    assert ask("try_volume")["readable"] is True
    if os.geteuid():
        (node.volume / "d/file").chmod(0)
        assert ask("try_volume")["readable"] is False
