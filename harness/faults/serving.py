"""Whether what a fault took away serves again: the end of many a healing."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import StackError
from harness.faults.mechanism import Seen
from harness.stack.seams import Service, Supervised


def all_serve(services: Mapping[str, Service], seconds: float) -> Seen:
    """Whether every one of *services* serves again; waits *seconds* for each."""
    words = []
    for name, service in services.items():
        try:
            words.append(f"{name}: {service.wait_ready(seconds)}")
        except StackError as error:
            return Seen(ok=False, words=f"{name} does not serve: {error.sentence()}")
    return Seen(ok=True, words="; ".join(words))


def serves_in_its_place(service: Service, seconds: float) -> str:
    """What took the place of a process that ended under its fault; where nobody starts it again, nothing.

    A kubelet kills what does not answer it, and an operator that lost its lease ends by itself: then healing
    is over when the one after it serves.

    Raises:
        StackError: there is none in time, or it does not serve within *seconds*.
    """
    if not isinstance(service, Supervised):
        return "target gone"
    service.start()
    return f"target gone, {service.supervisor} started it again, {service.wait_ready(seconds)}"
