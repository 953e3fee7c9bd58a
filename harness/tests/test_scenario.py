"""A file of scenarios that cannot be imported is the user's to mend, whatever it raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.scenario import discover


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("int('--set')", "ValueError"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_imported_is_bad_input(tmp_path: Path, text: str, told: str) -> None:
    """The sentence names the file and what was raised; it is no defect of the harness."""
    (tmp_path / "mine.py").write_text(text)

    with pytest.raises(BadInput, match=rf"mine\.py cannot be imported: .*{told}"):
        discover(tmp_path)
