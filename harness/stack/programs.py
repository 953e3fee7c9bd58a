"""Programs that do not come with the harness: found by name or path, and proven to be what they should be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from harness.errors import BadInput

_SECONDS = 30


def find_program(setting: str, binary: str, program: str) -> Path | None:
    """The *program* to run: a name is looked up in PATH, anything with a slash is a file.

    Returns:
        None when the name is not in PATH.

    Raises:
        BadInput: a file that *setting* names and that is not there or cannot be executed.
    """
    if "/" not in binary:
        found = shutil.which(binary)
        return None if found is None else Path(found)
    path = Path(binary).expanduser()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise BadInput(
            f"{setting} {binary!r} is not a program",
            why="no executable file",
            fix=f"give the path of {program}",
        )
    return path.absolute()


def missing_program(setting: str, binary: str) -> str:
    """Why what needs it is not executed, for the report."""
    return f"there is no {binary!r} in PATH; give it with --set {setting}=PATH"


def version_words(program: Path, first: str, kind: str) -> list[str]:
    """What its ``--version`` says, word by word; the first one must be *first*.

    Raises:
        BadInput: it does not run, or is no *kind*.
    """
    argv = [str(program), "--version"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"{program} does not run", why=str(error)) from error
    words = done.stdout.split()
    if done.returncode or words[:1] != [first]:
        said = (done.stdout or done.stderr).strip().splitlines()
        raise BadInput(f"{program} is not {kind}", why=f"--version says {said[0] if said else 'nothing'!r}")
    return words
