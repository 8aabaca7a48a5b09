"""What each format has to do: take rows in parts, and make a file of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import attrs

from gridbus.grid import Column

Cells: TypeAlias = Sequence[Any]
"""The cells of one row, in the order of the columns."""


def iso_text(moment: date) -> str:
    """Return a date or time in ISO form, UTC as ``Z``."""
    text = moment.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


@attrs.frozen(kw_only=True)
class SheetOptions:
    """What a format needs to know beside the rows."""

    path: Path  #: where to write
    columns: tuple[Column, ...]
    headers: bool = True
    delimiter: str = ","
    bom: bool = False
    escape_formulas: bool = True

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    @property
    def titles(self) -> list[str]:
        """The columns' titles, their names where they have none."""
        return [column.title or column.name for column in self.columns]


class Sheet(Protocol):
    """A file that is being written; its methods block, so they are called in a thread, one after the other."""

    def write(self, rows: Sequence[Cells]) -> None:
        """Add rows."""

    def finish(self) -> None:
        """Complete the file and close it."""

    def abandon(self) -> None:
        """Close the file, complete or not; who called for it removes it."""
