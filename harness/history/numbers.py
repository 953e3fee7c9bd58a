"""Numbers for whatever a history names: small and dense, so that they may size arrays and be packed."""

from __future__ import annotations

from typing import Final

from harness.history.claims import Impossible
from harness.history.columns import NONE

MOST: Final = 2**20
"""How many of a kind a history may name: with an offset, or with each other, two make one 64-bit integer."""


class Numbers:
    """Names in the order in which they came.

    Args:
        what: what they name, in the plural, for the error.
        most: how many there may be.
    """

    def __init__(self, what: str, most: int = MOST) -> None:
        self.known: dict[object, int] = {}
        self._what, self._most = what, most

    def of(self, name: object) -> int:
        """The number of *name*, a new one if it is new.

        Raises:
            Impossible: there are too many.
        """
        number = self.known.setdefault(name, len(self.known))
        if number >= self._most:
            raise Impossible(self._what, f"there are more than {self._most:,}")
        return number

    def named(self, name: str) -> int:
        """The same; ``NONE`` for no name."""
        return self.of(name) if name else NONE
