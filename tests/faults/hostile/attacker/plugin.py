"""A plugin that attacks where it runs, and says how far it got."""

from __future__ import annotations

from typing import Any

from gridbus import Channel, Event, Plugin, Topic, on, serves

from . import attacks

ATTACK: Channel[dict[str, Any], dict[str, Any]] = Channel("attacker:attack", dict, dict)
TICK: Topic[int] = Topic("tick:new", int)


class Attacker(Plugin):
    """Does one attack at a time."""

    @serves(ATTACK)
    async def attack(self, message: dict[str, Any]) -> dict[str, Any]:
        """Try; return what it came to, or what stopped it."""
        arguments = dict(message)
        try:
            got = getattr(attacks, arguments.pop("attack"))(**arguments)
            if hasattr(got, "__await__"):
                got = await got
        except (OSError, MemoryError, RuntimeError, ValueError, AttributeError) as error:
            return {"stopped": type(error).__name__, "message": str(error), "errno": getattr(error, "errno", None)}
        return {"got": got}

    @serves(Channel("attacker:flood", int, int))
    async def flood(self, count: int) -> int:
        """Publish as fast as may be."""
        for number in range(count):
            await self.ctx.publish(Topic("attacker:noise", int), number)
        return count

    @on(TICK)
    async def tick(self, event: Event[int]) -> None:
        """Hear, so that there is something to be handed over."""

    async def destroy(self) -> None:
        """Stay, where that was wished."""
        if attacks.STUBBORN:
            while True:
                pass
