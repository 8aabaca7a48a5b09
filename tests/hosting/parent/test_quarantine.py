"""A plugin that is not started again."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from gridbus import Bus, Channel, Topic
from gridbus.errors import GridbusError, InterceptorError
from gridbus.events import PLUGIN_CRASHED, PLUGIN_QUARANTINED
from gridbus.hosting import ProcessHost, RestartPolicy
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager, PluginState
from gridbus.testing import Recorder

PLUGIN = """
import os
from gridbus import Channel, Plugin, Topic, intercepts, serves

class Guard(Plugin):
    @intercepts(Topic("order:new", int))
    async def look(self, draft):
        return None

    @serves(Channel("guard:die", int, int))
    async def die(self, code: int) -> int:
        os._exit(code)
"""
MANIFEST = (
    '[plugin]\nid = "guard"\nname = "Guard"\nversion = "1.0.0"\nentry = "plugin:Guard"\n'
    '[permissions]\nintercept = ["order:new"]\n'
)
ORDER: Topic[int] = Topic("order:new", int)
DIE: Channel[int, int] = Channel("guard:die", int, int)


async def test_a_guard_in_quarantine_refuses_until_it_is_reloaded(tmp_path: Path) -> None:
    """What nobody can look at any more is not let through; reloading is the way out."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "gridbus-plugin.toml").write_text(MANIFEST)
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False, restarts=RestartPolicy(most=1))
        try:
            async with PluginManager(bus, host=host, isolation=lambda candidate: Isolation.PROCESS) as manager:
                await manager.register_and_initialize(tmp_path)
                await bus.publish(ORDER, 1)
                with Recorder(bus) as recorder:
                    with pytest.raises(GridbusError):
                        await bus.ask(DIE, 3)
                    with anyio.fail_after(5):
                        while not recorder.of(PLUGIN_QUARANTINED):  # noqa: ASYNC110 - it happens elsewhere
                            await anyio.sleep(0.005)
                [crash] = recorder.payloads(PLUGIN_CRASHED)
                assert (crash.reason, crash.lives, crash.restarts_in) == ("exit", 1, None)
                assert "code 3" in crash.message
                assert manager.get_plugin("guard").state is PluginState.QUARANTINED
                assert (await manager.check_plugin_health("guard")).status == "error"
                with pytest.raises(InterceptorError, match="quarantine"):
                    await bus.publish(ORDER, 2)
                await manager.reload_plugin("guard")
                await bus.publish(ORDER, 3)
                await manager.grant_permission("guard", "threads")
                await manager.reload_plugin("guard")
        finally:
            await host.aclose()
