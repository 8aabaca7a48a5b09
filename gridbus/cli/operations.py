"""The operations of an OPS file: their forms, and how a line becomes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

import attrs

from gridbus.cli.lines import LONGEST_LINE, Line
from gridbus.cli.locate import column_of, parse_path
from gridbus.codec import structure
from gridbus.errors import ConfigError, QueryError
from gridbus.query import Filter, SortKey, parse_sort

RowId: TypeAlias = str | int
"""An id as JSON has it; ids are texts, and a whole number stands for its text."""


@attrs.frozen
class LineError(Exception):
    """A line that could not be applied."""

    line: int
    column: int  #: of the character where it goes wrong, from 1; 1 where that is not known
    message: str

    def __str__(self) -> str:
        """Return place and message."""
        return f"line {self.line}, column {self.column}: {self.message}"


@attrs.frozen
class Create:
    """Add a row."""

    values: Mapping[str, Any]


@attrs.frozen
class Update:
    """Change cells of a row."""

    id: RowId
    changes: Mapping[str, Any]


@attrs.frozen
class Delete:
    """Remove a row."""

    id: RowId


@attrs.frozen
class Select:
    """Add rows to the selection."""

    ids: tuple[RowId, ...]


@attrs.frozen
class Deselect:
    """Take rows, or all, out of the selection."""

    ids: tuple[RowId, ...] | None = None


def _sort_keys(data: object) -> tuple[SortKey, ...]:
    try:
        return parse_sort(data)
    except QueryError as error:
        message, _, path = str(error).rpartition(" @ $")
        raise QueryError(f"{message} @ $.by{path}") from None


@attrs.frozen
class Sort:
    """Sort the view; no keys undo it."""

    by: tuple[SortKey, ...] = attrs.field(converter=_sort_keys)


@attrs.frozen
class FilterRows:
    """Filter the view; null shows all rows."""

    where: Filter | None


@attrs.frozen
class ShowPage:
    """Show a page of the view."""

    number: int = 1
    size: int | None = None


@attrs.frozen
class ExportView:
    """Write the view, filtered and sorted, to a file."""

    format: str
    path: str
    scope: str = "visible"
    columns: tuple[str, ...] | None = None
    headers: bool = True
    delimiter: str = ","
    bom: bool = False


Operation: TypeAlias = Create | Update | Delete | Select | Deselect | Sort | FilterRows | ShowPage | ExportView

OPERATIONS: Mapping[str, type[Any]] = {
    "create": Create,
    "update": Update,
    "delete": Delete,
    "select": Select,
    "deselect": Deselect,
    "sort": Sort,
    "filter": FilterRows,
    "page": ShowPage,
    "export": ExportView,
}


@attrs.frozen
class OperationLine:
    """An operation, and the line that it was read from."""

    number: int
    text: str
    operation: Operation

    def error(self, message: str, path: str = "$") -> LineError:
        """Return an error at a path of the line's JSON."""
        return LineError(self.number, column_of(self.text, parse_path(path)), message)


def read_operation(line: Line) -> OperationLine:
    """Read a line.

    Raises:
        LineError: it holds no operation; the error names line, column and reason.
    """
    if line.is_too_long:
        reason = f"the line has more than {LONGEST_LINE:,} bytes, which is the most: split it"
        raise LineError(line.number, LONGEST_LINE + 1, reason)
    text = _decode(line)
    data = _parse(line.number, text)
    if not isinstance(data, dict):
        raise LineError(line.number, column_of(text, []), 'an operation is an object such as {"op":"delete","id":"7"}')
    name = data.pop("op", None)
    kind = OPERATIONS.get(name) if isinstance(name, str) else None
    if kind is None:
        known = ", ".join(OPERATIONS)
        reason = 'no "op" is given' if name is None else f"there is no operation {name!r}"
        raise LineError(line.number, column_of(text, ["op"]), f"{reason}: choose from {known}")
    try:
        operation = structure(data, kind, what=str(name))
    except ConfigError as error:
        _refuse(line.number, text, str(name), error.problems[0])
    return OperationLine(line.number, text, operation)


def _refuse(number: int, text: str, name: str, problem: str) -> NoReturn:
    message, _, path = problem.rpartition(" @ ")
    raise LineError(number, column_of(text, parse_path(path)), f"{name}: {message}" if message else problem)


def _decode(line: Line) -> str:
    try:
        return line.data.decode()
    except UnicodeDecodeError as error:
        column = len(line.data[: error.start].decode()) + 1
        raise LineError(line.number, column, f"byte 0x{line.data[error.start]:02x} is not UTF-8") from None


class _NotPlain(ValueError):
    """Something that Python's reader would take and JSON does not have."""

    def __init__(self, reason: str, needle: str) -> None:
        super().__init__(reason)
        self.needle = needle


def _parse(number: int, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise LineError(number, error.pos + 1, f"no valid JSON: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except _NotPlain as error:
        raise LineError(number, text.rfind(error.needle) + 1, f"no valid JSON: {error}") from None
    except RecursionError:
        raise LineError(number, 1, "it is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise LineError(number, 1, f"no valid JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotPlain(f"the key {twice!r} comes twice", json.dumps(twice, ensure_ascii=False))
    return found


def _constant(name: str) -> Any:
    raise _NotPlain(f"{name} is no number of JSON: use null", name)
