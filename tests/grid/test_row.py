"""Rows as callers see them."""

from __future__ import annotations

import pytest

from gridbus.errors import ColumnError
from gridbus.grid import Column, Row
from gridbus.grid.schema import Schema

SCHEMA = Schema((Column("name"), Column("mail")))
ROW = Row(SCHEMA, ("Ada", None, "7"))


def test_a_row_is_read_by_column_name() -> None:
    """As a mapping with an id."""
    assert ROW.id == "7"
    assert ROW["name"] == "Ada"
    assert ROW.get("mail", "x") is None
    assert ROW.get("fax", "x") == "x"
    assert dict(ROW) == {"name": "Ada", "mail": None} == ROW.values
    assert list(ROW) == ["name", "mail"]
    assert len(ROW) == 2
    assert "name" in ROW
    assert "fax" not in ROW
    assert repr(ROW) == "Row('7', {'name': 'Ada', 'mail': None})"


def test_a_row_tells_which_columns_it_has() -> None:
    """A wrong name is an error that helps."""
    with pytest.raises(ColumnError, match="did you mean 'name'"):
        ROW["nam"]


def test_a_row_cannot_be_written() -> None:
    """Changes go through the grid."""
    with pytest.raises(AttributeError):
        ROW.id = "8"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        ROW._cells = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        ROW.values["name"] = "Bob"  # type: ignore[index]


def test_rows_are_equal_by_id_columns_and_cells() -> None:
    """Wherever they were read."""
    same = Row(Schema((Column("name"), Column("mail"))), ("Ada", None, "7"))
    assert same == ROW
    assert hash(same) == hash(ROW)
    assert Row(SCHEMA, ("Ada", None, "8")) != ROW
    assert Row(Schema((Column("name"), Column("fax"))), ("Ada", None, "7")) != ROW
    assert ROW != {"name": "Ada", "mail": None}
