"""What is read from a file: typed columns, rows, and what was wrong."""

from __future__ import annotations

import enum

import attrs

from gridbus.events.grid import Column
from gridbus.query import Value


class FileFormat(enum.StrEnum):
    """The formats that can be read."""

    CSV = "csv"  #: cells between delimiters, of which the file decides
    TSV = "tsv"  #: cells between tabs
    JSON = "json"  #: one array of objects
    JSONL = "jsonl"  #: one object per line


@attrs.frozen
class Problem:
    """Something in a file that could not be taken as it is, and what was made of it."""

    line: int  #: from 1
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@attrs.frozen
class Table:
    """A file's rows as tuples of cells, in the order of the columns; an empty cell is None."""

    source: str  #: the path as it was given
    format: FileFormat
    columns: tuple[Column, ...]
    rows: list[tuple[Value, ...]] = attrs.field(repr=lambda rows: f"<{len(rows):,}>")
    ids: list[str] | None = attrs.field(repr=False)  #: the text of each row's id cell; None without an id column
    skipped: int  #: rows, or what should have been rows, that were left out; each is a problem
    problems: tuple[Problem, ...]  #: the first ``MAX_PROBLEMS``
    problem_count: int  #: all of them
    encoding: str
    dialect: str  #: how the file is written, for people


MAX_PROBLEMS = 1_000
"""Problems that a table keeps; the others are only counted."""
