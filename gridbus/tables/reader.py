"""Reads a file as a table: finds out how it is written, and the type of each column."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import PurePath

import msgspec

from gridbus.tables.encoding import find_encoding
from gridbus.tables.reading import Progress, Reading
from gridbus.tables.table import FileFormat, Table
from gridbus.tables.text import read_sample

SUFFIXES = {
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.TSV,
    ".tab": FileFormat.TSV,
    ".json": FileFormat.JSON,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
}
_KNOWN = f"known are {', '.join(SUFFIXES)}"
_NEUTRAL = frozenset({"", ".txt", ".data", ".dat"})  # these tell nothing, so the content is looked at


def read_table(
    path: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    format: FileFormat | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    quoting: bool = True,
    header: bool | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Table:
    """Read a CSV, TSV, JSON or JSONL file. It blocks: call it in a thread.

    What is not given is found out: the format from the name, or from the content where the name says nothing; encoding,
    delimiter and header from the content; the type of a column from all of its cells (see ``gridbus.tables.grammar``).
    Empty cells are None. Nothing is lost silently: what is left out, filled up or guessed is a problem of the table.

    Args:
        path: a regular file.
        id_column: the column to take row ids from; rows without an id, or with one that was there before, are left out.
        format: the file's format.
        encoding: the file's encoding, by a name that Python knows.
        delimiter: the character between cells.
        quoting: False where quotes are characters like others.
        header: whether the first line holds the column names; without them columns are named ``column_1`` and so on.
        progress: called every 128 KiB with bytes read, bytes in all and rows so far, in the calling thread.
        cancelled: asked as often whether to stop; what it raises is raised here.

    Raises:
        FileReadError: the file is missing, no regular file, or may not be read.
        FileFormatError: it is empty, of an unknown type, or broken; the message names file, line and reason.
        ReadCancelled: ``cancelled`` said so.
    """
    reading = Reading(os.fspath(path), progress=progress, cancelled=cancelled)
    with reading.open() as file:
        kind = FileFormat(format) if format is not None else _format_by_name(reading)
        encoding = find_encoding(reading, file, encoding)
        if kind is None or (kind is FileFormat.JSON and format is None):
            kind = _format_by_content(reading, read_sample(file, encoding), kind)
        if kind is FileFormat.TSV and "\t" in read_sample(file, encoding):
            delimiter = delimiter or "\t"
        if kind in (FileFormat.CSV, FileFormat.TSV):
            # The standard library's csv and json are imported only by those who read such files.
            from gridbus.tables.delimited import read_delimited

            columns, ids, dialect = read_delimited(
                reading, file, encoding, id_column=id_column, delimiter=delimiter, quoting=quoting, header=header
            )
            written = str(dialect)
        else:
            from gridbus.tables.jsons import read_array, read_lines
            from gridbus.tables.objects import Objects

            objects = Objects(reading, id_column)
            (read_array if kind is FileFormat.JSON else read_lines)(reading, file, encoding, objects)
            columns, ids = objects.columns, objects.ids
            written = "an array of objects" if kind is FileFormat.JSON else "an object per line"
    types, rows = columns.finish(partial(reading.check, quiet=True))
    for name, count in columns.missing():
        reading.note(1, f"column {name!r}: {count:,} empty cells are written NA, null or the like")
    reading.check()
    return Table(
        source=reading.path,
        format=kind,
        columns=types,
        rows=rows,
        ids=ids.ids if ids is not None else None,
        skipped=reading.skipped,
        problems=tuple(sorted(reading.problems, key=attrgetter("line"))),
        problem_count=reading.problem_count,
        encoding=encoding,
        dialect=written,
    )


def _format_by_name(reading: Reading) -> FileFormat | None:
    suffix = PurePath(reading.path).suffix.lower()
    if suffix in SUFFIXES or suffix in _NEUTRAL:
        return SUFFIXES.get(suffix)
    raise reading.error(f"unknown file type {suffix!r}: {_KNOWN}")


def _format_by_content(reading: Reading, sample: str, kind: FileFormat | None) -> FileFormat:
    """Tell the formats apart by how they begin; JSON by name may be JSON lines by content."""
    lines = [line for line in sample.split("\n") if line.strip()]
    begins = lines[0].lstrip()[0] if lines else ""
    if begins == "{" and (kind is None or (len(lines) > 1 and _is_object(lines[0]))):
        return FileFormat.JSONL
    if kind is not None or begins == "[":
        return FileFormat.JSON
    from gridbus.tables.dialect import find_delimiter

    if find_delimiter(sample, least=0.8) is None:
        raise reading.error(f"the content is of no kind that is known: {_KNOWN}; or name its format")
    return FileFormat.CSV


def _is_object(line: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
