"""Column names and row ids: each must be there, and be there once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gridbus.tables.reading import Reading


def column_names(cells: Sequence[str], reading: Reading, line: int) -> list[str]:
    """Return the names in a header, stripped; blank and repeated ones are replaced, and noted."""
    names: list[str] = []
    given = {cell.strip() for cell in cells}
    for number, cell in enumerate(cells, 1):
        name = cell.strip()
        if not name:
            name = _unused(f"column_{number}", given)
            reading.note(line, f"column {number} has no name; it is called {name!r}")
        elif name in names:
            name = _unused(f"{name}_2", given)
            reading.note(line, f"the name of column {number} was used before; it is called {name!r}")
        names.append(name)
        given.add(name)
    return names


def _unused(name: str, used: set[str]) -> str:
    stem, _, number = name.rpartition("_")
    count = int(number)
    while f"{stem}_{count}" in used:
        count += 1
    return f"{stem}_{count}"


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
