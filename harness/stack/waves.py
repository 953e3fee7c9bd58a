"""The order in which the services of a stack start, where nobody starts one again that came too early."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from harness.errors import StackError
from harness.stack.booted import BootedStack
from harness.stack.seams import LoggedService
from harness.stack.vector.component import VectorAgent

_BOOT_S = 60.0


def start_in_order(stack: BootedStack, boot_s: float = _BOOT_S) -> None:
    """Start every service, and return when all of them serve; each wave has *boot_s* seconds.

    Raises:
        BadInput: the metrics agent refuses its configuration.
        StackError: one did not come up; carries the last words of those that died.
    """
    needed, beside, leading, later = _waves(stack)
    _start(stack, (*needed, *beside))
    _await(stack, needed, boot_s)
    if isinstance(stack.agent, VectorAgent):
        stack.agent.check()  # looks for its bucket, too
    _start(stack, leading)
    _await_listening(stack, leading, boot_s)
    _start(stack, later)
    _await(stack, (*beside, *leading, *later), boot_s)


def _waves(stack: BootedStack) -> tuple[tuple[str, ...], ...]:
    """Those that others keep their state in, brokers beside them, those to register with, and the rest."""
    by_role = {name: stack.nodes[name].role for name in stack.services}
    waves = ({"s3", "zookeeper"}, {"broker"}, {"jobmanager"})
    first = tuple(tuple(name for name, role in by_role.items() if role in roles) for roles in waves)
    return *first, tuple(name for name, role in by_role.items() if role not in set().union(*waves))


def _start(stack: BootedStack, names: Iterable[str]) -> None:
    for name in names:
        stack.services[name].start()


def _await(stack: BootedStack, names: Iterable[str], boot_s: float) -> None:
    for name in names:
        with _explained(stack):
            if stack.nodes[name].role == "broker":
                stack.roles.wait_for_brokers(boot_s)
            else:
                stack.services[name].wait_ready(boot_s)


def _await_listening(stack: BootedStack, names: Iterable[str], boot_s: float) -> None:
    # A TaskManager that finds no JobManager asks again only ten seconds later.
    for name in names:
        with _explained(stack):
            stack.services[name].wait_listening(boot_s)


@contextlib.contextmanager
def _explained(stack: BootedStack) -> Iterator[None]:
    """An error inside is told with the last words of every service that died."""
    try:
        yield
    except StackError as error:
        dead = [f"{name}: {s.log_tail()}" for name, s in stack.services.items() if _has_died(s)]
        why = "; ".join(dead) or error.why
        raise StackError(error.what, why=why, fix=f"see {stack.logs}") from error


def _has_died(service: LoggedService) -> bool:
    try:
        return not service.process.is_alive()
    except StackError:
        return False  # it was never started
