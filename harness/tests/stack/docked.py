"""A ``docker`` on PATH that knows a few containers from a file, and does to them what it is told."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

LABEL = "io.x-k8s.kind.cluster"

_PROGRAM = """\
#!{python} -IS
import json, pathlib, re, sys
folder = pathlib.Path({folder!r})
with open(folder / "told", "a") as told:
    told.write(" ".join(sys.argv[1:]) + "\\n")
path = folder / "containers.json"
containers = json.loads(path.read_text())
verb, *words = sys.argv[1:]
BECOMES = dict(kill="exited", pause="paused", unpause="running", start="running", exec="")
NEEDS = dict(kill=["running", "paused"], pause=["running"], unpause=["paused"])

def known(name):
    if name not in containers:
        sys.exit("Error: No such object: " + name)
    return containers[name]

def shown(form, name):
    one = known(name)
    form = re.sub(r'{{{{index .Config.Labels "([^"]*)"}}}}', lambda m: one["labels"].get(m[1], ""), form)
    given = {{"State.Status": one["state"], "State": one["state"], "Names": name,
             "State.Pid": str(one["pid"] if one["state"] in ("running", "paused") else 0)}}
    return re.sub(r"{{{{[.]([A-Za-z.]+)}}}}", lambda m: given[m[1]], form)

if verb == "ps":
    key, _, value = words[words.index("--filter") + 1].removeprefix("label=").partition("=")
    for name, one in containers.items():
        if one["labels"].get(key) == value:
            print(shown(words[-1], name))
elif verb == "inspect":
    print(shown(words[-2], words[-1]))
elif verb in BECOMES:
    one = known(words[0])
    if one["state"] not in NEEDS.get(verb, [one["state"]]):
        sys.exit("Error response from daemon: " + words[0] + " is " + one["state"])
    one["state"] = BECOMES[verb] or one["state"]
    path.write_text(json.dumps(containers))
else:
    sys.exit("unknown command " + verb)
"""


@dataclass
class Docked:
    """The program's folder: what it knows, and what it was told."""

    folder: Path

    def add(self, name: str, state: str = "running", *, cluster: str = "edge-harness") -> None:
        """A container; one of no cluster has no label."""
        known = self._known()
        known[name] = {"state": state, "pid": 4711, "labels": {LABEL: cluster} if cluster else {}}
        (self.folder / "containers.json").write_text(json.dumps(known))

    def state(self, name: str) -> str:
        """What became of it."""
        return str(self._known()[name]["state"])

    def changes(self) -> list[str]:
        """Every command that was more than a question."""
        told = (self.folder / "told").read_text().splitlines() if (self.folder / "told").exists() else []
        return [line for line in told if line.split()[0] not in {"ps", "inspect"}]

    def _known(self) -> dict[str, dict[str, object]]:
        known: dict[str, dict[str, object]] = json.loads((self.folder / "containers.json").read_text())
        return known


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Docked:
    """The program, first on PATH."""
    folder.mkdir()
    (folder / "containers.json").write_text("{}")
    program = folder / "docker"
    program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Docked(folder)
