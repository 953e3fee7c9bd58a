"""What happens to volumes that are real file systems, in an enclosure: an agent's program fills them there.

A tmpfs stands for a disk of a node: whoever is root in an enclosure may mount no other.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.stack.agents import volumes
from harness.stack.agents.agent import keep
from harness.stack.agents.notes import Notes
from harness.stack.agents.serving import Serving, answered, serve
from harness.stack.disks import write_probe
from harness.stack.namespaces import syscalls
from harness.tests.contract.stories import Seen, Story
from harness.waiting import NotYet, wait_for

POD, VOLUME = "0a1b-2c", "pvc-1"
_OWN = f"kubelet/pods/{POD}/volumes/kubernetes.io~csi/{VOLUME}/mount"


def _mount(place: Path) -> Path:
    place.mkdir(parents=True)
    syscalls.mount("disk", str(place), "tmpfs", 0, "size=24m,mode=0777")
    return place


def _asked(serving: Serving, do: str) -> dict[str, object]:
    given = {} if do == "free_volume" else {"pod": POD}
    return answered(serving, json.dumps({"id": 7, "do": do, "volume": VOLUME, **given}))


def _free(place: Path) -> int:
    told = os.statvfs(place)
    return told.f_bfree * told.f_frsize


def volume_filled(folder: Path, _: object) -> Seen:
    """Fill a volume that has data and traps in it, give it back; a volume beside it is looked at, too."""
    volumes.KINDS = (*volumes.KINDS, "tmpfs")
    place, beside = _mount(folder / _OWN), _mount(folder / "beside/disk")
    (place / "data").write_bytes(bytes(1 << 20))
    os.mkfifo(place / "a-pipe")
    (place / volumes.__name__).symlink_to(beside)
    serving, names = Serving(Notes(folder / "notes")), sorted(place.iterdir())
    before, tried = _free(place), _asked(serving, "try_volume")
    filled = _asked(serving, "fill_volume")
    during = {
        "free": _free(place),
        "tried": _asked(serving, "try_volume"),
        "write": write_probe(place),
        "beside": write_probe(beside),
        "unchanged": sorted(place.iterdir()) == names,
        "whole": _asked(serving, "volume")["whole"],
    }
    _asked(serving, "free_volume")
    after = {"free": _free(place), "write": write_probe(place), "whole": _asked(serving, "volume")["whole"]}
    return {"before": before, "tried": tried, "filled": filled, "during": during, "after": after}


def volume_shared(folder: Path, _: object) -> Seen:
    """Ask for volumes that are no file systems of their own: a folder, and one of a larger one."""
    volumes.KINDS = (*volumes.KINDS, "tmpfs")
    plain = folder / _OWN
    plain.mkdir(parents=True)
    serving = Serving(Notes(folder / "notes"))
    a_folder = _asked(serving, "volume")["why"], _asked(serving, "fill_volume").get("error")
    larger = _mount(folder / "larger/disk")
    (larger / "claim").mkdir()
    syscalls.mount(str(larger / "claim"), str(plain), "", syscalls.MS_BIND)
    part = _asked(serving, "volume")["why"], _asked(serving, "fill_volume").get("error")
    noted = Notes(folder / "notes").read("fillers")
    return {"folder": a_folder, "part": part, "free": _free(larger), "notes": noted}


def volume_left(folder: Path, given: object) -> Seen:
    """Kill the agent's serving process, or let nobody ask for a lease, while a volume is full."""
    place, notes = _mount(folder / _OWN), Notes(folder / "notes")
    before = _free(place)
    with _serving(folder) as server:
        assert server.stdin is not None
        server.stdin.write(json.dumps({"id": 7, "do": "fill_volume", "pod": POD, "volume": VOLUME}) + "\n")
        server.stdin.flush()
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        during = _free(place)
        if given == "kill":
            server.kill()
        else:
            keep(notes, lease=0.4, silence=0.8)
        wait_for(lambda: _has_room(place, before), what="the room", seconds=5, every=0.02)
        serves = server.poll() is None
    return {"said": said, "during": during, "serves": serves, "noted": notes.read("fillers")}


def _has_room(place: Path, wanted: int) -> None:
    if (free := _free(place)) < wanted:
        raise NotYet(f"{free} bytes are free")


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-P", "-m", __name__, str(folder / "notes")]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


STORIES: dict[str, Story] = {story.__name__: story for story in (volume_filled, volume_shared, volume_left)}

if __name__ == "__main__":
    volumes.KINDS = (*volumes.KINDS, "tmpfs")
    kept = Notes(Path(sys.argv[1]))
    serve(Serving(kept), kept, sys.stdin, sys.stdout)
