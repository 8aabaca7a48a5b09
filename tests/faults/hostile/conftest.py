"""A hostile plugin in a process of its own, beside a good one, in an application that is watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus import Bus, Channel, Topic
from gridbus.errors import GridbusError
from gridbus.events import PLUGIN_CRASHED, PLUGIN_LIMIT_REACHED, PLUGIN_QUARANTINED
from gridbus.hosting import ProcessHost, RestartPolicy
from gridbus.isolation.sandbox import probe
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager
from gridbus.testing import Recorder

ATTACKER = Path(__file__).parent / "attacker"
ATTACK: Channel[dict[str, Any], dict[str, Any]] = Channel("attacker:attack", dict, dict)
TICK: Topic[int] = Topic("tick:new", int)
MOST_LAG = 0.020  # seconds


@attrs.define(eq=False)
class Arena:
    """The application around the attack."""

    bus: Bus
    manager: PluginManager
    host: ProcessHost
    recorder: Recorder
    heard: list[int]
    lags: list[float]

    async def attack(self, name: str, /, *, timeout: float = 8.0, **arguments: Any) -> dict[str, Any]:
        """Let the plugin attack; return what it got, what stopped it, or how the asking ended."""
        try:
            return await self.bus.ask(ATTACK, {"attack": name, **arguments}, timeout=timeout)
        except GridbusError as error:
            return {"ended": type(error).__name__, "message": str(error)}

    async def report(self, reason: str) -> Any:
        """Return what the supervisor said about the end of the process, which is to have this reason."""
        await self.until(lambda: self.recorder.of(PLUGIN_CRASHED))
        fact = self.recorder.payloads(PLUGIN_CRASHED)[0]
        assert fact.reason == reason, fact
        return fact

    async def quarantine(self, reason: str) -> None:
        """Wait until the plugin is in quarantine for this reason."""
        await self.until(lambda: self.recorder.of(PLUGIN_QUARANTINED))
        assert self.recorder.payloads(PLUGIN_QUARANTINED)[0].reason == reason

    def limits(self) -> list[str]:
        """The limits that were reached."""
        return [fact.limit for fact in self.recorder.payloads(PLUGIN_LIMIT_REACHED)]

    async def until(self, condition: Callable[[], Any], seconds: float = 8.0) -> None:
        """Wait until something holds."""
        with anyio.fail_after(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
                await anyio.sleep(0.005)

    async def pid(self) -> int:
        """The process of the hostile plugin."""
        return (await self.manager.resource_usage("attacker")).pid


@asynccontextmanager
async def arena(
    *,
    confined: bool = True,
    grants: tuple[str, ...] = (),
    limits: dict[str, Any] | None = None,
    hang_after: float = 45.0,
) -> AsyncIterator[Arena]:
    """Run the hostile plugin beside a good one; that one misses nothing, and the loop keeps turning."""
    async with Bus() as bus:
        host = ProcessHost(
            bus,
            require_sandbox=False,
            confined=confined,
            restarts=RestartPolicy(first=0.05, most=20),
            heartbeat=0.2,
            hang_after=hang_after,
        )
        heard: list[int] = []
        bus.on(TICK, lambda event: heard.append(event.payload), name="good", capacity=100_000)
        manager = PluginManager(bus, host=host, permissions={"attacker": ("subscribe:tick:*", *grants)})
        try:
            await manager.register(ATTACKER, isolation=Isolation.PROCESS, limits=limits)
            await manager.initialize("attacker")
            with Recorder(bus) as recorder:
                lags: list[float] = []
                published: list[int] = []
                over = anyio.Event()

                async def watch() -> None:
                    while not over.is_set():
                        began = time.perf_counter()
                        await asyncio.sleep(0.002)
                        lags.append(time.perf_counter() - began - 0.002)

                async def tick() -> None:
                    while not over.is_set():
                        published.append(len(published))
                        await bus.publish(TICK, published[-1])
                        await asyncio.sleep(0.01)

                watching, ticking = bus.start_job(watch), bus.start_job(tick)
                try:
                    yield Arena(bus, manager, host, recorder, heard, lags)
                finally:
                    over.set()
                    await watching.wait()
                    await ticking.wait()
                assert heard == published, "the good plugin missed events"
                assert_lags(lags)
        finally:
            with anyio.CancelScope(shield=True):
                await manager.aclose()
                await host.aclose()


def assert_lags(lags: list[float]) -> None:
    """Assert that the loop was not held up: of a hundred turns one may be late, as other work may use the machine."""
    over = sorted(lag for lag in lags if lag > MOST_LAG)
    assert len(over) <= 1 + len(lags) // 100, f"the loop was held up {len(over)} times in {len(lags)}: {over[-5:]}"


@pytest.fixture(scope="session")
def whole_sandbox() -> None:
    """Skip where this machine cannot confine a process, as what is tested is not there."""
    report = probe()
    if not report.holds:
        pytest.skip(f"no sandbox here: {', '.join(layer.name for layer in report.missing)}")


@pytest.fixture
def open_arena() -> Any:
    """What opens an arena."""
    return arena


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that the plugin may write to."""
    place = tmp_path / "writable"
    place.mkdir()
    place.chmod(0o777)
    tmp_path.chmod(0o755)
    return place
