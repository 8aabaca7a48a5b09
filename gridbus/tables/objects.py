"""Gathers objects, whose keys may differ, into columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gridbus.tables.columns import Columns
from gridbus.tables.json_values import read_values
from gridbus.tables.names import Ids, Names
from gridbus.tables.reading import LEFT_OUT, Reading
from gridbus.tables.runs import written


class Objects:
    """A column per key, in the order in which keys are first seen; a row without a key is empty there."""

    def __init__(self, reading: Reading, id_column: str | None) -> None:
        self.columns = Columns()
        self.ids = None if id_column is None else Ids(reading, id_column)
        self._reading = reading
        self._keys: dict[str, None] = {}  # in order
        self._names: set[str] = set()  # of the columns
        self._nested: set[str] = set()  # keys that were seen to hold lists or objects

    def add(self, objects: Sequence[dict[str, Any]], line_of: Callable[[int], int]) -> None:
        """Add rows; ``line_of`` tells where one of them begins."""
        shapes = dict.fromkeys(map(tuple, objects))
        for shape in shapes:
            self._add_keys(shape, line_of)
        if self.ids is not None:
            key = self.ids.column
            kept = self.ids.take([written(values.get(key)) for values in objects], line_of)
            if kept is not None:
                objects, lines = [objects[index] for index in kept], [line_of(index) for index in kept]
                line_of = lines.__getitem__
        if not objects:
            return
        cells: Sequence[Sequence[Any]]
        if list(shapes) == [tuple(self._keys)]:
            cells = list(zip(*map(dict.values, objects), strict=True))
        else:
            cells = [[values.get(key) for values in objects] for key in self._keys]
        runs = self.columns.add_rows(len(objects), cells, read_values)
        self._reading.rows += len(objects)
        for key, run in zip(self._keys, runs, strict=True):
            if run.nested and key not in self._nested:
                self._nested.add(key)
                index = next(index for index, values in enumerate(objects) if isinstance(values.get(key), dict | list))
                message = f"{key!r} holds lists or objects; the column has them as JSON text"
                self._reading.note(line_of(index), message)

    def finish(self) -> None:
        """Check that there were rows, and a column for their ids.

        Raises:
            FileFormatError: there was no such column, or all that was there was left out.
        """
        if self.ids is not None and self._keys:
            self.ids.position(list(self._keys))
        reading = self._reading
        if not reading.rows and reading.skipped and reading.skipped == reading.problem_count:
            first = reading.problems[0]
            reason = first.message.removesuffix(LEFT_OUT)
            raise reading.error(f'no row was found, each is an object as in {{"name": "Ada"}}; {reason}', first.line)

    def _add_keys(self, keys: Sequence[str], line_of: Callable[[int], int]) -> None:
        for key in keys:
            if key in self._keys:
                continue
            self._keys[key] = None
            name = key
            if not key.strip() or key in self._names:
                name = Names(self._names.union(keys)).unused(key.strip() or "column", len(self._keys))
                self._reading.note(line_of(0), f"the key {key!r} is no name of a column; its column is called {name!r}")
            self._names.add(name)
            self.columns.add_column(name)
