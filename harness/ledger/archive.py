"""Reads the archive back: every object under a prefix to rows of the ``objects`` and ``archive`` tables.

Nothing is passed over in silence: an object that cannot be read, unpacked or parsed is a row with a
``flaw``, and what could be read of it still counts as archived. Uploads in progress and the file sink's own
scratch objects (``_…_tmp_…``) are no objects of the archive; they are counted.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from harness.ledger import schema
from harness.ledger.gunzip import Gunzip
from harness.ledger.lines import Lines, parse
from harness.ledger.scan import breaks
from harness.ledger.tables import TableWriter
from harness.rundir import RunDirectory
from harness.s3 import Listed, ObjectError, S3Client

Ints = npt.NDArray[np.int64]

AHEAD = 4
"""Objects fetched while one is parsed."""

_BLOCK = 256 * 1024
"""Bytes of text parsed at once; what fits the processor's cache is twice as fast."""

_SCRATCH = re.compile(r"(^|/)_[^/]*_tmp_[^/]*\Z")


@dataclass(frozen=True, slots=True)
class ArchiveCounts:
    """What the reader counted: the ``counts`` of the hop's ``HopRead``.

    ``records`` are good lines; ``uploads`` multipart uploads in progress; ``scratch`` the file sink's own.
    """

    objects: int = 0
    bytes: int = 0
    lines: int = 0
    records: int = 0
    flawed: int = 0
    unreadable: int = 0
    uploads: int = 0
    scratch: int = 0

    def by_name(self) -> dict[str, int]:
        """Every count under its name."""
        return asdict(self)


@dataclass(slots=True)
class Scanned:
    """One object's runs of records, and what is wrong with it."""

    lines: int = 0
    records: int = 0
    flaws: list[str] = field(default_factory=list)
    runs: list[tuple[Ints, Ints, Ints, Ints]] = field(default_factory=list)
    """(first_line, partition, first_offset, count) of each block's runs."""

    @property
    def flaw(self) -> str:
        """The first flaw and how many more there are; "" when all is well."""
        more = f" (and {len(self.flaws) - 1:,} more)" if len(self.flaws) > 1 else ""
        return self.flaws[0] + more if self.flaws else ""


def read_archive(client: S3Client, bucket: str, prefix: str, directory: RunDirectory) -> ArchiveCounts:
    """Read every object of *bucket* whose name begins with *prefix* into the ledger.

    Raises:
        ObjectError: the bucket cannot be listed.
        MissingAbility: the disk is full.
    """
    listed = client.objects(bucket, prefix)
    kept = [each for each in listed if not _SCRATCH.search(each.name)]
    uploads = len(client.uploads(bucket, prefix))
    store = _Store(directory, bucket)
    try:
        for number, (each, body) in enumerate(_bodies(client, bucket, kept)):
            store.keep(number, each, body)
    finally:
        store.close()
    return store.counts(uploads=uploads, scratch=len(listed) - len(kept))


def scan_object(body: bytes) -> Scanned:
    """Unpack and parse one object."""
    scanned, rest, text = Scanned(), b"", Gunzip(body)
    for piece in text:
        rest = _blocks(scanned, rest + piece)
    if text.flaw:
        scanned.flaws.append(text.flaw)
    if rest:
        scanned.lines += 1
        scanned.flaws.append(f"torn line: line {scanned.lines}")
    return scanned


def _blocks(scanned: Scanned, text: bytes) -> bytes:
    """Parse all whole lines of *text*; returns the rest."""
    start = 0
    while (end := text.rfind(b"\n", start, start + _BLOCK) + 1) or (end := text.find(b"\n", start) + 1):
        _add(scanned, parse(text[start:end], scanned.lines + 1))
        start = end
    return text[start:]


def _add(scanned: Scanned, found: Lines) -> None:
    scanned.lines += found.lines
    scanned.records += len(found.number)
    scanned.flaws += found.flaws
    cuts = breaks(found.partition, consecutive=(found.offset, found.number))
    counts = np.diff(np.append(cuts, len(found.number)))
    scanned.runs.append((found.number[cuts], found.partition[cuts], found.offset[cuts], counts))


def _bodies(
    client: S3Client, bucket: str, listed: Iterable[Listed]
) -> Iterator[tuple[Listed, bytes | ObjectError]]:
    """Every object with its body, or why there is none; a few are fetched ahead."""
    waiting: deque[tuple[Listed, Future[bytes | ObjectError]]] = deque()
    with ThreadPoolExecutor(AHEAD) as pool:
        for each in listed:
            waiting.append((each, pool.submit(_body, client, bucket, each.name)))
            if len(waiting) > AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _body(client: S3Client, bucket: str, name: str) -> bytes | ObjectError:
    try:
        return client.get(bucket, name)
    except ObjectError as error:
        return error


class _Store:
    """Writes both tables and counts."""

    def __init__(self, directory: RunDirectory, bucket: str) -> None:
        self._folder, self._bucket = directory.ledger, bucket
        self._archive = TableWriter(directory.ledger, "archive", schema.ARCHIVE)
        self._objects = TableWriter(directory.ledger, "objects", schema.OBJECTS)
        self._counted = dict.fromkeys(ArchiveCounts().by_name(), 0)

    def keep(self, number: int, listed: Listed, body: bytes | ObjectError) -> None:
        scanned = self._scanned(listed, body)
        for first_line, partition, first_offset, count in scanned.runs:
            numbers = np.full(len(count), number)
            self._archive.add_columns(numbers, first_line, partition, first_offset, count)
        self._objects.add(number, self._bucket, listed.name, listed.bytes, scanned.lines, scanned.flaw)
        self._count(objects=1, bytes=listed.bytes, lines=scanned.lines, records=scanned.records)
        self._count(flawed=bool(scanned.flaws), unreadable=not isinstance(body, bytes))

    def _scanned(self, listed: Listed, body: bytes | ObjectError) -> Scanned:
        if isinstance(body, ObjectError):
            return Scanned(flaws=[f"unreadable: {body.why}"])
        scanned = scan_object(body)
        if len(body) != listed.bytes:
            scanned.flaws.append(f"{len(body)} bytes, listed with {listed.bytes}")
        return scanned

    def _count(self, **counts: int) -> None:
        for name, count in counts.items():
            self._counted[name] += count

    def close(self) -> None:
        self._archive.close()
        self._objects.close()

    def counts(self, *, uploads: int, scratch: int) -> ArchiveCounts:
        return ArchiveCounts(**{**self._counted, "uploads": uploads, "scratch": scratch})
