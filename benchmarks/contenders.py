"""A million rows of ten columns, held in four ways: gridbus, a list of dicts, SQLite, polars.

Each function runs in an interpreter of its own. It reads the same generator, whose own time is measured first and taken
off; it checks that each cell has its column's type and that no id comes twice, as gridbus does; sorting yields all rows
in order (largest first, empty last, ties as they came), filtering all rows that pass.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from time import perf_counter
from typing import Any

from benchmarks.isolated import peak_bytes

COLUMNS: dict[str, type] = {
    "id": int,
    "carrier": str,
    "flight": str,
    "day": date,
    "at": datetime,
    "delay": float,
    "distance": int,
    "price": float,
    "late": bool,
    "remark": str,
}
_CARRIERS = ("AA", "AS", "B6", "DL", "F9", "HA", "NK", "OO", "UA", "WN", "YX", "MQ")
_WANTED = ("UA", "AA")
_REPEATS = 5  # of sorting and filtering, of which the fastest counts: what disturbs only slows
_DAY, _AT = date(2013, 1, 1), datetime(2013, 1, 1)

Result = dict[str, Any]


def make_rows(count: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows that are the same in each run: some cells empty, some values shared, most not."""
    for i in range(count):
        mixed = i * 2_654_435_761 % 4_294_967_296
        delay = None if mixed % 37 == 0 else (mixed % 20_000) / 8 - 500.5
        yield (
            i + 1,
            _CARRIERS[mixed % 12],
            f"F{mixed % 10_000:04}",
            _DAY + timedelta(days=mixed % 365),
            _AT + timedelta(minutes=mixed % 525_600),
            delay,
            mixed % 4_000,
            (mixed % 100_000) / 64,
            delay is not None and delay > 15,
            None if mixed % 5 else f"remark {i}",
        )


def held_in_gridbus(count: int) -> Result:
    """Load, sort and filter a grid."""
    from gridbus.bus import Bus
    from gridbus.grid import Column, ColumnType, Grid
    from gridbus.query import And, Compare, In, SortKey

    names = {int: "INT", str: "TEXT", date: "DATE", datetime: "DATETIME", float: "FLOAT", bool: "BOOL"}
    columns = [Column(name, ColumnType[names[kind]]) for name, kind in COLUMNS.items()]
    where = And((Compare("delay", "gt", 60), In("carrier", _WANTED)))

    async def work(watch: _Watch) -> Result:
        async with Bus() as bus, Grid(bus, id_column="id") as grid:
            with watch.step("load"):
                await grid.load(columns, make_rows(count))
            watch.loaded()
            for _ in range(_REPEATS):
                with watch.step("sort"):
                    await grid.sort(SortKey("delay", desc=True))
                    ordered = await grid.snapshot()
                first = [int(row.id) for row in list(ordered)[:3]]
                del ordered
                await grid.sort()
            for _ in range(_REPEATS):
                with watch.step("filter"):
                    passing = await grid.filter(where)
                await grid.filter(None)
            return watch.result(len(grid), first, passing)

    watch = _Watch(count)
    return asyncio.run(work(watch))


def held_in_dicts(count: int) -> Result:
    """Load, sort and filter a list of dicts, and a set of ids."""
    watch = _Watch(count)
    kinds, names = list(COLUMNS.values()), list(COLUMNS)
    rows: list[dict[str, Any]] = []
    seen: set[int] = set()
    with watch.step("load"):
        for number, row in enumerate(make_rows(count), 1):
            if len(row) != len(names):
                raise ValueError(f"row {number} has {len(row)} cells")
            for name, kind, cell in zip(names, kinds, row, strict=True):
                if cell is not None and (type(cell) is not kind or cell != cell):
                    raise ValueError(f"row {number}, column {name}: {cell!r}")
            if row[0] in seen:
                raise ValueError(f"row {number}: the id {row[0]} is taken")
            seen.add(row[0])
            rows.append(dict(zip(names, row, strict=True)))
    watch.loaded()
    for _ in range(_REPEATS):
        with watch.step("sort"):
            ordered = sorted(rows, key=lambda row: -math.inf if row["delay"] is None else row["delay"], reverse=True)
        first = [row["id"] for row in ordered[:3]]
        del ordered
    for _ in range(_REPEATS):
        with watch.step("filter"):
            passing = [row for row in rows if (v := row["delay"]) is not None and v > 60 and row["carrier"] in _WANTED]
    return watch.result(len(rows), first, len(passing))


