"""How errors of plugins are told."""

import json

import pytest

from gridbus.plugins.failure import described, place_of


def fail() -> None:
    """Raise from within the standard library."""
    json.loads("{")


def test_the_place_is_the_plugin_s_own_line() -> None:
    """Not the line of the library that it called."""
    with pytest.raises(json.JSONDecodeError) as caught:
        fail()
    line = fail.__code__.co_firstlineno + 2
    assert place_of(caught.value) == f"{__file__}:{line}"
    assert described(caught.value).endswith(f"test_failure.py:{line})")


def test_an_error_from_nowhere_has_no_place() -> None:
    """It was never raised, or only within Python."""
    assert place_of(ValueError("no")) is None
    assert described(ValueError()) == "ValueError"
