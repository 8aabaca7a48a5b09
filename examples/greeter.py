"""A plugin of one's own: a configuration, an event that it hears, and a channel that it serves."""

import asyncio

import attrs

from gridbus import Channel, Event, Plugin, PluginContext, PluginHealth, PluginMetadata, on, open_grid, serves
from gridbus.grid import ROW_CREATE, RowCreated


@attrs.frozen
class Hello:
    """Asks for a greeting."""

    name: str


GREET: Channel[Hello, str] = Channel("greeter:greet", Hello, str)


@attrs.frozen
class GreeterConfig:
    """How it greets."""

    greeting: str = "hello"


class Greeter(Plugin[GreeterConfig]):
    """Greets each new row, and whoever asks."""

    metadata = PluginMetadata(
        id="greeter",
        name="Greeter",
        version="1.0.0",
        author="You",
        category="utility",
        permissions=("subscribe:row:create",),
    )

    async def initialize(self, ctx: PluginContext) -> None:
        """Begin to count."""
        self.greeted = 0

    async def health_check(self) -> PluginHealth:
        """Tell how many were greeted."""
        return PluginHealth.healthy(f"{self.greeted} rows greeted")

    @on(ROW_CREATE)
    async def greet_row(self, event: Event[RowCreated]) -> None:
        """Greet a new row."""
        self.greeted += 1
        print(await self.greet(Hello(str(event.payload.values["name"]))))

    @serves(GREET)
    async def greet(self, message: Hello) -> str:
        """Greet somebody."""
        return f"{self.config.greeting}, {message.name}"


async def main() -> None:
    """Let it greet a row and a caller."""
    async with open_grid(columns=["name"], plugins=[Greeter(greeting="good morning")]) as grid:
        await grid.create({"name": "Ada"})
        print(await grid.ask(GREET, Hello("Grace")))
        print((await grid.check_plugin_health("greeter")).message)


asyncio.run(main())
