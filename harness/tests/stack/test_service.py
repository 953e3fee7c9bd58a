"""One process on one node, before it is ever started; its life is told by the contract tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import StackError
from harness.stack.namespaces.netns import NamespaceNode
from harness.stack.service import NodeService


def test_what_was_never_started_has_no_process(tmp_path: Path) -> None:
    """Nobody is killed, wiped or waited for in its place."""
    node = NamespaceNode("jobmanager-1", "jobmanager", "198.18.0.31", (8081,))
    service = NodeService(
        node, ["true"], environment={}, disk=tmp_path, logs=tmp_path, ready=lambda _: "ready"
    )

    for use in (lambda: service.process, service.wipe, lambda: service.wait_ready(1.0)):
        with pytest.raises(StackError, match="jobmanager-1 was never started"):
            use()
    assert service.disk == tmp_path
