"""What is heard in the tests of scopes that take over from each other."""

from __future__ import annotations

import anyio
import attrs

from gridbus.bus import Bus, Scope
from gridbus.channels import Channel
from gridbus.events import Event, Topic


@attrs.frozen
class Tick:
    """A payload with a number."""

    number: int


TICK: Topic[Tick] = Topic("tick:new", Tick)
ASK: Channel[int, str] = Channel("plugin-a:ask", int, str)


class Hearing:
    """A handler that notes what it hears, and waits where it is told to."""

    def __init__(self, name: str, log: list[tuple[str, int]]) -> None:
        self.name, self.log = name, log
        self.gate: anyio.Event | None = None
        self.begun = anyio.Event()

    async def hear(self, event: Event[Tick]) -> None:
        """Note the number, after the gate."""
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        self.log.append((self.name, event.payload.number))


def scopes(bus: Bus) -> tuple[Scope, Scope]:
    """Return a live scope, and one that is not."""
    return bus.scope("a"), bus.scope("a", live=False)
