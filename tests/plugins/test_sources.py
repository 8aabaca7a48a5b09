"""What can be named as a plugin, other than a folder; and what is said where it is none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gridbus.errors import (
    PluginDependencyError,
    PluginError,
    PluginLoadError,
    PluginNotFoundError,
    PluginValidationError,
)
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin, PluginManager

Make = Callable[..., type[Plugin[Any]]]


async def test_a_module_and_class_by_name(
    manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module is imported as any other, and stays: others may use it."""
    (tmp_path / "shop_plugins.py").write_text(
        dedent("""
        from gridbus.plugins import Plugin
        from gridbus.manifest import PluginMetadata
        class Outer:
            class Shop(Plugin):
                metadata = PluginMetadata(id="shop", name="Shop", version="1.0.0")
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        info = await manager.register_and_initialize("shop_plugins:Outer.Shop")
        assert (info.id, info.origin) == ("shop", "shop_plugins:Outer.Shop")
        await manager.unregister_and_destroy("shop")
        assert "shop_plugins" in sys.modules
    finally:
        sys.modules.pop("shop_plugins", None)
    with pytest.raises(PluginLoadError, match="No module named 'shop_nowhere'"):
        await manager.register("shop_nowhere:Shop")


async def test_a_class_with_its_configuration(manager: PluginManager, make: Make) -> None:
    """Apart, or as a pair; not both, and not for an instance."""

    class Level(Plugin[dict[str, int]]):
        metadata = PluginMetadata(id="level", name="Level", version="1.0.0")

    for source, config in ((Level, {"a": 1}), ((Level, {"a": 1}), None)):
        await manager.register_and_initialize(source, config)
        assert manager._registry.get("level").plugin.config == {"a": 1}  # type: ignore[union-attr]
        await manager.unregister_and_destroy("level")
    with pytest.raises(PluginValidationError, match="in a tuple"):
        await manager.register((Level, {"a": 1}), {"a": 2})
    with pytest.raises(PluginValidationError, match="an instance"):
        await manager.register(Level(), {"a": 2})


@pytest.mark.parametrize("source", [5, None, object, int, [1], b"greeter"])
async def test_what_is_no_plugin_is_an_error(manager: PluginManager, source: Any) -> None:
    """It says what can be given."""
    with pytest.raises(PluginError, match=r"no plugin"):
        await manager.register(source)


async def test_a_class_without_metadata_or_super_init_is_an_error(manager: PluginManager, make: Make) -> None:
    """The remedy is in the message."""

    class Bare(Plugin[None]):
        pass

    class Rude(make("rude")):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

    class Loud(make("loud")):  # type: ignore[misc]
        def __init__(self) -> None:
            raise SystemExit(2)

    with pytest.raises(PluginValidationError, match="Bare has no metadata: write metadata = PluginMetadata"):
        await manager.register(Bare)
    with pytest.raises(PluginValidationError, match=r"Rude.__init__ does not call super\(\)"):
        await manager.register(Rude)
    with pytest.raises(PluginValidationError, match="'loud' cannot be made: SystemExit: 2"):
        await manager.register(Loud)


async def test_another_version_of_gridbus_is_an_error(manager: PluginManager, make: Make) -> None:
    """Said before any of the plugin's code runs."""
    await manager.register(make("now", core_version=">=0.1"))
    with pytest.raises(PluginDependencyError, match=r"needs another gridbus: .* is not >=99"):
        await manager.register(make("later", core_version=">=99"))


async def test_an_installed_plugin_by_its_id(manager: PluginManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by its entry point; an unknown id says which there are."""
    for module in ("loader", "places"):
        monkeypatch.setattr(
            f"gridbus.plugins.{module}.entry_of", lambda plugin_id: (f"{__name__}:Installed", "shop 1.0")
        )
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())
    info = await manager.register_and_initialize("installed")
    assert info.id == "installed"
    with pytest.raises(PluginValidationError, match=r"offers 'other', but .* calls itself 'installed'"):
        await manager.register("other")
    monkeypatch.undo()
    with pytest.raises(PluginNotFoundError, match="no installed package offers a plugin 'audit-lgo'; did you mean"):
        await manager.register("audit-lgo")


class Installed(Plugin[None]):
    """What an entry point leads to."""

    metadata = PluginMetadata(id="installed", name="Installed", version="1.0.0")


def _this_module() -> Any:
    module = type(sys)(__name__)
    module.Installed = Installed  # type: ignore[attr-defined]
    return module
