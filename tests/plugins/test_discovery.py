"""Plugins are found without running any of their code."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gridbus.errors import PluginConflictError, PluginNotFoundError
from gridbus.plugins import PluginManager
from gridbus.plugins.discovery import entry_of

MANIFEST = '[plugin]\nid = "{id}"\nname = "{id}"\nversion = "1.0.0"\nentry = "plugin:Plugin"\n'


class Package(SimpleNamespace):
    """Stands in for an installed distribution."""


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that packages are installed: ``packages(("shop 1.0", "group", "name", "value"), ...)``."""

    def install(*offers: tuple[str, str, str, str]) -> None:
        points = []
        for package, group, name, value in offers:
            point = EntryPoint(name, value, group)
            dist, version = package.split()
            vars(point)["dist"] = Package(name=dist, version=version)
            points.append(point)
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: EntryPoints(points).select(group=group))

    return install


async def test_installed_plugins_are_found(manager: PluginManager, packages: Any) -> None:
    """By id, with the package that offers them; nothing is imported."""
    packages(
        ("shop 1.0", "gridbus.plugins", "shop", "shop_of_the_test:Shop"),
        ("audit 2.0", "gridbus.plugins", "audit", "audit_of_the_test:Audit"),
        ("other 1.0", "console_scripts", "other", "other:main"),
    )
    found = await manager.discover()
    assert [(kept.id, kept.source, kept.origin, kept.problem) for kept in found] == [
        ("audit", "audit", "audit 2.0", None),
        ("shop", "shop", "shop 1.0", None),
    ]
    assert not {"shop_of_the_test", "audit_of_the_test"} & set(sys.modules)


async def test_a_packaged_manifest_tells_more(
    manager: PluginManager, packages: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its package is not imported either; one that cannot be read is a problem, not an error."""
    package = tmp_path / "shop_of_the_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "gridbus-plugin.toml").write_text(MANIFEST.format(id="shop"))
    monkeypatch.syspath_prepend(tmp_path)
    packages(
        ("shop 1.0", "gridbus.plugins", "shop", "shop_of_the_test:Shop"),
        ("shop 1.0", "gridbus.manifest", "shop", "shop_of_the_test"),
        ("bad 1.0", "gridbus.plugins", "bad", "bad:Bad"),
        ("bad 1.0", "gridbus.manifest", "bad", "no_such_package_at_all"),
    )
    bad, shop = await manager.discover()
    assert shop.metadata is not None
    assert shop.metadata.id == "shop"
    assert bad.metadata is None
    assert "no_such_package_at_all" in str(bad.problem)


async def test_an_id_that_two_packages_offer_is_a_problem(manager: PluginManager, packages: Any) -> None:
    """Both are named, and neither is chosen."""
    packages(
        ("one 1.0", "gridbus.plugins", "shop", "one:Shop"),
        ("two 2.0", "gridbus.plugins", "shop", "two:Shop"),
    )
    [found] = await manager.discover()
    assert "one 1.0 (one:Shop) and two 2.0 (two:Shop)" in str(found.problem)
    with pytest.raises(PluginConflictError, match="uninstall one"):
        await manager.register("shop")


def test_a_plugin_that_is_installed_twice_is_one(packages: Any) -> None:
    """An editable install may list the same entry again."""
    packages(("one 1.0", "gridbus.plugins", "shop", "one:Shop"), ("one 1.0", "gridbus.plugins", "shop", "one:Shop"))
    assert entry_of("shop") == ("one:Shop", "one 1.0")


def test_an_unknown_id_is_told_with_what_there_is(packages: Any) -> None:
    """A near name is suggested."""
    packages()
    with pytest.raises(PluginNotFoundError, match="there are none"):
        entry_of("shop")
    packages(("one 1.0", "gridbus.plugins", "shop", "one:Shop"))
    with pytest.raises(PluginNotFoundError, match="did you mean 'shop'"):
        entry_of("shopp")
    with pytest.raises(PluginNotFoundError, match="there are shop"):
        entry_of("audit")


async def test_folders_are_found(manager: PluginManager, packages: Any, tmp_path: Path) -> None:
    """Those right below the one that is given; a broken manifest is a problem, and the others are found."""
    packages()
    for name, text in {"b": MANIFEST.format(id="beta"), "a": MANIFEST.format(id="alpha"), "c": "[plugin]\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "gridbus-plugin.toml").write_text(text)
    (tmp_path / "none").mkdir()
    (tmp_path / "file.txt").write_text("")
    found = await manager.discover(tmp_path)
    assert [(kept.id, kept.source, kept.metadata is None) for kept in found] == [
        ("alpha", tmp_path / "a", False),
        ("beta", tmp_path / "b", False),
        ("c", tmp_path / "c", True),
    ]
    assert "missing @ plugin.id" in str(found[2].problem)
    [alone] = await manager.discover(str(tmp_path / "a"))
    assert alone.id == "alpha"
    with pytest.raises(PluginNotFoundError, match="is no folder"):
        await manager.discover(tmp_path / "nowhere")


async def test_the_official_plugins_are_found(manager: PluginManager) -> None:
    """As any other installed package's."""
    assert {"audit-log", "analytics", "export"} <= {kept.id for kept in await manager.discover()}
