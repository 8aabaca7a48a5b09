"""The written form of each type of cell, checked for many cells at once.

| type | what is read as it |
|---|---|
| int | ``0``, ``-7``, any number of digits; with a leading zero or ``+`` it is text (``00501``, ``+4930...``) |
| float | ``1.5``, ``-.5``, ``2.``, ``1e-3``, and ints among such that a float can hold exactly; not inf |
| bool | true, false, yes, no, in lower, upper or title case; 0 and 1 are ints |
| date | ``2024-02-29``, ``2024/02/29`` |
| datetime | ``2024-02-29T12:30``, with a space, seconds, microseconds, ``Z`` or ``+01:00``; all have a zone or none |
| text | all else: thousands separators, decimal commas, dates in any other order |
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any


class Kind(enum.Enum):
    """What a run of cells is read as."""

    EMPTY = enum.auto()
    BOOL = enum.auto()
    INT = enum.auto()
    FLOAT = enum.auto()
    DATE = enum.auto()
    NAIVE = enum.auto()  #: datetimes without a zone
    ZONED = enum.auto()  #: datetimes with one; the two cannot be compared
    TEXT = enum.auto()


_WIDER = {frozenset({Kind.INT, Kind.FLOAT}): Kind.FLOAT, frozenset({Kind.DATE, Kind.NAIVE}): Kind.NAIVE}


def join(one: Kind, other: Kind) -> Kind:
    """Return the narrowest kind that holds cells of both."""
    if one is other or other is Kind.EMPTY:
        return one
    return other if one is Kind.EMPTY else _WIDER.get(frozenset({one, other}), Kind.TEXT)


_LEADING_ZERO = re.compile(rb",-?0[0-9]")
_NEGATIVE_ZERO = re.compile(rb",-0,")
_LONG_INT = re.compile(rb"(?<=,)-?[0-9]{16,}(?=,)")
_DAY = rb"[0-9]{4}(?:-[0-9]{2}-|/[0-9]{2}/)[0-9]{2}"
_TIME = rb"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6}0*)?)?"  # no nanoseconds: fromisoformat would drop them
# Each finds a cell that is something else. Matching all cells at once would need a stack as long as the text, or
# possessive quantifiers, which CPython matches wrongly before 3.11.5.
_NO_DAY = re.compile(rb",(?!%b,)." % _DAY, re.DOTALL)
_NO_NAIVE = re.compile(rb",(?!%b(?:%b)?,)." % (_DAY, _TIME), re.DOTALL)
_NO_ZONED = re.compile(rb",(?!%b%b(?:Z|[+-][0-9]{2}:?[0-9]{2}),)." % (_DAY, _TIME), re.DOTALL)
_BOOLS = {
    spelling: value
    for value, words in ((True, ("true", "yes")), (False, ("false", "no")))
    for word in words
    for spelling in (word, word.upper(), word.title())
}


def _joined(cells: Sequence[str]) -> bytes:
    """Return the cells with a comma before and after each; non-ASCII cells are none of the types below."""
    return f",{','.join(cells)},".encode("ascii")


def _ints(cells: Sequence[str]) -> list[Any] | None:
    text = _joined(cells)
    if text.translate(None, b"-,0123456789") or _LEADING_ZERO.search(text) or _NEGATIVE_ZERO.search(text):
        return None
    return list(map(int, cells))


def _floats(cells: Sequence[str]) -> list[Any] | None:
    text = _joined(cells)
    if text.translate(None, b"-+.eE,0123456789") or _LEADING_ZERO.search(text) or b",+" in text:
        return None
    values = list(map(float, cells))
    exact = all(int(digits) == float(digits) for digits in _LONG_INT.findall(text))
    return values if exact and all(map(math.isfinite, values)) else None


def _bools(cells: Sequence[str]) -> list[Any] | None:
    return list(map(_BOOLS.__getitem__, cells))


def _dates(cells: Sequence[str]) -> list[Any] | None:
    text = _joined(cells)
    return list(map(date.fromisoformat, _dashed(cells, text))) if not _NO_DAY.search(text) else None


def _naives(cells: Sequence[str]) -> list[Any] | None:
    text = _joined(cells)
    return list(map(datetime.fromisoformat, _dashed(cells, text))) if not _NO_NAIVE.search(text) else None


def _zoneds(cells: Sequence[str]) -> list[Any] | None:
    text = _joined(cells)
    return list(map(datetime.fromisoformat, _dashed(cells, text))) if not _NO_ZONED.search(text) else None


def _dashed(cells: Sequence[str], text: bytes) -> Sequence[str]:
    return [cell.replace("/", "-") for cell in cells] if b"/" in text else cells


_PARSERS: Mapping[Kind, Callable[[Sequence[str]], list[Any] | None]] = {
    Kind.INT: _ints,
    Kind.FLOAT: _floats,
    Kind.BOOL: _bools,
    Kind.DATE: _dates,
    Kind.NAIVE: _naives,
    Kind.ZONED: _zoneds,
}


def parse_as(kind: Kind, cells: Sequence[str]) -> list[Any] | None:
    """Return the values of cells that all are of one kind, None where they are not; none of them may be empty."""
    try:
        return _PARSERS[kind](cells)
    except (ValueError, KeyError):  # UnicodeEncodeError is a ValueError; KeyError comes from words that are no bools
        return None


def parse_any(cells: Sequence[str], kinds: Sequence[Kind] = tuple(_PARSERS)) -> tuple[Kind, list[Any]] | None:
    """Return kind and values of cells that share one of ``kinds``, None where they do not."""
    first = next((kind for kind in kinds if parse_as(kind, cells[:1]) is not None), None)
    if first is None:
        return None
    for kind in kinds:
        if join(first, kind) is kind and (values := parse_as(kind, cells)) is not None:
            return kind, values
    return None
