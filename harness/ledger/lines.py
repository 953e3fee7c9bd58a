"""Archive lines as bytes to columns: fast where they have the job's exact shape, else by a JSON parser.

The job writes ``{"p":P,"o":O,"id":"A/B/C","k":K,"t":T,"v":V}`` and a newline, without spaces. In such lines
everything but the digits is the same, so one comparison proves the shape of a whole block of lines, and the
places of what is no digit are the borders of the numbers. A block with any other line goes through
``json``, line by line, and every line that is none is told by its number.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_TEMPLATE = np.frombuffer(b'{"p":,"o":,"id":"//","k":,"t":,"v":}\n', np.uint8)
_BEFORE = np.asarray([4, 9, 16, 17, 18, 24, 29, 34])
"""Which character of the template stands before each number: p, o, A, B, C, k, t, v."""
_PARTITION, _OFFSET, _NAMED = 0, 1, 3
_WIDEST, _WIDEST_PARTITION = 18, 9
"""Digits that an int64 surely holds, and an int32."""
_KEYS = ("p", "o", "id", "k", "t", "v")
_ID = re.compile(r"\d{1,18}/(\d{1,18})/\d{1,18}\Z")
_ZERO = ord("0")


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The good lines of a block: number (from 1), partition and offset; and what is wrong with the others."""

    number: Ints
    partition: Ints
    offset: Ints
    flaws: tuple[str, ...]
    lines: int


def parse(block: bytes, first: int) -> Lines:
    """The lines of *block*, which ends with a newline; the first one has number *first*."""
    fast = _exact(np.frombuffer(block, np.uint8))
    if fast is None:
        return _slow(block, first)
    partition, offset, named = fast
    number = np.arange(first, first + len(partition), dtype=np.int64)
    strange = np.flatnonzero(partition != named)
    if not len(strange):
        return Lines(number, partition, offset, (), len(number))
    flaws = tuple(_misplaced(first + row, int(named[row]), int(partition[row])) for row in strange.tolist())
    kept = np.delete(np.arange(len(number)), strange)
    return Lines(number[kept], partition[kept], offset[kept], flaws, len(number))


def _exact(text: Bytes) -> tuple[Ints, Ints, Ints] | None:
    """Partition, offset and the partition in the id of each line; None when any line has another shape."""
    # Wraps below zero, so one comparison finds what is no digit.
    borders = np.flatnonzero((text - np.uint8(_ZERO)) > 9)
    width = len(_TEMPLATE)
    rows, rest = divmod(len(borders), width)
    if rest or not rows or not (text[borders].reshape(rows, width) == _TEMPLATE).all():
        return None
    places = borders.reshape(rows, width)
    starts, ends = places[:, _BEFORE] + 1, places[:, _BEFORE + 1]
    sizes = ends - starts
    fits = sizes.min() >= 1 and sizes.max() <= _WIDEST and sizes[:, _PARTITION].max() <= _WIDEST_PARTITION
    # Digits may stand in no other place: the numbers make up the whole rest of each line.
    whole = (sizes.sum(axis=1) + width == np.diff(places[:, -1], prepend=-1)).all()
    if not (fits and whole) or _leading_zeros(text, starts, sizes):
        return None
    wanted = (_PARTITION, _OFFSET, _NAMED)
    partition, offset, named = (_numbers(text, ends[:, each], sizes[:, each]) for each in wanted)
    return partition, offset, named


def _leading_zeros(text: Bytes, starts: Ints, sizes: Ints) -> bool:
    """Whether a number begins with a zero that JSON does not allow."""
    return bool(((text[starts] == _ZERO) & (sizes > 1)).any())


def _numbers(text: Bytes, ends: Ints, sizes: Ints) -> Ints:
    """The numbers whose digits end before *ends*."""
    found = np.zeros(len(ends), np.int64)
    for place in range(int(sizes.max())):
        digits = text[ends - 1 - np.minimum(place, sizes - 1)].astype(np.int64) - _ZERO
        found += np.where(place < sizes, digits, 0) * 10**place
    return found


def _slow(block: bytes, first: int) -> Lines:
    good: list[tuple[int, int, int]] = []
    flaws: list[str] = []
    lines = block[:-1].split(b"\n")
    for number, line in enumerate(lines, first):
        found = _one(line, number)
        if isinstance(found, str):
            flaws.append(found)
        else:
            good.append((number, *found))
    columns = np.asarray(good, np.int64).reshape(-1, 3)
    return Lines(columns[:, 0], columns[:, 1], columns[:, 2], tuple(flaws), len(lines))


def _one(line: bytes, number: int) -> tuple[int, int] | str:
    """Partition and offset of a line, or what is wrong with it."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return f"not JSON: line {number}"
    if not isinstance(told, dict) or tuple(told) != _KEYS:
        return f"other keys: line {number}"
    numbers = [told[key] for key in _KEYS if key != "id"]
    named = _ID.match(told["id"]) if isinstance(told["id"], str) else None
    if named is None or not all(type(each) is int and abs(each) < 10**_WIDEST for each in numbers):
        return f"not numbers: line {number}"
    partition, offset = told["p"], told["o"]
    if not 0 <= partition < 10**_WIDEST_PARTITION or offset < 0:
        return f"not numbers: line {number}"
    if partition != int(named[1]):
        return _misplaced(number, int(named[1]), partition)
    return partition, offset


def _misplaced(number: int, named: int, partition: int) -> str:
    return f"id of partition {named} under partition {partition}: line {number}"
