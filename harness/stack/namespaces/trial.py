"""What this machine's kernel lets an enclosure do, found out by doing it once.

A switch that reads "allowed" proves nothing: AppArmor, seccomp and container
runtimes each refuse in their own way. So a child process builds an enclosure,
makes one of everything the local platform needs, says what worked, and is gone
with all it made.

The child prints one JSON object a line, ``{"name": …, "why": …}``; ``why`` is
empty when the thing worked. ``python -m harness.stack.namespaces.trial`` shows it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.stack.namespaces import enclosure, syscalls

NAMESPACES, BRIDGE, CUTS, DISKS, PROCESSES = "namespaces", "bridge", "cuts", "disks", "processes"
ALL = (NAMESPACES, BRIDGE, CUTS, DISKS, PROCESSES)

_SECONDS = 10
_LINKS = """\
link add trial0 type bridge
netns add trial
link add trial1 type veth peer name eth0 netns trial
link set trial1 master trial0 up
"""
_RULES = """\
table inet trial {
  set cut {
    type ipv4_addr . ipv4_addr
    flags timeout
    elements = { 198.18.0.11 . 198.18.0.12 timeout 5s }
  }
  chain input {
    type filter hook input priority 0
    ip saddr . ip daddr @cut reject with tcp reset
    ip saddr . ip daddr @cut counter drop
  }
}
"""


def try_enclosure() -> dict[str, str]:
    """Why each of ``ALL`` does not work here; "" when it does. Costs about 0.2 s."""
    package = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    argv, environment = (
        [sys.executable, "-m", "harness.stack.namespaces.trial"],
        os.environ | {"PYTHONPATH": path},
    )
    try:
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(ALL, f"no answer within {_SECONDS} s")
    return read_answers(done.stdout, _last_line(done.stderr) or f"exit code {done.returncode}")


def read_answers(output: str, otherwise: str) -> dict[str, str]:
    """The child's *output* as a mapping; what it never came to say failed for the reason *otherwise*."""
    answers = dict.fromkeys(ALL, otherwise)
    for line in output.splitlines():
        answer = json.loads(line)
        answers[str(answer["name"])] = str(answer["why"])
    return answers


def main(arguments: Sequence[str]) -> int:
    """Build the enclosure, or, inside it, try everything."""
    if list(arguments) == ["inside"]:
        _try_everything()
        return 0
    try:
        return enclosure.run_inside(
            [sys.executable, "-m", "harness.stack.namespaces.trial", "inside"], dict(os.environ)
        )
    except HarnessError as error:
        sys.stderr.write(f"{error.why}\n")
        return 1


def _try_everything() -> None:
    shows_itself = os.getpid() == 1 and Path("/proc/self").readlink() == Path("1")
    _say(NAMESPACES, "" if shows_itself else "/proc does not show the new pid namespace")
    _say(BRIDGE, _refusal(["ip", "-batch", "-"], _LINKS))
    _say(CUTS, _refusal(["nft", "-f", "-"], _RULES))
    _say(DISKS, _mount_refusal())
    own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "true"]
    _say(PROCESSES, _refusal(["nsenter", "--net=/run/netns/trial", "--", *own]))


def _refusal(argv: Sequence[str], text: str = "") -> str:
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"
    return "" if done.returncode == 0 else _first_line(done.stderr) or f"exit code {done.returncode}"


def _mount_refusal() -> str:
    disk = Path("/run/trial-disk")
    disk.mkdir()
    try:
        syscalls.mount("tmpfs", str(disk), "tmpfs", 0, "size=1m,mode=0700")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _say(name: str, why: str) -> None:
    sys.stdout.write(json.dumps({"name": name, "why": why}) + "\n")
    sys.stdout.flush()


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
