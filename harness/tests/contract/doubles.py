"""Which Toxiproxy a test uses: the real one where there is one, and a double everywhere."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

REAL = shutil.which("toxiproxy-server")
BOTH = (
    "double",
    pytest.param(
        "real", marks=pytest.mark.skipif(REAL is None, reason="there is no 'toxiproxy-server' in PATH")
    ),
)


def double(folder: Path) -> Path:
    """The double as a program in *folder*."""
    path = folder / "toxiproxy-server"
    code = Path(__file__).with_name("toxiproxy_double.py")
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -S {code} "$@"\n')
    path.chmod(0o755)
    return path


def server(kind: str, folder: Path) -> Path:
    """The program of that *kind*, one of ``BOTH``."""
    return Path(REAL) if kind == "real" and REAL else double(folder)
