"""Resource limits and sizes."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from gridbus.errors import PluginValidationError
from gridbus.manifest import ResourceLimits, ResourceUsage, parse_size
from gridbus.manifest.limits import changed_limits


@pytest.mark.parametrize(
    ("text", "size"),
    [(5, 5), ("5", 5), ("5 B", 5), ("1 KiB", 1024), ("1kB", 1000), ("10 MiB", 10 << 20), ("1.5 GiB", 3 << 29)],
)
def test_sizes_are_read_from_text(text: int | str, size: int) -> None:
    """Binary and decimal units are told apart; case is not."""
    assert parse_size(text) == size
    assert ResourceLimits(max_storage_bytes=text).max_storage_bytes == size


@pytest.mark.parametrize("text", ["", "ten", "1 MiBs", "-1 MiB", "1e3", None, 1.5])
def test_text_that_is_no_size_is_refused(text: Any) -> None:
    """The error shows how sizes are written."""
    with pytest.raises(PluginValidationError, match="is no size: write bytes, or text such as '10 MiB'"):
        parse_size(text)


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(ResourceLimits)])
@pytest.mark.parametrize("value", [0, -1, True, "x", None, math.nan])
def test_each_limit_is_a_number_above_0(field: str, value: Any) -> None:
    """Anything else is refused with the name of the limit."""
    with pytest.raises(PluginValidationError, match=rf"@ {field}$"):
        ResourceLimits(**{field: value})


def test_time_may_be_unlimited_and_counts_may_not() -> None:
    """Infinity is a number of seconds, but no number of handlers."""
    assert ResourceLimits(handler_timeout=math.inf).handler_timeout == math.inf
    with pytest.raises(PluginValidationError, match="a whole number above 0 is needed, not inf @ max_handlers"):
        ResourceLimits(max_handlers=math.inf)  # type: ignore[arg-type]


def test_all_wrong_limits_are_listed() -> None:
    """One error for all of them."""
    with pytest.raises(PluginValidationError) as caught:
        ResourceLimits(max_handlers=0, memory_bytes="much", cpu_percent=-1)
    assert [problem.rpartition(" @ ")[2] for problem in caught.value.details["problems"]] == [
        "memory_bytes",
        "max_handlers",
        "cpu_percent",
    ]


def test_some_limits_are_replaced_by_name() -> None:
    """The others stay; what cannot be a limit is listed with the rest."""
    limits = ResourceLimits(max_tasks=7)
    assert changed_limits(limits, {"memory_bytes": "1 MiB"}) == ResourceLimits(max_tasks=7, memory_bytes=2**20)
    assert changed_limits(limits, {}) == limits
    with pytest.raises(PluginValidationError) as caught:
        changed_limits(limits, {"speed": 1, "threads": 0})
    first, second = caught.value.details["problems"]
    assert first.startswith("there is no such limit, choose from max_handlers, ")
    assert first.endswith(" @ speed")
    assert second == "a whole number above 0 is needed, not 0 @ threads"


def test_usage_begins_with_nothing() -> None:
    """Each figure is 0, and a latency missing, until something happens."""
    assert set(attrs.astuple(ResourceUsage())) == {0, None}
