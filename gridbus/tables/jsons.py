"""JSON: one array of objects, or one object per line."""

from __future__ import annotations

import io
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

import msgspec

from gridbus.tables.objects import Objects
from gridbus.tables.reading import Reading
from gridbus.tables.text import Pieces, count_line_ends

MAX_ARRAY = 1 << 29
"""Bytes of a JSON array, which is read as a whole; JSON lines may be of any size."""

_CHUNK = 512  # objects that are decoded before they are cut into columns
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|(-?Infinity|NaN)')
_NAN = "NaN and Infinity are no JSON; they are read as empty"
_OBJECTS = msgspec.json.Decoder(list[dict[str, Any]])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def read_lines(reading: Reading, file: BinaryIO, encoding: str, objects: Objects) -> None:
    """Read JSON lines; a line that is no object is left out.

    Raises:
        FileFormatError: none of the lines is an object.
    """
    pieces = Pieces(reading, file, encoding)
    for piece in pieces:
        try:
            found = _OBJECT.decode_lines(piece)
        except (msgspec.DecodeError, RecursionError):
            found = []
        if found and len(found) == count_line_ends(piece) + (piece[-1] not in "\r\n"):
            objects.add(found, partial(operator.add, pieces.line))
        else:
            _read_each_line(reading, piece, pieces.line, objects)
    objects.finish()


def read_array(reading: Reading, file: BinaryIO, encoding: str, objects: Objects) -> None:
    """Read an array of objects; an item that is none is left out.

    Raises:
        FileFormatError: it is no array, is broken or too big, or none of the items is an object.
    """
    if reading.size > MAX_ARRAY:
        raise reading.error(
            f"a JSON array is read as a whole, up to {MAX_ARRAY >> 20} MiB; write one object per line (JSONL) instead"
        )
    data = bytearray()
    for piece in Pieces(reading, file, encoding):
        data += piece.encode()
    items, data = _items(reading, data)
    lines: list[int] = []

    def line_of(index: int) -> int:
        if not lines:  # most files are read without anybody asking
            lines.extend(_item_lines(data, items))
        return lines[index]

    for start in range(0, len(items), _CHUNK):
        reading.check()
        _add_items(reading, items, range(start, min(start + _CHUNK, len(items))), line_of, objects)
    if not items:
        reading.note(1, "the array is empty")
    objects.finish()


def _read_each_line(reading: Reading, piece: str, first: int, objects: Objects) -> None:
    """Read lines of which some are blank, or are no objects."""
    found, lines = [], []
    for number, line in enumerate(io.StringIO(piece, newline=""), first):
        if line.isspace():
            continue
        data = line.rstrip("\r\n").encode()
        try:
            found.append(_OBJECT.decode(data))
            lines.append(number)
            continue
        except (msgspec.DecodeError, RecursionError) as error:
            fault = error
        try:
            found.append(_OBJECT.decode(_null_for_nan(data)))
            lines.append(number)
            reading.note(number, _NAN)
        except (msgspec.DecodeError, RecursionError):
            _, column, reason = _explain(data, fault)
            reading.skip(number, f"column {column}: {reason}")
    if found:
        objects.add(found, lines.__getitem__)


def _items(reading: Reading, data: bytearray) -> tuple[list[msgspec.Raw], bytearray]:
    """Return the items of an array, not decoded yet, and the text that they are parts of."""
    fault: Exception
    try:
        return _ARRAY.decode(data), data
    except (msgspec.DecodeError, RecursionError) as error:
        fault = error
    try:
        mended = bytearray(_null_for_nan(data))
        items = _ARRAY.decode(mended)
    except (msgspec.DecodeError, RecursionError):
        if isinstance(fault, msgspec.ValidationError):
            raise reading.error(f"a table in JSON is one array of objects; {_reason(fault)}") from None
        line, column, reason = _explain(data, fault)
        raise reading.error(reason, line, column) from None
    reading.note(1, _NAN)
    return items, mended


def _add_items(
    reading: Reading, items: Sequence[msgspec.Raw], indexes: range, line_of: Callable[[int], int], objects: Objects
) -> None:
    try:
        some = _OBJECTS.decode(b"[%b]" % b",".join(items[indexes.start : indexes.stop]))  # at once, for speed
    except (msgspec.DecodeError, RecursionError):
        pass
    else:
        objects.add(some, lambda position: line_of(indexes[position]))
        return
    found, places = [], []
    for index in indexes:
        try:
            found.append(_OBJECT.decode(items[index]))
            places.append(index)
        except (msgspec.DecodeError, RecursionError) as error:
            reading.skip(line_of(index), f"item {index + 1}: {_reason(error)}")
    if found:
        objects.add(found, lambda position: line_of(places[position]))


def _item_lines(data: bytearray, items: Iterable[msgspec.Raw]) -> Iterator[int]:
    """Yield the line on which each item begins; between items there is nothing but commas and white space."""
    line, position = 1, 0
    for item in items:
        start = data.find(item, position)
        line += data.count(b"\n", position, start)
        yield line
        position = start + memoryview(item).nbytes
        line += data.count(b"\n", start, position)


def _null_for_nan(data: bytes | bytearray) -> bytes:
    """Replace what Python and JavaScript write for numbers that JSON does not have; texts are left alone."""
    return _TOKENS.sub(lambda found: found[0] if found[1] is None else b"null", data)


def _explain(data: bytes | bytearray, error: Exception) -> tuple[int, int, str]:
    """Return line, column and reason of a text that is no proper JSON; the standard library tells them best."""
    if not isinstance(error, msgspec.ValidationError | RecursionError):
        try:
            json.loads(data)
        except json.JSONDecodeError as found:
            return found.lineno, found.colno, f"broken JSON: {found.msg}"
        except (ValueError, RecursionError):
            pass
        else:
            return 1, 1, r"a \u escape stands for half a character"
    return 1, 1, _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error).partition(" - at ")[0].replace("`", "").lower()
