"""Where the plugins of an application run, and who says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridbus import App, Plugin, PluginMetadata
from gridbus.app.hosting import LazyHost
from gridbus.bus import Bus
from gridbus.errors import SandboxError
from gridbus.manifest import Isolation, Permission
from gridbus.plugins import HostRequest, PermissionRequest, by_manifest
from tests.plugins.stand_ins import FakeHost


class Own(Plugin):
    """A plugin of the application's own."""

    metadata = PluginMetadata(id="own", name="Own", version="1.0", permissions=("storage",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin that nobody has signed."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    (folder / "gridbus-plugin.toml").write_text(
        '[plugin]\nid = "stranger"\nname = "Stranger"\nversion = "1"\nentry = "code:Stranger"\n'
        "[permissions]\nfs.read = true\nthreads = true\n[limits]\nmax_tasks = 9\nthreads = 3\n"
    )
    (folder / "code.py").write_text("from gridbus import Plugin\n\n\nclass Stranger(Plugin):\n    pass\n")
    return folder


async def test_what_is_not_trusted_gets_a_process(folder: Path) -> None:
    """Whatever its manifest says; the application's own runs where its metadata says."""
    host = FakeHost()
    async with App(plugins=[Own, folder], health_interval=None, host=host) as app:
        hosts = {info.id: info.isolation for info in app.manager.list_plugins()}
    assert hosts == {"own": Isolation.INLINE, "stranger": Isolation.PROCESS}
    assert [made.request.trusted for made in host.made] == [False]
    async with App(plugins=[folder], health_interval=None, host=host, isolation=by_manifest) as app:
        assert [info.isolation for info in app.manager.list_plugins()] == [Isolation.INLINE]


async def test_the_application_makes_a_host_where_it_needs_one(folder: Path) -> None:
    """And ends it."""
    async with App(plugins=[folder], health_interval=None, require_sandbox=False) as app:
        [info] = app.manager.list_plugins()
        assert (info.isolation, app.failures) == (Isolation.PROCESS, ())
        usage = await app.manager.resource_usage("stranger")
        assert usage.memory_bytes > 0


async def test_an_application_that_needs_no_host_brings_in_none(bus_host: LazyHost) -> None:
    """Nor is there one to close."""
    assert bus_host._host is None
    await bus_host.aclose()


@pytest.fixture
async def bus_host() -> Any:
    """The host of an application, before anything needs it."""
    async with Bus() as bus:
        yield LazyHost(bus, require_sandbox=True)


async def test_its_file_says_where_and_with_what(folder: Path, tmp_path: Path) -> None:
    """Instead of the plugin: isolation, limits by name, libraries and whether the sandbox has to hold."""
    (tmp_path / "libraries").mkdir()
    file = tmp_path / "gridbus.toml"
    file.write_text(
        '[plugins.stranger]\nuse = "./stranger"\nsite = "libraries"\ngrants = ["threads"]\n'
        "[plugins.stranger.limits]\nthreads = 5\n"
    )
    host = FakeHost()
    async with App.from_config(file, host=host, health_interval=None) as app:
        [info] = app.manager.list_plugins()
        assert (info.metadata.limits.threads, info.metadata.limits.max_tasks) == (5, 9)
    request: HostRequest = host.made[0].request
    assert (request.site, request.granted) == (tmp_path / "libraries", (Permission.parse("threads"),))
    file.write_text('[plugins.stranger]\nuse = "./stranger"\nisolation = "inline"\n')
    async with App.from_config(file, host=host, health_interval=None) as app:
        [info] = app.manager.list_plugins()
    assert (info.isolation, info.metadata.limits.max_tasks, len(host.made)) == (Isolation.INLINE, 9, 1)


@pytest.mark.parametrize("require", ["true", "false"])
async def test_its_file_may_do_without_a_sandbox(
    require: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise what is not trusted is refused where there is none."""

    class Host(FakeHost):
        def __init__(self, bus: Bus, *, require_sandbox: bool) -> None:
            super().__init__(error=SandboxError("this machine cannot confine it") if require_sandbox else None)

        async def aclose(self) -> None:
            """End nothing."""

    monkeypatch.setattr("gridbus.hosting.ProcessHost", Host)
    file = tmp_path / "gridbus.toml"
    file.write_text(f'[isolation]\nrequire = {require}\n[plugins.stranger]\nuse = "./stranger"\n')
    async with App.from_config(file, health_interval=None) as app:
        await app.bus.drain()
        refused = [fact.error for fact in app.failures]
    assert refused == (["SandboxError"] if require == "true" else [])


async def test_somebody_may_be_asked_what_plugins_are_granted() -> None:
    """Those that stand in ``grants`` have what stands there."""
    asked: list[str] = []

    def ask(request: PermissionRequest) -> tuple[str, ...]:
        asked.append(request.plugin.id)
        return ("manage",)

    async with App(plugins=[Own], health_interval=None, permissions=ask) as app:
        assert list(map(str, app.manager.get_plugin("own").granted)) == ["manage"]
    async with App(plugins=[Own], health_interval=None, permissions=ask, grants={"own": ["storage"]}) as app:
        assert list(map(str, app.manager.get_plugin("own").granted)) == ["storage"]
    assert asked == ["own"]
