"""DuckDB, as far as the second count needs it: tables in memory, and how many rows a statement gives."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from harness.findings import MAX_WITNESSES

Database = duckdb.DuckDBPyConnection


@contextmanager
def opened(tables: dict[str, pa.Table]) -> Iterator[Database]:
    """*tables* in a database of their own; what memory cannot hold spills to a folder that is removed."""
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(":memory:") as database:
        database.execute("SET temp_directory = ?", [spill])
        database.execute("SET preserve_insertion_order = false")
        database.execute("SET enable_external_access = false")
        for name, table in tables.items():
            database.register(name, table)
        yield database


def answer(database: Database, statement: str, columns: str) -> tuple[int, list[tuple[int | None, ...]]]:
    """How many rows *statement* gives, and the smallest of them."""
    asked = f"SELECT count(*) OVER (), {columns} FROM ({statement}) ORDER BY {columns} LIMIT {MAX_WITNESSES}"  # noqa: S608
    rows = [
        tuple(None if cell is None else int(cell) for cell in row)
        for row in database.execute(asked).fetchall()
    ]
    return int(rows[0][0] or 0) if rows else 0, [row[1:] for row in rows]
