"""By what packets can be delayed here: the kernel's netem, else a Toxiproxy that the user has."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from harness.stack.programs import find_program, missing_program, version_words

_SETTING = "toxiproxy.binary"
_TRIAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Delays:
    """What a platform has to delay packets with.

    Args:
        netem: whether the kernel has it, or nobody knows and the injection will tell.
        toxiproxy: the server's binary; None: there is none, for the reason ``missing``.
    """

    netem: bool = True
    toxiproxy: Path | None = None
    missing: str = ""


UNTRIED = Delays()
"""Where nobody has looked: the injection will tell."""


def delays_here(binary: str) -> Delays:
    """What this kernel has, and what *binary* (``toxiproxy.binary``) leads to.

    Raises:
        BadInput: a file that is not there, or no Toxiproxy.
    """
    found = find_toxiproxy(binary)
    return Delays(has_netem(), found, "" if found else missing_program(_SETTING, binary))


def in_image(delays: Delays, binary: str, image: str) -> Delays:
    """*delays* in the words of a cluster where *image* is what runs the server *binary*."""
    why = f"there is no {binary!r} in PATH of {image}; name an image that has it with --set images.harness=…"
    return replace(delays, missing=why if delays.missing else "")


def find_toxiproxy(binary: str) -> Path | None:
    """The ``toxiproxy-server`` to run; None when the name is not in PATH.

    Raises:
        BadInput: a file that is not there or does not run, or is not Toxiproxy.
    """
    found = find_program(_SETTING, binary, "toxiproxy-server")
    # What merely lies in PATH spoils no run that does not ask for it: it is found out when it is started.
    if found is not None and "/" in binary:
        version_words(found, "toxiproxy-server", "Toxiproxy")
    return found


def has_netem() -> bool:
    """Whether the kernel delays packets, found out by doing it once in a network that is gone at once."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    delay = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    argv = ["unshare", *user, "--net", "--", *delay]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_TRIAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
