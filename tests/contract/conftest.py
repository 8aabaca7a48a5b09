"""One plugin, run inline and in a process of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus import App, Channel
from gridbus.bus import Bus
from gridbus.config import GridConfig
from gridbus.events import Event
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager
from gridbus.testing import Recorder

FOLDER = Path(__file__).parent / "probe"
DO: Channel[dict[str, Any], dict[str, Any]] = Channel("probe:do", dict, dict)
COUNT: Channel[int, int] = Channel("probe:count", int, int)
ECHO: Channel[dict[str, Any], dict[str, Any]] = Channel("echo:say", dict, dict)
ECHO_STREAM: Channel[int, int] = Channel("echo:stream", int, int)
ASK_PROBE: Channel[dict[str, Any], dict[str, Any]] = Channel("echo:ask_probe", dict, dict)


@attrs.define(eq=False)
class Hosted:
    """The plugin, in one of the two hosts, and what is around it."""

    app: App
    host: str
    recorder: Recorder
    folder: Path = FOLDER

    @property
    def bus(self) -> Bus:
        """The application's bus."""
        return self.app.bus

    @property
    def manager(self) -> PluginManager:
        """The application's manager."""
        return self.app.manager

    async def do(self, verb: str, /, **arguments: Any) -> Any:
        """Let the plugin do something; return what came of it, and fail where that was an error."""
        answer = await self.bus.ask(DO, {"do": verb, **arguments})
        assert "error" not in answer, answer
        return answer["value"]

    async def fails(self, verb: str, /, **arguments: Any) -> tuple[str, str]:
        """Let the plugin do something that is refused; return type and message of the error."""
        answer = await self.bus.ask(DO, {"do": verb, **arguments})
        assert "error" in answer, answer
        return answer["error"], answer["message"]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until something holds that the plugin does by itself."""
        with anyio.fail_after(5):
            while not (value := condition()):  # noqa: ASYNC110 - it happens in another process
                await anyio.sleep(0.002)
        return value

    async def note(self, count: int = 1) -> list[Any]:
        """Return what the plugin notes, as soon as that is so many things."""
        notes: list[Any] = []
        with anyio.fail_after(5):
            while len(notes) < count:
                notes += await self.do("notes")
        return notes

    def events(self, topic: str) -> list[Event[Any]]:
        """Return what was published on a topic so far."""
        return self.recorder.of(topic)


def rows() -> list[dict[str, Any]]:
    """What the grid holds."""
    return [{"id": str(number), "name": f"row {number}", "age": number} for number in range(5)]


@pytest.fixture(params=["inline", "process"])
def host(request: pytest.FixtureRequest) -> str:
    """Where the plugin runs."""
    return str(request.param)


@pytest.fixture
async def hosted(host: str) -> AsyncIterator[Hosted]:
    """The plugin, running."""
    grid = GridConfig(id_column="id")
    # Some of what plugins ask for here never ends by itself.
    app = App(name="contract", grid=grid, rows=rows(), health_interval=None, require_sandbox=False, grace=0.5)
    async with app:
        with Recorder(app.bus) as recorder:

            async def echo(message: dict[str, Any]) -> dict[str, Any]:
                if message.get("fail"):
                    raise LookupError("nothing here")
                if message.get("hang"):
                    await anyio.sleep_forever()
                return {"echo": message}

            async def stream(count: int) -> AsyncIterator[int]:
                for number in range(count):
                    yield number

            async def ask_probe(message: dict[str, Any]) -> dict[str, Any]:
                return await app.bus.ask(DO, {"do": "describe"})

            app.bus.serve(ECHO, echo, owner="echo")
            app.bus.serve(ECHO_STREAM, stream, owner="echo")
            app.bus.serve(ASK_PROBE, ask_probe, owner="echo")
            await app.manager.register(FOLDER, {"word": "hi"}, isolation=Isolation(host))
            await app.manager.initialize("probe")
            yield Hosted(app, host, recorder)


def is_elsewhere(process: int) -> bool:
    """Tell whether a process is not this one."""
    return process != os.getpid()
