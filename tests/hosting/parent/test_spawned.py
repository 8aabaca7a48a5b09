"""Where processes cannot be forked, each is an interpreter of its own."""

from __future__ import annotations

from pathlib import Path

from gridbus import Bus, Channel
from gridbus.hosting import ProcessHost
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager

PLUGIN = """
from gridbus import Channel, Plugin, serves

class Echo(Plugin):
    @serves(Channel("echo:say", str, str))
    async def say(self, message: str) -> str:
        return message.upper()
"""
MANIFEST = '[plugin]\nid = "echo"\nname = "Echo"\nversion = "1.0.0"\nentry = "plugin:Echo"\n'
SAY: Channel[str, str] = Channel("echo:say", str, str)


async def test_a_spawned_plugin_works_like_a_forked_one(tmp_path: Path) -> None:
    """Without a process to fork from it takes longer, and is the same otherwise."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "gridbus-plugin.toml").write_text(MANIFEST)
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False, use_fork=False)
        try:
            async with PluginManager(bus, host=host, isolation=lambda candidate: Isolation.PROCESS) as manager:
                await manager.register_and_initialize(tmp_path)
                assert await bus.ask(SAY, "hello", timeout=10) == "HELLO"
                info = manager.get_plugin("echo")
                assert info.isolation is Isolation.PROCESS
                assert info.confinement["session"]
        finally:
            await host.aclose()
