"""Libraries of a plugin's own."""

from __future__ import annotations

from pathlib import Path

from gridbus import Bus, Channel
from gridbus.hosting import ProcessHost
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager

PLUGIN = """
import typer  # installed for the application too, and one of its own here
from shared_library import VERSION
from shared_library.part import NAME
from gridbus import Channel, Plugin, serves

class Using(Plugin):
    @serves(Channel("{id}:versions", str, list))
    async def versions(self, message: str) -> list:
        return [VERSION, NAME, typer.OWN]
"""


def write(place: Path, plugin_id: str, version: str) -> tuple[Path, Path]:
    """Write a plugin, and a site folder with the version of a library that it wants; return both."""
    folder, site = place / plugin_id, place / f"{plugin_id}-site"
    library = site / "shared_library"
    library.mkdir(parents=True)
    folder.mkdir()
    (library / "__init__.py").write_text(f'VERSION = "{version}"\n')
    (library / "part.py").write_text(f'NAME = "part of {version}"\n')
    (site / "typer.py").write_text(f'OWN = "typer of {plugin_id}"\n')
    (folder / "plugin.py").write_text(PLUGIN.format(id=plugin_id))
    (folder / "gridbus-plugin.toml").write_text(
        f'[plugin]\nid = "{plugin_id}"\nname = "{plugin_id}"\nversion = "1.0.0"\nentry = "plugin:Using"\n'
    )
    return folder, site


async def test_two_plugins_with_two_versions_of_a_library_run_side_by_side(tmp_path: Path) -> None:
    """Each sees its own, whole, also where the application has a library of that name."""
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False)
        try:
            async with PluginManager(bus, host=host, isolation=lambda candidate: Isolation.PROCESS) as manager:
                for plugin_id, version in (("old", "1.0"), ("new", "2.0")):
                    folder, site = write(tmp_path, plugin_id, version)
                    await manager.register(folder, site=site)
                    await manager.initialize(plugin_id)
                for plugin_id, version in (("old", "1.0"), ("new", "2.0")):
                    versions: Channel[str, list[str]] = Channel(f"{plugin_id}:versions", str, list)
                    found = await bus.ask(versions, "?")
                    assert found == [version, f"part of {version}", f"typer of {plugin_id}"]
        finally:
            await host.aclose()
