"""Column names and row ids: each must be there, and be there once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gridbus.tables.reading import Reading


class Names:
    """Column names, each given out once."""

    def __init__(self, given: Iterable[str]) -> None:
        self._used = set(given)
        self._counts: dict[str, int] = {}

    def unused(self, stem: str, count: int) -> str:
        """Return the stem with the first number from ``count`` on that makes it a new name."""
        count = max(count, self._counts.get(stem, 0))
        while (name := f"{stem}_{count}") in self._used:
            count += 1
        self._counts[stem] = count + 1
        self._used.add(name)
        return name


def column_names(cells: Sequence[str], reading: Reading, line: int) -> list[str]:
    """Return the names in a header, stripped; blank and repeated ones are replaced, and noted."""
    stripped = [cell.strip() for cell in cells]
    unique = Names(stripped)
    names: dict[str, None] = {}
    for number, cell in enumerate(stripped, 1):
        name = cell
        if not cell:
            name = unique.unused("column", number)
            reading.note(line, f"column {number} has no name; it is called {name!r}")
        elif cell in names:
            name = unique.unused(cell, 2)
            reading.note(line, f"the name of column {number} was used before; it is called {name!r}")
        names[name] = None
    return list(names)


class Ids:
    """The ids of the rows so far; rows without one, or with one that was there before, are left out."""

    def __init__(self, reading: Reading, column: str) -> None:
        self.column = column
        self.ids: list[str] = []
        self._seen: set[str] = set()
        self._reading = reading

    def position(self, names: Sequence[str]) -> int:
        """Return where the ids stand.

        Raises:
            FileFormatError: in none of the columns.
        """
        if self.column in names:
            return names.index(self.column)
        listing = ", ".join(map(repr, names[:50])) + ", ..." * (len(names) > 50)
        raise self._reading.error(
            f"no column is named {self.column!r}, from which ids were to be taken; there are {listing}"
        )

    def take(self, cells: Sequence[str | None], line_of: Callable[[int], int]) -> list[int] | None:
        """Take the ids of the next rows.

        Args:
            cells: the text of each row's id.
            line_of: returns the line on which one of these rows begins.

        Returns:
            The positions of the rows to keep; None where all are kept.
        """
        new = {cell for cell in cells if cell and not cell.isspace()}
        if len(new) == len(cells) and new.isdisjoint(self._seen):
            self._seen |= new
            self.ids += cells  # type: ignore[arg-type] # none of them is None
            return None
        kept = []
        for index, cell in enumerate(cells):
            if cell is None or not cell or cell.isspace():
                self._reading.skip(line_of(index), f"no id in column {self.column!r}")
            elif cell in self._seen:
                self._reading.skip(line_of(index), f"the id {cell[:80]!r} was there before")
            else:
                self._seen.add(cell)
                self.ids.append(cell)
                kept.append(index)
        return kept
