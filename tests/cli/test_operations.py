"""Lines become operations, or errors that say where and why."""

from __future__ import annotations

import pytest

from gridbus.cli.lines import LONGEST_LINE, Line
from gridbus.cli.operations import (
    Create,
    Delete,
    Deselect,
    ExportView,
    FilterRows,
    LineError,
    Select,
    ShowPage,
    Sort,
    Update,
    read_operation,
)
from gridbus.query import And, Compare, In, SortKey


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ('{"op":"create","values":{"a":1,"b":null}}', Create({"a": 1, "b": None})),
        ('{"op":"update","id":"7","changes":{"a":2}}', Update("7", {"a": 2})),
        ('{"op":"delete","id":"7"}', Delete("7")),
        ('{"op":"delete","id":7}', Delete(7)),
        ('{"op":"select","ids":["7","8"]}', Select(("7", "8"))),
        ('{"op":"deselect"}', Deselect()),
        ('{"op":"sort","by":[{"column":"delay","desc":true},{"column":"carrier"}]}', None),
        ('{"op":"sort","by":"delay"}', Sort("delay")),
        ('{"op":"sort","by":[]}', Sort([])),
        ('{"op":"filter","where":null}', FilterRows(None)),
        ('{"op":"page","number":2,"size":50}', ShowPage(2, 50)),
        ('{"op":"export","format":"csv","path":"late.csv"}', ExportView("csv", "late.csv")),
    ],
)
def test_each_form_is_read(text: str, operation: object) -> None:
    """The forms that the command line documents."""
    found = read_operation(Line(1, text.encode())).operation
    if operation is None:
        assert isinstance(found, Sort)
        assert found.by == (SortKey("delay", desc=True), SortKey("carrier"))
    else:
        assert found == operation


def test_a_filter_is_read_whole() -> None:
    """Conditions, lists and joins."""
    text = '{"op":"filter","where":{"and":[{"column":"delay","gt":60},{"column":"carrier","in":["UA","AA"]}]}}'
    where = And((Compare("delay", "gt", 60), In("carrier", ("UA", "AA"))))
    assert read_operation(Line(1, text.encode())).operation == FilterRows(where)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (b'{"op":"create" "a":1}', 16, "no valid JSON"),
        (b"", 1, "no valid JSON"),
        (b'{"op": "create", "values": {"a": NaN}}', 34, "NaN is no number of JSON"),
        (b'{"op":"delete","id":"1","id":"2"}', 25, "the key 'id' comes twice"),
        (b'{"op":"delete","id":"\xff"}', 22, "byte 0xff is not UTF-8"),
        (b"[1]", 1, "an operation is an object"),
        (b" 7", 2, "an operation is an object"),
        (b'{"id":"7"}', 1, 'no "op" is given'),
        (b'{"id":"7","op":"drop"}', 11, "there is no operation 'drop'"),
        (b'{"op":["x"]}', 2, "there is no operation"),
        (b'{"op":"delete"}', 1, "delete: missing"),
        (b'{"op":"delete","id":"7","why":1}', 25, 'delete: unknown key "why"'),
        (b'{"op":"delete","id":null}', 16, "delete: expected"),
        (b'{"op":"create","values":[1]}', 16, "create: expected mapping"),
        (b'{"op":"select","ids":["1",true]}', 27, "select: expected"),
        (b'{"op":"sort","by":[{"column":"a","down":1}]}', 20, "sort: unknown key 'down'"),
        (b'{"op":"filter","where":{"and":[{"column":"a","above":1}]}}', 46, "filter: unknown operator 'above'"),
        (b'{"op":"filter","where":{"column":"a","between":[1]}}', 38, "filter: between takes"),
        (b'{"op":"page","number":"1"}', 14, "page: expected int"),
        ('{"ü":"ü","op":"x"}'.encode(), 10, "there is no operation 'x'"),
        (b"[" * 100_000, 1, "nested too deeply"),
        (b'{"op":"create","values":{"a":' + b"9" * 5_000 + b"}}", 1, "no valid JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: bytes, column: int, message: str) -> None:
    """The column counts characters, from 1."""
    with pytest.raises(LineError) as caught:
        read_operation(Line(3, text))
    assert (caught.value.line, caught.value.column) == (3, column)
    assert message in caught.value.message
    assert str(caught.value).startswith(f"line 3, column {column}: ")


def test_a_line_that_is_too_long_is_refused() -> None:
    """It names the line and the limit."""
    with pytest.raises(LineError, match=r"line 9, .* has more than 16,777,216 bytes") as caught:
        read_operation(Line(9, b"", is_too_long=True))
    assert caught.value.column == LONGEST_LINE + 1
