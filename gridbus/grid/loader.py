"""Makes many rows ready for a grid: checks, ids, tuples; in bulk where they fit, one by one where they do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias

from gridbus.errors import ColumnError, DuplicateRow, GridError, ValueRejected
from gridbus.events.grid import Column, ColumnType
from gridbus.grid.offload import Between
from gridbus.grid.schema import Schema
from gridbus.grid.store import IdCounter, store_many
from gridbus.grid.values import Cells, cell_text, described, fit, infer_type

RawRow: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""A row as it comes: cells by column name, or in column order."""

MOST_PROBLEMS = 20
"""How many problems are told apart; the others are counted."""

_CHUNK = 4_096


class Loader:
    """Reads rows into a dictionary as the store holds them; made for one load, and run in a thread if it is long."""

    def __init__(self, schema: Schema | None, id_column: str | None, counter: IdCounter, *, skip_bad: bool) -> None:
        """Prepare.

        Args:
            schema: the columns; None finds them in the rows, which are mappings then.
            id_column: the column that the ids are read from; None numbers the rows.
            counter: gives the numbers.
            skip_bad: leave out rows that do not fit, instead of refusing them all.
        """
        self.schema = schema or Schema()
        self._is_known = schema is not None
        self._id_column, self._counter, self._skip_bad = id_column, counter, skip_bad
        self._id_position: int | None = None
        self._claimed: list[range] = []
        self._seen = 0
        self.rows: dict[str, Cells] = {}
        self.skipped = 0
        self.problems: list[str] = []

    def read(self, rows: Iterable[RawRow], ids: Iterable[str] | None, between: Between) -> None:
        """Read all rows; ``between`` is called every few milliseconds.

        Args:
            rows: the rows.
            ids: the id of each, where the source has them as text; otherwise they are read from the id column, or
                numbers.
            between: see ``Between``.

        Raises:
            ColumnError, ValueRejected, DuplicateRow: a row does not fit, and bad rows are not to be skipped.
            GridError: there are fewer ids than rows.
        """
        if not self._is_known:
            rows = self._read_columns(rows, between)
        if self._id_column is not None:
            self._id_position = self.schema.position(self._id_column)
        given = None if ids is None else iter(ids)
        for chunk in _chunks(rows):
            between()
            some = None if given is None else list(islice(given, len(chunk)))
            if some is not None and len(some) < len(chunk):
                raise GridError(f"{self._where(self._seen + len(some))} has no id: there are fewer ids than rows")
            columns = self._fitting(chunk)
            if columns is None or not self._add(columns, some, len(chunk)):
                self._read_singly(chunk, some)
            self._seen += len(chunk)

    def give_back(self) -> None:
        """Return the numbers: the rows were not loaded."""
        for claimed in reversed(self._claimed):
            self._counter.give_back(claimed)

    def _read_columns(self, rows: Iterable[RawRow], between: Between) -> list[RawRow]:
        """Find the columns; return the rows, all of which have to be seen for that."""
        everything: list[RawRow] = []
        kinds: dict[str, set[type]] = {}
        for chunk in _chunks(rows):
            between()
            for index, row in enumerate(chunk):
                if not isinstance(row, Mapping):
                    where = self._where(len(everything) + index)
                    raise ColumnError(f"{where}: without columns a row is a mapping, not {described(row)}")
            for name in dict.fromkeys(chain.from_iterable(chunk)):
                kinds.setdefault(name, set()).update({type(row.get(name)) for row in chunk})  # type: ignore[union-attr]
            everything += chunk
        self.schema = Schema(Column(name, infer_type(found, name)) for name, found in kinds.items())
        return everything

    def _fitting(self, chunk: list[RawRow]) -> list[Sequence[Any]] | None:
        """Return the cells of some rows by column, as the columns store them; None where one does not fit."""
        schema = self.schema
        kinds = set(map(type, chunk))
        raw: list[Sequence[Any]]
        if kinds <= {tuple, list}:
            if set(map(len, chunk)) != {len(schema.names)}:
                return None
            raw = list(zip(*chunk, strict=True))
        elif kinds == {dict}:
            if not schema.index.keys() >= set(chain.from_iterable(chunk)):
                return None
            raw = [[row.get(name) for row in chunk] for name in schema.names]  # type: ignore[union-attr]
        else:
            return None
        try:
            return list(map(_fit_all, schema.columns, schema.exact, raw))
        except ValueError:
            return None

    def _add(self, columns: list[Sequence[Any]], ids: list[str] | None, count: int) -> bool:
        """Add rows, or none of them if ids are missing or taken."""
        if ids is None and self._id_position is None:
            ids = list(map(str, self._claim(count)))
        else:
            if ids is None:
                cells = columns[self._id_position or 0]
                if None in cells:
                    return False
                ids = list(map(cell_text, cells))
            if set(map(type, ids)) != {str} or "" in ids:
                return False
            if len(set(ids)) < count or not self.rows.keys().isdisjoint(ids):
                return False
        store_many(self.rows, list(zip(*columns, ids, strict=True)))
        return True

    def _read_singly(self, chunk: list[RawRow], ids: list[str] | None) -> None:
        """Read rows of which at least one does not fit."""
        for index, row in enumerate(chunk):
            where = self._where(self._seen + index)
            try:
                cells = self._cells(row, where)
                row_id = self._id(cells, where, None if ids is None else ids[index])
            except (GridError, ValueError) as error:
                if not self._skip_bad:
                    raise
                self.skipped += 1
                if len(self.problems) < MOST_PROBLEMS:
                    self.problems.append(str(error))
            else:
                self.rows[row_id] = (*cells, row_id)

    def _cells(self, row: RawRow, where: str) -> tuple[Any, ...]:
        names = self.schema.names
        if isinstance(row, Mapping):
            try:
                return self.schema.cells(row, where)
            except ColumnError as error:
                raise ColumnError(f"{where}: {error}") from None
        if isinstance(row, str | bytes) or not isinstance(row, Sequence):
            raise ValueRejected(f"{where}: a row is a mapping or a sequence of cells, not {described(row)}")
        if len(row) != len(names):
            raise ValueRejected(f"{where}: {len(row)} cells for {len(names)} columns")
        return self.schema.cells(dict(zip(names, row, strict=True)), where)

    def _id(self, cells: tuple[Any, ...], where: str, given: str | None) -> str:
        if given is None and self._id_position is None:
            return str(self._claim(1).start)
        row_id = given
        if given is None:
            cell = cells[self._id_position or 0]
            row_id = "" if cell is None else cell_text(cell)
        place = where if self._id_column is None else f"{where}, column {self._id_column!r}"
        if not isinstance(row_id, str) or not row_id:
            raise ValueRejected(f"{place}: a row's id must not be empty")
        if row_id in self.rows:
            taken = DuplicateRow(row_id)
            taken.args = (f"{place}: an earlier row has the id {row_id!r}",)
            raise taken
        return row_id

    def _claim(self, count: int) -> range:
        claimed = self._counter.claim(count)
        if self._claimed and self._claimed[-1].stop == claimed.start:
            claimed_so_far = self._claimed.pop()
            self._claimed.append(range(claimed_so_far.start, claimed.stop))
        else:
            self._claimed.append(claimed)
        return claimed

    @staticmethod
    def _where(index: int) -> str:
        return f"row {index + 1} of the data"


def _chunks(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    source = iter(rows)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def _fit_all(column: Column, exact: type, cells: Sequence[Any]) -> Sequence[Any]:
    """Return cells as the column stores them; ValueError where one does not fit."""
    kinds = set(map(type, cells))
    kinds.discard(type(None))
    if kinds <= {exact}:
        if column.type is not ColumnType.FLOAT:
            return cells
        total = sum(filter(None, cells))
        if total == total:  # no NaN among them
            return cells
    kind = column.type
    return [fit(kind, cell) for cell in cells]
