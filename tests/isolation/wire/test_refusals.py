"""What is no data, and what is not of the declared type."""

from __future__ import annotations

import gc
from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import pytest

from gridbus.errors import PackingError
from gridbus.events.grid import RowCreated, RowUpdated
from gridbus.isolation.wire import pack, unpack
from gridbus.query import Filter
from tests.isolation.wire.payload_classes import (
    Checked,
    Colour,
    Defaults,
    Flat,
    Loose,
    Nested,
    Node,
    Odd,
    Options,
    Private,
)


@pytest.mark.parametrize(
    ("data", "kind", "path"),
    [
        ({"id": "1", "old": {}, "new": {"age": [1]}}, RowUpdated, "$.new.age"),
        ({"id": "1", "old": {}, "new": {"age": Decimal(1)}}, RowUpdated, "$.new.age"),
        ({"id": 1, "old": {}, "new": {}}, RowUpdated, "$.id"),
        ({"id": "1", "old": {}, "new": {3: 1}}, RowUpdated, "$.new"),
        ({"id": "1", "old": {}}, RowUpdated, "$"),
        ({"id": "1", "old": [], "new": {}}, RowUpdated, "$.old"),
        ([], RowUpdated, "$"),
        ({"name": "a", "age": "1", "size": 1.0, "alive": True}, Flat, "$.age"),
        ({"name": "a", "_secret": "x"}, Private, "$._secret"),
        ({"age": -1, "words": [], "double": 3}, Checked, "$"),
        ({"age": 13, "words": [], "double": 3}, Checked, "$"),
        ({"when": "2026-01-01"}, Defaults, "$.when"),
        ({"value": 1, "children": [{"value": {}}]}, Node, "$.children[0].value"),
        ("green", Colour, "$"),
        (0.75, Odd, "$"),
        (1, bool, "$"),
        ("x", bytes, "$"),
        (True, int, "$"),
        ([1, "a"], tuple[int, ...], "$[1]"),
        ([1], tuple[int, date], "$"),
        ({"a": 1}, Options, "$"),
    ],
    ids=repr,
)
def test_what_is_not_of_the_declared_type_is_refused(data: Any, kind: Any, path: str) -> None:
    """The message says where it is."""
    if kind is Options:
        assert unpack(pack(data), Options) == {}  # unknown keys are left out
        return
    with pytest.raises(PackingError) as refused:
        unpack(pack(data), kind)
    assert str(refused.value).startswith(f"what came is no {getattr(kind, '__qualname__', kind)}: ")
    assert str(refused.value).endswith(f"@ {path}")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Loose("a", object()), "$.value"),
        (Loose("a", {"b": [1, lambda: None]}), "$.value.b[1]"),
        ({"a": {1, open}}, "$.a"),
        ([1, type("Custom", (), {})()], "$[1]"),
        (RowCreated("1", {"a": 1j}), "$.values.a"),  # type: ignore[dict-item]
        (Nested(Private("a", object()), (), {}), "$.private._secret"),  # type: ignore[arg-type]
        (gc, "$"),
        (Flat, "$"),
        ("\ud800", "$"),
    ],
    ids=repr,
)
def test_what_is_no_data_is_refused(value: Any, path: str) -> None:
    """The message names type and place."""
    with pytest.raises(PackingError, match="cannot cross a process border") as refused:
        pack(value)
    assert f" @ {path}" in str(refused.value)


def test_what_contains_itself_is_refused() -> None:
    """Rather than to run out of stack."""
    loop: list[Any] = []
    loop.append(loop)
    node = {"a": loop}
    for value in (loop, node, Loose("a", loop)):
        with pytest.raises(PackingError, match="deep"):
            pack(value)


def test_an_annotation_that_cannot_be_resolved_is_told() -> None:
    """Nothing is let through unchecked."""

    @attrs.frozen
    class Hidden:
        value: OnlyForTypeCheckers  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(PackingError, match=r"OnlyForTypeCheckers.*run time"):
        pack(Hidden(1))
    with pytest.raises(PackingError, match="OnlyForTypeCheckers"):
        unpack(pack({"value": 1}), Hidden)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 60_000 + b"\xc0",
        b"\x81\xa1a" * 20_000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xd4\x63\x00",
        b"\xc7\x04\x01\xff\xff\xff\xff",
        b"\xc7\x03\x02abc",
        b"\xc7\x04\x051E+x",
        b"\xc7\x02\x09\x91\x80",
        b"\xc7\x01\x08\xc1",
        b"\xa1\xff",
        pack([1]) + b"x",
    ],
    ids=lambda data: repr(data[:8]),
)
@pytest.mark.parametrize("kind", [object, RowUpdated, Filter, int, list[Any], Flat, dict[str, date]])
def test_malformed_bytes_are_refused(data: bytes, kind: Any) -> None:
    """Whatever is declared."""
    with pytest.raises(PackingError):
        unpack(data, kind)


def test_marks_within_marks_do_not_crash() -> None:
    """However deep they are nested."""
    data = b"\xc0"
    while len(data) < 60_000:
        data = b"\xc9" + (len(data) + 1).to_bytes(4, "big") + b"\x08\x91" + data
    with pytest.raises(PackingError):
        unpack(data, object)
    deep = b"\x82\xa5$type\xa3Not\xa4part" * 2_000 + b"\xc0"
    with pytest.raises(PackingError):
        unpack(deep, Filter)
