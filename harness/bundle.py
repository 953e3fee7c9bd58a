"""Where the data that comes with the harness lies: in a checkout beside it, in a wheel inside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def fixtures() -> Path:
    """The folder of stacks and artefact locks."""
    return _data("fixtures")


def scenarios() -> Path:
    """The folder of scenarios."""
    return _data("scenarios")


def _data(name: str) -> Path:
    bundled = _PACKAGE / "bundled" / name
    return bundled if bundled.is_dir() else _PACKAGE.parent / name
