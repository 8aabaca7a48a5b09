"""Errors point at the place in a line of JSON that they are about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.cli.locate import Step, column_of, parse_path

TEXT = '{"op": "filter", "where": {"and": [{"column": "delay", "gt": 60}, {"column": "x\\"y"}]}, "ü": 1}'


@pytest.mark.parametrize(
    ("path", "pointed"),
    [
        ("$", "{"),
        ("$.op", '"op"'),
        ("$.where.and[1].column", '"column": "x'),
        ("$.where.and[1]", '{"column": "x'),
        ("$.where.and[0].gt", '"gt"'),
        ("$.where.and[7].gt", '"and"'),
        ("$.where.missing", '"where"'),
        ('$["ü"]', '"ü"'),
        ("$.op.deeper[3]", '"op"'),
    ],
)
def test_a_path_leads_to_its_key_or_to_the_last_part_that_is_there(path: str, pointed: str) -> None:
    """The column is that of the key itself."""
    assert column_of(TEXT, parse_path(path)) == TEXT.index(pointed) + 1


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    """As it does to whoever reads the JSON."""
    assert column_of('{"a": 1, "a": {"b": 2}}', ["a", "b"]) == 16


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.data())
def test_what_stands_at_the_column_is_the_key(value: Any, data: st.DataObject) -> None:
    """For any JSON and any path into it, the text at the column reads as the key, or as the list's item."""
    text = json.dumps(value, ensure_ascii=False)
    path: list[Step] = []
    here = value
    while isinstance(here, dict | list) and here:
        step = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        path.append(step)
        here = here[step]
    found, _ = json.JSONDecoder().raw_decode(text, column_of(text, path) - 1)
    assert found == (path[-1] if path and isinstance(path[-1], str) else here)
