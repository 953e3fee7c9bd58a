"""A ``docker`` on PATH through which a ``kubectl`` answers that knows a few resources from files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

_PROGRAM = """\
#!{python} -IS
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with open(folder / "told", "a") as told:
    told.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] in ("ps", "network", "volume"):
    sys.exit(0)
assert sys.argv[1:6] == ["exec", "edge-harness-control-plane", "kubectl", "--kubeconfig",
                         "/etc/kubernetes/admin.conf"], sys.argv
words = sys.argv[6:]
kafkas = json.loads((folder / "kafkas.json").read_text())
wide = json.loads((folder / "wide.json").read_text())
held = json.loads((folder / "held.json").read_text())
if words[0] == "--namespace":
    words = words[2:]
if words[:2] == ["get", "kafkas.kafka.strimzi.io"]:
    if kafkas is None:
        sys.exit('error: the server doesn\\'t have a resource type "kafkas"')
    print(json.dumps(dict(items=[
        dict(metadata=dict(name=name, namespace="edge", annotations=given)) for name, given in kafkas.items()
    ])))
elif words[0] == "annotate":
    if words[3] not in kafkas:
        sys.exit("Error from server (NotFound): kafkas " + words[3] + " not found")
    for word in words[4:]:
        kafkas[words[3]].pop(word.removesuffix("-"), None)
    (folder / "kafkas.json").write_text(json.dumps(kafkas))
elif words[0] == "get" and "customresourcedefinitions" in words[1]:
    print("\\n".join(wide))
elif words[:2] == ["delete", "networkpolicy"]:
    denied = json.loads((folder / "denied.json").read_text())
    if words[2] in denied:
        print("networkpolicy.networking.k8s.io " + words[2] + " deleted")
    (folder / "denied.json").write_text(json.dumps([each for each in denied if each != words[2]]))
elif words[:2] == ["delete", "--ignore-not-found"]:
    (folder / "wide.json").write_text(json.dumps([each for each in wide if each not in words]))
elif words[0] == "api-resources":
    print("pods\\n" + "\\n".join(held))
elif words[0] == "get":
    print("\\n".join(held[words[1]]))
elif words[0] == "patch":
    held = dict((kind, [each for each in names if each != words[1]]) for kind, names in held.items())
    (folder / "held.json").write_text(json.dumps(held))
elif words[0] != "delete":
    sys.exit("unknown command " + " ".join(words))
"""


class Kubectl:
    """The program, first on PATH; what it knows can be set and read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self._folder = folder
        self.kafkas, self.wide, self.held, self.denied = {}, [], {}, []
        program = folder / "docker"
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    @property
    def kafkas(self) -> dict[str, dict[str, str]] | None:
        """The annotations of each Kafka in namespace ``edge``; None: the cluster knows no such kind."""
        found: dict[str, dict[str, str]] | None = json.loads((self._folder / "kafkas.json").read_text())
        return found

    @kafkas.setter
    def kafkas(self, given: dict[str, dict[str, str]] | None) -> None:
        (self._folder / "kafkas.json").write_text(json.dumps(given))

    @property
    def wide(self) -> list[str]:
        """What is cluster-wide and carries our label."""
        found: list[str] = json.loads((self._folder / "wide.json").read_text())
        return found

    @wide.setter
    def wide(self, given: list[str]) -> None:
        (self._folder / "wide.json").write_text(json.dumps(given))

    @property
    def denied(self) -> list[str]:
        """The NetworkPolicies of every namespace, by name."""
        found: list[str] = json.loads((self._folder / "denied.json").read_text())
        return found

    @denied.setter
    def denied(self, given: list[str]) -> None:
        (self._folder / "denied.json").write_text(json.dumps(given))

    @property
    def held(self) -> dict[str, list[str]]:
        """Of each kind of an operator's, the resources that stay until their finalizers are taken away."""
        found: dict[str, list[str]] = json.loads((self._folder / "held.json").read_text())
        return found

    @held.setter
    def held(self, given: dict[str, list[str]]) -> None:
        (self._folder / "held.json").write_text(json.dumps(given))

    def told(self) -> list[str]:
        """Every command behind the prefix that leads to ``kubectl``."""
        lines = (self._folder / "told").read_text().splitlines()
        return [line.partition("admin.conf ")[2] for line in lines if "admin.conf " in line]
