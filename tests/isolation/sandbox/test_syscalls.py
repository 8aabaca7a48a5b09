"""The table of numbers, against the headers of the kernel where they are installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gridbus.isolation.sandbox.seccomp import _FREE, _VIOLATIONS, _of_files, _of_processes, _of_sockets
from gridbus.isolation.sandbox.syscalls import AARCH64, LAST_KNOWN, X86_64, numbers

X86_HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GENERIC_HEADER = Path("/usr/include/asm-generic/unistd.h")  # of aarch64, as of all newer architectures


def read_header(path: Path) -> dict[str, int]:
    """Return the numbers in a header."""
    if not path.exists():
        pytest.skip(f"no {path}")
    found = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())}
    return {"newfstatat": found.get("fstatat", -1), **found}


@pytest.mark.parametrize(("column", "header"), [(X86_64, X86_HEADER), (AARCH64, GENERIC_HEADER)])
def test_numbers_are_those_of_the_kernel(column: int, header: Path) -> None:
    """Calls that are newer than the header cannot be compared."""
    known = read_header(header)
    ours = {name: number for name, number in numbers(column).items() if number <= LAST_KNOWN}
    assert {name: number for name, number in ours.items() if known.get(name, number) != number} == {}
    assert len(ours.keys() & known.keys()) > 0.9 * len(ours)


@pytest.mark.parametrize(
    ("name", "both"),
    [("read", (0, 63)), ("openat", (257, 56)), ("ptrace", (101, 117)), ("seccomp", (317, 277)), ("clone3", (435, 435))],
)
def test_some_numbers_by_heart(name: str, both: tuple[int, int]) -> None:
    """Where there are no headers to compare with."""
    assert (numbers(X86_64)[name], numbers(AARCH64)[name]) == both


@pytest.mark.parametrize("column", [X86_64, AARCH64])
def test_no_number_is_given_twice(column: int) -> None:
    """A slip would let another call through."""
    table = numbers(column)
    assert len({*table.values()}) == len(table)


def test_each_call_of_the_filter_is_in_the_table_and_said_once() -> None:
    """A misspelt name would be left out without a word."""
    special = [*_of_files([], has_truncate=True), *_of_sockets([]), *_of_processes([], threads=True)]
    named = [*_FREE.split(), *_VIOLATIONS.split(), *special]
    assert len({*named}) == len(named)
    assert {*named} <= numbers(X86_64).keys()
