"""Each guarantee has a test that bears its number."""

from __future__ import annotations

import ast
import re
from typing import Any

NUMBER = re.compile(r"^test_(?:\w+_)?g(\d+)_\w+$")
BUILT = set(range(1, 17))


def test_each_guarantee_has_a_test(suite: tuple[Any, ...]) -> None:
    """``test_g3_drop_oldest_keeps_the_newest`` is about G3; a number that does not exist is a slip."""
    found = {
        int(match[1])
        for source in suite
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (match := NUMBER.match(node.name))
    }
    assert not BUILT - found, "without a test: " + ", ".join(f"G{number}" for number in sorted(BUILT - found))
    assert found <= BUILT, f"no such guarantee: {sorted(found - BUILT)}"
