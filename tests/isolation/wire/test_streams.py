"""Streams of replies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from gridbus.errors import (
    MailboxFull,
    PayloadTooLarge,
)
from gridbus.isolation.wire import MAX_FRAME, WINDOW
from tests.isolation.wire.conftest import Conversation, error_of, read_into, until


async def test_a_stream_is_read_to_its_end(talk: Conversation) -> None:
    """However long it is; the sender never runs more than a window ahead."""
    ahead: list[int] = []
    taken = 0

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        for index in range(number):
            ahead.append(index - taken)
            yield str(index).encode()

    talk.child.peer.handlers["many"] = many
    found = []
    async with talk.application.peer.stream("many", 200) as items:
        async for item in items:
            taken += 1
            found.append(item)
            await asyncio.sleep(0)
    assert found == [str(index).encode() for index in range(200)]
    assert WINDOW // 2 <= max(ahead) <= 2 * WINDOW
    assert talk.application.peer.pending == 0


async def test_a_stream_that_nobody_reads_stops_at_the_window(talk: Conversation) -> None:
    """And goes on when somebody does."""
    made: list[int] = []

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        for index in range(number):
            made.append(index)
            yield b"x"

    talk.child.peer.handlers["many"] = many
    async with talk.application.peer.stream("many", 1000) as items:
        await until(lambda: len(made) == WINDOW + 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(made) == WINDOW + 1
        assert [item async for item in items] == [b"x"] * 1000


async def test_a_stream_that_is_left_early_ends_there(talk: Conversation) -> None:
    """The generator is closed."""
    closed: list[bool] = []

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    talk.child.peer.handlers["many"] = many
    async with talk.application.peer.stream("many", 1) as items:
        assert await anext(items) == b"x"
    await until(lambda: closed)
    await until(lambda: all(task.done() for task in talk.child.tasks))
    assert talk.application.peer.pending == 0


async def test_a_stream_that_fails_raises_behind_its_items(talk: Conversation) -> None:
    """The error of the generator, or that it cannot be sent."""

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        yield b"1"
        if number == 1:
            raise MailboxFull("me", 1)
        yield b"x" * MAX_FRAME

    talk.child.peer.handlers["many"] = many
    for number, kind in ((1, MailboxFull), (2, PayloadTooLarge)):
        found: list[bytes] = []
        assert isinstance(await error_of(read_into(found, talk, number)), kind)
        assert found == [b"1"]
