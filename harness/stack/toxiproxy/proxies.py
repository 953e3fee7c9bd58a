"""What faults may know of proxies that stand between nodes and their clients for a whole run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


class Delayer(Protocol):
    """A proxy that stands between a node and its clients for the whole run, and can delay its answers."""

    @property
    def port(self) -> int:
        """Where clients of the node connect; its own ports are as prompt as ever."""
        ...

    def commands(self, ms: int) -> tuple[str, ...]:
        """What ``delay`` asks, as a person would paste it; with 0 ms what ``free`` asks."""
        ...

    def delay(self, ms: int) -> None:
        """Delay what the node answers to clients; raises StackError."""
        ...

    def free(self) -> None:
        """Delay nothing any more; idempotent; raises StackError."""
        ...

    def delayed(self) -> int:
        """By how many milliseconds it says that it delays; raises StackError."""
        ...


@runtime_checkable
class HasProxies(Protocol):
    """A stack whose clients are led through proxies."""

    @property
    def proxies(self) -> Mapping[str, Delayer]:
        """The proxy in front of each node that has one, by the node's name."""
        ...
