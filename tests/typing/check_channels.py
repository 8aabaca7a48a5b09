"""What type checkers say of channels; never run, only checked."""

from collections.abc import AsyncIterator
from typing import assert_type

import attrs

from gridbus.bus import Bus
from gridbus.channels import Channel


@attrs.frozen
class Hello:
    """A message."""

    name: str


GREET: Channel[Hello, str] = Channel("greeter:greet", Hello, str)
TAIL: Channel[int, bytes] = Channel("log:tail", int, bytes)


async def greet(message: Hello) -> str:
    """Serve as declared."""
    return message.name


async def wrong_message(message: int) -> str:
    """Serve another message type."""
    return str(message)


async def wrong_reply(message: Hello) -> int:
    """Serve another reply type."""
    return len(message.name)


async def tail(count: int) -> AsyncIterator[bytes]:
    """Serve a stream."""
    for _ in range(count):
        yield b""


async def check(bus: Bus) -> None:
    """Use each verb."""
    bus.serve(GREET, greet)
    bus.serve(GREET, lambda message: message.name)
    bus.serve(TAIL, tail)
    bus.serve(GREET, wrong_message)  # type: ignore[arg-type]
    bus.serve(GREET, wrong_reply)  # type: ignore[arg-type]

    assert_type(await bus.ask(GREET, Hello("Ada")), str)
    await bus.tell(GREET, Hello("Ada"))
    await bus.ask(GREET, "Ada")  # type: ignore[misc]
    await bus.tell(GREET, 1)  # type: ignore[misc]

    async with bus.ask_stream(TAIL, 10) as lines:
        async for line in lines:
            assert_type(line, bytes)