def held_in_sqlite(count: int) -> Result:
    """Load, sort and filter a strict table in memory; dates are text there, booleans integers."""
    watch = _Watch(count)
    types = {int: "INTEGER", str: "TEXT", date: "TEXT", datetime: "TEXT", float: "REAL", bool: "INTEGER"}
    columns = ", ".join(f'"{name}" {types[kind]}' for name, kind in COLUMNS.items() if name != "id")
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE rows (id INTEGER PRIMARY KEY, {columns}) STRICT")
    plain = ((*row[:3], row[3].isoformat(), row[4].isoformat(), *row[5:]) for row in make_rows(count))
    with watch.step("load"):
        database.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})", plain)
        database.commit()
    watch.loaded()
    for _ in range(_REPEATS):
        with watch.step("sort"):
            ordered = database.execute("SELECT id FROM rows ORDER BY delay DESC NULLS LAST, rowid").fetchall()
        first = [row[0] for row in ordered[:3]]
        del ordered
    for _ in range(_REPEATS):
        with watch.step("filter"):
            question = "SELECT id FROM rows WHERE delay > 60 AND carrier IN (?, ?)"
            passing = database.execute(question, _WANTED).fetchall()
    total = database.execute("SELECT count(*) FROM rows").fetchone()[0]
    return watch.result(total, first, len(passing))


def held_in_polars(count: int) -> Result:
    """Load, sort and filter a data frame; it has no ids that must be unique, so that is checked once."""
    import polars as pl

    types = {
        int: pl.Int64, str: pl.String, date: pl.Date, datetime: pl.Datetime("us"), float: pl.Float64, bool: pl.Boolean
    }  # fmt: skip
    watch = _Watch(count)
    schema = {name: types[kind] for name, kind in COLUMNS.items()}
    with watch.step("load"):
        frame = pl.DataFrame(list(make_rows(count)), schema=schema, orient="row", strict=True)
        if frame["id"].n_unique() != frame.height:
            raise ValueError("an id is taken")
    watch.loaded()
    for _ in range(_REPEATS):
        with watch.step("sort"):
            ordered = frame.sort("delay", descending=True, nulls_last=True, maintain_order=True)
        first = ordered["id"][:3].to_list()
        del ordered
    for _ in range(_REPEATS):
        with watch.step("filter"):
            passing = frame.filter((pl.col("delay") > 60) & pl.col("carrier").is_in(list(_WANTED)))
    return watch.result(frame.height, first, passing.height)


CONTENDERS: dict[str, Callable[[int], Result]] = {
    "gridbus": held_in_gridbus,
    "list of dicts": held_in_dicts,
    "SQLite in memory": held_in_sqlite,
    "polars": held_in_polars,
}


class _Watch:
    """Times the steps, and remembers the memory."""

    def __init__(self, count: int) -> None:
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._base = self._after_load = peak_bytes()
        began = perf_counter()
        deque(make_rows(count), maxlen=0)
        self._making = perf_counter() - began

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        gc.collect()
        began = perf_counter()
        yield
        self._seconds[name].append(perf_counter() - began)

    def loaded(self) -> None:
        """Note how much memory the load took, at its peak."""
        self._after_load = peak_bytes()

    def result(self, rows: int, first: list[int], passing: int) -> Result:
        """Return times without that of making the rows, memory over that before, and what all must agree on."""
        seconds = {name: min(times) for name, times in self._seconds.items()}
        seconds["load"] -= self._making
        return {
            **seconds,
            "load_bytes": self._after_load - self._base,
            "peak_bytes": peak_bytes() - self._base,
            "answer": [rows, *first, passing],
        }
