"""Commands in a node's network, whoever runs them: this machine, or somebody on the node's own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from harness.errors import FaultError, MissingAbility
from harness.stack.seams import Done, Node, Remote


def run_at(node: Node, argv: Sequence[str], text: str = "", *, seconds: float) -> Done:
    """What *argv* says in the network of *node*, with *text* on its standard input.

    Raises:
        MissingAbility: there is no such program here.
        FaultError: it took longer than *seconds*, or nobody could run it.
    """
    if isinstance(node, Remote):
        return node.run(argv, text)
    try:
        done = subprocess.run(
            node.enter(argv), input=text, capture_output=True, text=True, check=False, timeout=seconds
        )
    except FileNotFoundError as error:
        what = f"there is no {error.filename} here"
        raise MissingAbility(what, fix="harness doctor names the package") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        why = (
            f"no answer within {seconds:g} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        )
        raise FaultError(f"{argv[0]} did not run at {node.name}", why=why) from error
    return Done(done.returncode, done.stdout, done.stderr)
