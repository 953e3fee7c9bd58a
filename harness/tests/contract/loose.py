"""What whole runs are given on a machine that may be small and busy; guarantees stay as strict as ever."""

from __future__ import annotations

from configparser import ConfigParser

from harness.tests.source import ROOT

_tox = ConfigParser(interpolation=None)
_tox.read(ROOT / "tox.ini")
SETTINGS = tuple(_tox["testenv:scenarios"]["loose"].replace("--harness-set", "").split())
"""Those of the test command's own drills: ``budgets.latency_p99_ms=60000``."""
LOOSE = tuple(word for setting in SETTINGS for word in ("--set", setting))
"""The same as words of a command line."""
