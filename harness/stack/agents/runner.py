"""The first process of the pod that a run happens in: ``python -m harness.stack.agents.runner COMMAND…``.

It runs the command and prints what that says, line by line, each with a digit before it: 1 for the output, 2
for the errors. When the command has ended the last line is ``0`` and its exit code. Then it waits until the
run's directory has been brought home, for a pod that has ended gives nothing away; after a while it ends
anyhow, and the run's Job ends with it. ``tell NUMBER`` as its command sends that signal to the command of the
first process; ``done`` ends the waiting. Standard library only.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

WAIT_SECONDS = 1800.0
_DONE = signal.SIGUSR1
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def keep(argv: Sequence[str], *, wait_seconds: float = WAIT_SECONDS) -> int:
    """Run *argv*, and wait to be done; returns its exit code (128+n: killed by signal n)."""
    # A handler may strike while the main thread waits, and must not need a lock that it holds.
    done, tell = os.pipe()
    signal.signal(_DONE, lambda *_: _wake(tell))
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0)
    for number in _FORWARDED:
        signal.signal(number, lambda received, _: _forward(child, received))
    assert child.stdout is not None
    assert child.stderr is not None
    lock = threading.Lock()
    pipes = [
        threading.Thread(target=_pass, args=(number, pipe, lock))
        for number, pipe in ((1, child.stdout), (2, child.stderr))
    ]
    for each in pipes:
        each.start()
    code = child.wait()
    for each in pipes:
        each.join()
    code = code if code >= 0 else 128 - code
    for number in _FORWARDED:
        signal.signal(number, lambda *_: _wake(tell))  # the pod is deleted: nothing to wait for
    _print(f"0{code}", lock)
    select.select([done], [], [], wait_seconds)
    return code


def _wake(tell: int) -> None:
    os.write(tell, b".")


def _forward(child: subprocess.Popen[bytes], number: int) -> None:
    if child.poll() is None:
        child.send_signal(number)


def _pass(number: int, pipe: IO[bytes], lock: threading.Lock) -> None:
    for line in pipe:
        _print(f"{number}{line.decode(errors='replace').rstrip()}", lock)


def _print(line: str, lock: threading.Lock) -> None:
    with lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Keep a command, or tell the one that is kept."""
    match argv:
        case ["tell", number]:
            os.kill(1, int(number))
            return 0
        case ["done"]:
            os.kill(1, _DONE)
            return 0
        case _:
            return keep(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
