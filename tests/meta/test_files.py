"""What no file of ours may hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

MOST_LINES = 400
GRAB_BAGS = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

#: calls that a running event loop does not forgive, and what to write instead
FORBIDDEN_CALLS = {
    "asyncio.wait_for": "it swallows cancellation on 3.11: anyio.fail_after or asyncio.timeout",
    "time.sleep": "it blocks the loop: anyio.sleep, or the clock that was injected",
    "asyncio.create_task": "nobody owns the task: a scope or a task group",
    "asyncio.ensure_future": "nobody owns the task: a scope or a task group",
    "loop.create_task": "nobody owns the task: a scope or a task group",
    "print": "a library is silent: publish, log, or leave it to gridbus/cli",
}
#: (start of path, call): why it may stand there
ALLOWED = {
    ("gridbus/cli/", "print"): "the command line talks to its user",
    ("gridbus/bus/host.py", "loop.create_task"): "the task that all others are children of; the bus awaits its end",
}


def test_no_file_is_longer_than_400_lines(all_sources: tuple[Any, ...]) -> None:
    """One concept per file; a longer one holds two."""
    long = [f"{s.path}: {len(s.text.splitlines())}" for s in all_sources if len(s.text.splitlines()) > MOST_LINES]
    assert not long, "\n".join(long)


def test_no_file_is_a_grab_bag(all_sources: tuple[Any, ...]) -> None:
    """A name says what a file is about."""
    bags = [
        source.path
        for source in all_sources
        if GRAB_BAGS & {part.strip("_") for part in PurePosixPath(source.path).with_suffix("").parts}
    ]
    assert not bags, "\n".join(bags)


def test_each_file_says_what_it_is(all_sources: tuple[Any, ...]) -> None:
    """Its docstring begins with one line that fits."""
    silent = [source.path for source in all_sources if not (ast.get_docstring(source.tree) or "").strip()]
    assert not silent, "\n".join(silent)


def test_nothing_is_left_unfinished(all_sources: tuple[Any, ...]) -> None:
    """What is to be done is an issue, not a comment."""
    left = [
        f"{source.path}:{number}: {line.strip()}"
        for source in all_sources
        if source.path != "tests/meta/test_files.py"
        for number, line in enumerate(source.text.splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not left, "\n".join(left)


def test_no_forbidden_call(sources: tuple[Any, ...]) -> None:
    """Nothing blocks the loop, starts a task that nobody owns, or prints."""
    found = [
        f"{source.path}:{line}: {name}(): {FORBIDDEN_CALLS[name]}"
        for source in sources
        for name, line in forbidden_calls(source.tree)
        if not any(source.path.startswith(start) and name == call for start, call in ALLOWED)
    ]
    assert not found, "\n".join(found)


def test_forbidden_calls_are_seen_under_each_spelling() -> None:
    """Renaming an import hides nothing; methods of the same name elsewhere are no matter."""
    text = """
import asyncio, time as t
from asyncio import wait_for as wf
from time import sleep
async def f(bus):
    await wf(x, 1); sleep(1); t.sleep(1); print(1)
    asyncio.create_task(x); asyncio.get_running_loop().create_task(x); self.loop.create_task(x); ensure_future(x)
    await bus.wait_for(x); rich.print(x)
"""
    assert [name for name, _ in forbidden_calls(ast.parse(text))] == [
        "asyncio.wait_for",
        "time.sleep",
        "time.sleep",
        "print",
        "asyncio.create_task",
        "loop.create_task",
        "loop.create_task",
    ]


def forbidden_calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Name the calls of ``FORBIDDEN_CALLS`` in a file, in order of lines."""
    origin: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origin |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name = called_name(call.func, origin)
        if name in FORBIDDEN_CALLS:
            yield name, call.lineno


def called_name(function: ast.expr, origin: dict[str, str]) -> str:
    """The full name of what is called; a loop's own create_task is known by its name alone."""
    if isinstance(function, ast.Name):
        return origin.get(function.id, function.id)
    if not isinstance(function, ast.Attribute):
        return ""
    if isinstance(function.value, ast.Name) and function.value.id in origin:
        return f"{origin[function.value.id]}.{function.attr}"
    return "loop.create_task" if function.attr == "create_task" else ""


def test_no_pattern_has_possessive_quantifiers(all_sources: tuple[Any, ...]) -> None:
    """CPython matches them wrongly before 3.11.5, and Debian 12 has 3.11.2."""
    possessive = re.compile(r"[*+?}]\+|\(\?>")
    wrong = [
        f"{source.path}:{node.lineno}"
        for source in all_sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile"
        for text in ast.walk(node)
        if isinstance(text, ast.Constant)
        and isinstance(text.value, str | bytes)
        and possessive.search(text.value if isinstance(text.value, str) else text.value.decode("latin-1"))
        and not source.path.startswith("tests/meta")
    ]
    assert not wrong, "\n".join(wrong)
