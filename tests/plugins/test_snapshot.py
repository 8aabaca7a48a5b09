"""What one life of a plugin leaves to the next."""

from __future__ import annotations

from typing import Any

import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginState
from gridbus.errors import PluginInitializationError, PluginStateError
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin, PluginManager
from gridbus.testing import Recorder
from tests.plugins.stand_ins import FakeHost


class Counting(Plugin):
    """Counts its lives."""

    metadata = PluginMetadata(id="counting", name="Counting", version="1.2")

    def __init__(self) -> None:
        super().__init__()
        self.lives, self.from_version, self.order = 1, "", ["made"]

    async def initialize(self, ctx: Any) -> None:
        self.order.append("initialized")

    async def snapshot_state(self) -> Any:
        return {"lives": self.lives}

    async def restore_state(self, state: Any, from_version: str) -> None:
        self.order.append("restored")
        self.lives, self.from_version = state["lives"] + 1, from_version


def counting(manager: PluginManager) -> Counting:
    """Return the plugin as it is now."""
    record = manager._registry.get("counting")
    assert isinstance(record.plugin, Counting)
    return record.plugin


async def test_state_is_handed_to_the_next_life(manager: PluginManager) -> None:
    """After it is made and before it is initialized, with the version that left it; plain or async."""
    await manager.register_and_initialize(Counting)
    assert counting(manager).order == ["made", "initialized"]
    await manager.reload_plugin("counting")
    again = counting(manager)
    assert (again.lives, again.from_version, again.order) == (2, "1.2", ["made", "restored", "initialized"])
    await manager.reload_plugin("counting")
    assert counting(manager).lives == 3


async def test_a_process_hands_its_state_over_as_it_is(bus: Bus) -> None:
    """The next stand-in gets it before it starts; nothing where there is none."""
    host = FakeHost()
    async with PluginManager(bus, host=host) as manager:
        await manager.register_and_initialize(Counting, isolation="process")
        host.made[0].state = b"packed"
        await manager.reload_plugin("counting")
        await manager.reload_plugin("counting")
    assert [made.was_given for made in host.made] == [None, (b"packed", "1.2"), None]


async def test_a_plugin_that_cannot_tell_its_state_goes_on(
    manager: PluginManager, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and the reload fails with the reason."""
    await manager.register_and_initialize(Counting)
    before = counting(manager)

    async def fail(self: Counting) -> Any:
        raise ValueError("it is a secret")

    monkeypatch.setattr(Counting, "snapshot_state", fail)
    with pytest.raises(PluginStateError, match=r"'counting' is not reloaded.*ValueError: it is a secret") as caught:
        await manager.reload_plugin("counting")
    assert isinstance(caught.value.__cause__, ValueError)
    assert (counting(manager), manager.get_plugin("counting").state) == (before, PluginState.RUNNING)
    [fact] = recorder.payloads("plugin:failed")
    assert (fact.stage, fact.message) == ("snapshot", "it is a secret")


async def test_a_plugin_that_does_not_take_its_state_does_not_come_up(
    manager: PluginManager, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than go on without it."""
    await manager.register_and_initialize(Counting)

    def fail(self: Counting, state: Any, from_version: str) -> None:
        raise KeyError("lives")

    monkeypatch.setattr(Counting, "restore_state", fail)
    with pytest.raises(PluginInitializationError, match="'counting' failed to restore: KeyError: 'lives'"):
        await manager.reload_plugin("counting")
    assert manager.list_plugins() == []
    [fact] = recorder.payloads("plugin:failed")
    assert fact.stage == "restore"
