"""Lines are cut as they arrive, and none is held that is too long."""

from __future__ import annotations

import itertools
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.cli.lines import Line, LineSplitter, read_lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that is closed afterwards, as far as the test left it open."""
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def split(chunks: list[bytes], longest: int = 100) -> list[Line]:
    """Feed chunks one after the other."""
    splitter = LineSplitter(longest)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + list(splitter.end())


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_lines_do_not_depend_on_how_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    """Cut anywhere, the same bytes are the same lines."""
    data = data.replace(b"\xef", b"")  # no byte order mark
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in itertools.pairwise(places)]
    whole = data.split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert [line.data for line in split(chunks, 1_000)] == [part.removesuffix(b"\r") for part in whole]


def test_line_ends_and_byte_order_mark_are_no_part_of_lines() -> None:
    """Windows' files read like others."""
    assert split([b"\xef\xbb\xbfone\r\ntwo\r\n\r\nfour"]) == [
        Line(1, b"one"),
        Line(2, b"two"),
        Line(3, b""),
        Line(4, b"four"),
    ]


def test_a_line_that_is_too_long_is_known_by_its_number_only() -> None:
    """The lines around it are whole."""
    chunks = [b"first\n", b"x" * 80, b"x" * 80, b"x\nlast"]
    assert split(chunks) == [Line(1, b"first"), Line(2, b"", is_too_long=True), Line(3, b"last")]


def test_a_huge_line_takes_no_memory() -> None:
    """256 MB without a line end are refused in a few."""
    splitter = LineSplitter(2**20)
    block = b"x" * 2**16
    tracemalloc.start()
    try:
        for _ in range(4_096):
            assert list(splitter.feed(block)) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(splitter.feed(b"\n")) == [Line(1, b"", is_too_long=True)]
    assert peak < 4 * 2**20


async def test_lines_of_a_pipe_come_as_they_are_written(pipe: tuple[int, int]) -> None:
    """A line is there before the next one is written."""
    reader, writer = pipe
    lines = read_lines(reader)
    os.write(writer, b"one\ntw")
    assert await anext(lines) == Line(1, b"one")
    os.write(writer, b"o\n")
    assert await anext(lines) == Line(2, b"two")
    os.close(writer)
    assert [line async for line in lines] == []


async def test_waiting_for_a_pipe_can_be_cancelled(pipe: tuple[int, int]) -> None:
    """Nothing is left waiting, not even a thread."""
    reader, _ = pipe
    with anyio.move_on_after(0.01) as scope:
        await anext(read_lines(reader))
    assert scope.cancelled_caught


async def test_a_file_and_the_null_device_are_read_to_their_ends(tmp_path: Path) -> None:
    """Neither can be waited for, and both can always be read."""
    path = tmp_path / "ops.jsonl"
    path.write_bytes(b"one\ntwo")
    for name, expected in ((str(path), [b"one", b"two"]), (os.devnull, [])):
        descriptor = os.open(name, os.O_RDONLY)
        try:
            assert [line.data async for line in read_lines(descriptor)] == expected
        finally:
            os.close(descriptor)
