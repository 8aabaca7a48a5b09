"""What is masked is gone, wherever it stood."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from official_plugins.audit_log.masking import Masker


@pytest.mark.parametrize(
    ("pattern", "path", "is_hidden"),
    [
        ("email", ["email"], True),
        ("email", ["values", "email"], True),
        ("email", ["values", "contact", "Email"], True),
        ("email", ["values", "emails"], False),
        ("*email*", ["values", "work_email_2"], True),
        ("*.email", ["email"], False),
        ("*.email", ["values", "email"], True),
        ("values.email", ["new", "email"], False),
        ("values.email", ["row", "values", "email"], True),
        ("contact.*", ["values", "contact", "phone"], True),
        ("contact.*", ["values", "contact"], False),
    ],
)
def test_a_pattern_is_compared_with_the_last_keys_of_a_path(pattern: str, path: list[str], is_hidden: bool) -> None:
    """Case does not count; asking twice answers the same."""
    masker = Masker([pattern])
    assert [masker.hides(path), masker.hides(path)] == [is_hidden, is_hidden]


def test_masked_values_leave_nothing() -> None:
    """Texts, numbers, lists and whole objects; an empty cell stays empty."""
    data = {
        "old": {"email": "ada@example.org", "age": 36, "name": "Ada"},
        "new": {"email": None, "age": [1, {"x": 2}]},
        "people": [{"email": {"work": "ada@work.example"}}],
    }
    assert Masker(["email", "age"]).mask(data) == {
        "old": {"email": "***", "age": "***", "name": "Ada"},
        "new": {"email": None, "age": "***"},
        "people": [{"email": "***"}],
    }


def test_operands_of_a_filter_on_a_masked_column_are_masked() -> None:
    """A filter names the column beside the value, not above it."""
    where = {"and": [{"column": "email", "eq": "ada@example.org"}, {"column": "age", "between": [1, 2]}]}
    masked = Masker(["email"]).mask({"new": where})
    assert masked == {"new": {"and": [{"column": "email", "eq": "***"}, {"column": "age", "between": [1, 2]}]}}


def test_a_masked_text_disappears_from_the_rest_of_its_entry() -> None:
    """Ids and reasons repeat what was refused, long texts cut short."""
    long = "x" * 50 + "@example.org"
    data = {
        "id": "ada@example.org",
        "values": {"email": "ada@example.org", "second": {"email": long}},
        "reason": f"got text 'ada@example.org', and text '{long[:45]}... (shortened)",
    }
    masked = json.dumps(Masker(["email"]).mask(data))
    assert "ada@" not in masked
    assert "xxxx" not in masked
    assert json.loads(masked)["id"] == "***"


def test_what_a_message_tells_of_a_masked_column_is_gone() -> None:
    """Whatever the value was, and however short."""
    data = {"values": {"pin": 7}, "reason": "row '1', column 'pin': expected a text, got int 7"}
    assert Masker(["pin"]).mask(data) == {"values": {"pin": "***"}, "reason": "row '1', column 'pin': ***"}


def test_problems_of_a_load_are_cut_to_their_lines() -> None:
    """They quote cells of any column."""
    data = {"rows": 1, "problems": ["line 3: the id 'ada@example.org' was there before", "no place"]}
    assert Masker(["email"]).mask(data) == {"rows": 1, "problems": ["line 3: ***", "***"]}
    assert Masker([]).mask(data) is data


def test_short_texts_are_not_looked_for_elsewhere() -> None:
    """A masked 'F' must not take each F out of the log."""
    data = {"values": {"gender": "F", "name": "Fatima F"}}
    assert Masker(["gender"]).mask(data)["values"]["name"] == "Fatima F"


def test_without_patterns_data_is_left_alone() -> None:
    """Not even copied."""
    data = {"email": "ada@example.org"}
    assert Masker([]).mask(data) is data


KEYS = st.sampled_from(["a", "b", "email"])
PLAIN: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN)
def test_no_value_survives_below_a_masked_key(data: Any) -> None:
    """For data of any shape."""

    def check(masked: Any) -> None:
        if isinstance(masked, dict):
            assert masked.get("email") in (None, "***")
            for value in masked.values():
                check(value)
        elif isinstance(masked, list):
            for value in masked:
                check(value)

    check(Masker(["email"]).mask(data))
