"""Where a plugin runs, what is known of it before its code does, and what it is held to."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginState
from gridbus.errors import (
    PluginDependencyError,
    PluginError,
    PluginLoadError,
    PluginPermissionError,
    PluginValidationError,
    SandboxError,
)
from gridbus.events.system import HealthStatus
from gridbus.manifest import Isolation, Permission, PluginMetadata, ResourceLimits
from gridbus.plugins import (
    Candidate,
    HostedDeclaration,
    Plugin,
    PluginManager,
    on,
    untrusted_apart,
)
from gridbus.testing import Recorder
from tests.plugins.stand_ins import FakeHost

MANIFEST = """
[plugin]
id = "folded"
name = "Folded"
version = "1.0"
entry = "code:Folded"
isolation = "process"

[permissions]
subscribe = "row:*"
fs.read = "data"

[limits]
threads = 2
"""


@attrs.frozen
class Options:
    """How it is configured."""

    sizes: tuple[int, ...] = (1,)


class Own(Plugin[Options]):
    """A plugin of the application."""

    metadata = PluginMetadata(id="own", name="Own", version="1.0", permissions=("storage",))

    @on("row:create")
    async def hear(self, event: object) -> None:
        """Hear."""


class Apart(Own):
    """One that asks for a process."""

    metadata = PluginMetadata(id="own", name="Own", version="1.0", isolation="process", permissions=("threads", "net"))


@pytest.fixture
def host() -> FakeHost:
    """What is asked to run plugins."""
    return FakeHost()


@pytest.fixture
async def manager(bus: Bus, host: FakeHost) -> AsyncIterator[PluginManager]:
    """A manager with such a host."""
    async with PluginManager(bus, host=host) as manager:
        yield manager


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plugin whose code must not be imported."""
    (tmp_path / "gridbus-plugin.toml").write_text(MANIFEST)
    (tmp_path / "code.py").write_text("raise SystemExit('it was imported')")
    return tmp_path


# --- where ---------------------------------------------------------------------------------------------------------


async def test_who_is_trusted(bus: Bus, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes and instances are the application's own, official ones come with gridbus, all others nobody signed."""
    seen: list[Candidate] = []

    def policy(candidate: Candidate) -> Isolation:
        seen.append(candidate)
        return Isolation.PROCESS

    class Local(Plugin):
        metadata = Own.metadata

    monkeypatch.setitem(sys.modules, "apart_test_plugins", sys.modules[Own.__module__])
    async with PluginManager(bus, isolation=policy) as manager:
        for source in (Own, Own(), Local, "audit-log", folder, "apart_test_plugins:Own", "official_pluginsx:Own"):
            with pytest.raises(PluginError, match="has no host for that"):
                await manager.register(source)
    assert [candidate.trust.value for candidate in seen] == [
        "own",
        "own",
        "own",
        "official",
        "unsigned",
        "unsigned",
        "unsigned",
    ]
    assert [candidate.metadata and candidate.metadata.id for candidate in seen] == [
        "own",
        "own",
        "own",
        "audit-log",
        "folded",
        None,
        None,
    ]


async def test_the_operator_has_the_last_word(manager: PluginManager, host: FakeHost) -> None:
    """Whatever metadata says; and a word that is none is refused."""
    assert (await manager.register(Apart, isolation="inline")).isolation is Isolation.INLINE
    await manager.unregister_and_destroy("own")
    assert (await manager.register(Own, isolation=Isolation.PROCESS)).isolation is Isolation.PROCESS
    assert [made.request.entry for made in host.made] == [f"{Own.__module__}:Own"]
    with pytest.raises(PluginValidationError, match="'jail' is no isolation: choose from inline, process"):
        await manager.register(Own, isolation="jail")


async def test_a_module_that_asks_for_a_process_gets_one(
    manager: PluginManager, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code was imported to know that, where the policy lets that happen."""
    monkeypatch.setitem(sys.modules, "apart_test_plugins", sys.modules[Own.__module__])
    info = await manager.register("apart_test_plugins:Apart")
    assert (info.isolation, host.made[0].request.metadata) == (Isolation.PROCESS, Apart.metadata)


@pytest.mark.parametrize("source", ["class", "instance"])
async def test_what_no_other_process_can_import_is_refused_there_and_runs_inline(
    source: str, manager: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do."""

    class Local(Plugin):
        metadata = PluginMetadata(id="local", name="Local", version="1.0")

    given = Local if source == "class" else Local()
    with pytest.raises(PluginLoadError, match=r"made within a function.*move Local to the top of a module"):
        await manager.register(given, isolation="process")
    assert (await manager.register(given)).isolation is Isolation.INLINE
    monkeypatch.setattr(Own, "__module__", "__main__")
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    with pytest.raises(PluginLoadError, match="typed into an interpreter"):
        await manager.register(Own, isolation="process")


# --- what a host is asked ------------------------------------------------------------------------------------------


async def test_a_folder_is_not_imported(manager: PluginManager, host: FakeHost, folder: Path) -> None:
    """Its manifest says what it is, and the process gets what its sandbox has to let through."""
    info = await manager.register(folder, {"sizes": [3]})
    assert (info.id, info.isolation, info.confinement) == ("folded", Isolation.PROCESS, {"seccomp": "40 calls"})
    [made] = host.made
    request = made.request
    assert (request.entry, request.folder, request.config) == ("code:Folded", folder, {"sizes": [3]})
    assert (request.is_known, request.trusted, request.limits.threads) == (True, False, 2)
    assert request.granted == (Permission.parse("fs.read:data"),)


async def test_a_configuration_crosses_as_plain_data(manager: PluginManager, host: FakeHost) -> None:
    """One that cannot is refused, with its place."""
    await manager.register(Own(Options((1, 2))), isolation="process")
    assert host.made[0].request.config == {"sizes": [1, 2]}
    with pytest.raises(PluginValidationError, match=r"cannot be handed to its process: values of type .* @ \$\.a"):
        await manager.register((Own, {"a": object()}), isolation="process")


async def test_what_only_its_code_can_tell_is_asked_in_a_process_that_may_do_nothing(bus: Bus, folder: Path) -> None:
    """Then it is started anew, with its own limits and what it is granted, and held to what it said."""
    told = PluginMetadata(
        id="stranger",
        name="Stranger",
        version="1.0",
        limits=ResourceLimits(memory_bytes=1000),
        permissions=("threads", "storage"),
    )
    host = FakeHost(says=told)
    async with PluginManager(bus, host=host, isolation=untrusted_apart) as manager:
        await manager.register("stranger_module:Thing", limits={"open_files": 9})
        first, second = host.made
        assert (first.request.is_known, first.request.granted, first.is_released) == (False, (), True)
        assert first.request.limits.open_files == 9
        assert (second.request.is_known, second.request.granted) == (True, (Permission.parse("threads"),))
        assert (second.request.limits.memory_bytes, second.request.limits.open_files) == (1000, 9)
        assert second.request.metadata.id == "stranger"
        host.error = PluginLoadError("no such module", "of-other-thing")
        with pytest.raises(PluginLoadError) as caught:
            await manager.register("other:Thing")
        assert caught.value.plugin_id is None


async def test_what_it_says_in_its_process_grants_it_nothing(bus: Bus, folder: Path) -> None:
    """A manifest is what an operator reads: neither other metadata nor other handlers count beside it."""
    says = PluginMetadata(id="folded", name="Folded", version="1.0", permissions=("subscribe:*", "manage"))
    host = FakeHost(says=says)
    async with PluginManager(bus, host=host) as manager:
        info = await manager.register_and_initialize(folder)
        assert list(map(str, info.granted)) == ["subscribe:row:*", "fs.read:data"]
        await manager.unregister_and_destroy("folded")
        host.declared = (HostedDeclaration("on", "secret:*", Permission.parse("subscribe:secret:*")),)
        with pytest.raises(PluginPermissionError, match="add 'subscribe:secret:\\*' to its permissions"):
            await manager.register_and_initialize(folder)
        assert host.made[-1].is_released
        host.says = attrs.evolve(says, id="other")
        with pytest.raises(PluginValidationError, match=r"folded 1\.0 calls itself other 1\.0 in its process"):
            await manager.register(folder)
        assert host.made[-1].is_released


async def test_an_offered_plugin_is_the_one_that_comes(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point's name is the plugin's id."""
    monkeypatch.setattr("gridbus.plugins.places.entry_of", lambda plugin_id: ("shop:Thing", "shop 1.0"))
    host = FakeHost(says=Own.metadata)
    async with PluginManager(bus, host=host, isolation=untrusted_apart) as manager:
        with pytest.raises(PluginValidationError, match="offers 'thing', but shop:Thing calls itself 'own'"):
            await manager.register("thing")


async def test_a_package_may_bring_a_manifest(
    manager: PluginManager, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read, and its code is not imported; one of another plugin of the package is not meant."""
    package = tmp_path / "apart_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it was imported')")
    (package / "gridbus-plugin.toml").write_text(MANIFEST.replace("code:", "apart_package.inner.code:"))
    monkeypatch.syspath_prepend(tmp_path)
    await manager.register("apart_package.inner.code:Folded")
    assert host.made[0].request.metadata.id == "folded"
    with pytest.raises(PluginLoadError, match="it was imported"):
        await manager.register("apart_package.inner.code:Other")


@pytest.mark.parametrize("exec_of", ["manifest", "operator"])
async def test_no_process_is_granted_to_start_programs(exec_of: str, bus: Bus, folder: Path) -> None:
    """Neither by its manifest nor by the operator."""
    host = FakeHost()
    table = {"folded": ("exec:sh", "subscribe:row:*")} if exec_of == "operator" else {}
    if exec_of == "manifest":
        (folder / "gridbus-plugin.toml").write_text(MANIFEST.replace("fs.read", "exec"))
    async with PluginManager(bus, host=host, permissions=table) as manager:
        with pytest.raises(PluginPermissionError, match="which no plugin in a process of its own may have"):
            await manager.register(folder)
    assert host.made == []


async def test_libraries_of_its_own_need_a_process_and_a_folder(
    manager: PluginManager, host: FakeHost, tmp_path: Path
) -> None:
    """Nothing of that is left out silently."""
    with pytest.raises(PluginValidationError, match="runs inline, where it cannot have libraries of its own"):
        await manager.register(Own, site=tmp_path)
    with pytest.raises(PluginLoadError, match=r"libraries from .*nosuch, which is no folder"):
        await manager.register(Apart, site=tmp_path / "nosuch")
    await manager.register(Apart, site=tmp_path)
    assert host.made[0].request.site == tmp_path


@pytest.mark.parametrize("isolation", ["inline", "process"])
async def test_the_operators_limits_come_before_the_plugins(isolation: str, manager: PluginManager) -> None:
    """All of them, or some by name; the rest stays as the plugin says."""
    info = await manager.register(Own, isolation=isolation, limits={"max_tasks": 3, "memory_bytes": "1 MiB"})
    assert (info.metadata.limits.max_tasks, info.metadata.limits.memory_bytes) == (3, 2**20)
    assert info.metadata.limits.max_handlers == 100
    await manager.unregister_and_destroy("own")
    info = await manager.register(Own, isolation=isolation, limits=ResourceLimits(max_handlers=2))
    assert info.metadata.limits == ResourceLimits(max_handlers=2)
    with pytest.raises(PluginValidationError, match="there is no such limit"):
        await manager.register(Own, isolation=isolation, limits={"speed": 1})


async def test_a_version_of_gridbus_that_does_not_fit_starts_nothing(
    manager: PluginManager, host: FakeHost, folder: Path
) -> None:
    """As inline."""
    text = MANIFEST.replace('version = "1.0"', 'version = "1.0"\ncore_version = ">=99"')
    (folder / "gridbus-plugin.toml").write_text(text)
    with pytest.raises(PluginDependencyError, match="needs another gridbus"):
        await manager.register(folder)
    assert host.made == []


async def test_what_a_host_refuses_is_told(bus: Bus, folder: Path, recorder: Recorder) -> None:
    """As a failure to load or to configure, with its reason."""
    async with PluginManager(bus, host=FakeHost(error=SandboxError("no seccomp here", "folded"))) as manager:
        with pytest.raises(SandboxError):
            await manager.register(folder)
    [fact] = recorder.payloads("plugin:failed")
    assert (fact.id, fact.error, fact.message) == ("folded", "SandboxError", "no seccomp here")


# --- its life ------------------------------------------------------------------------------------------------------


async def test_a_stand_in_is_brought_up_and_taken_down_as_a_plugin(
    manager: PluginManager, host: FakeHost, bus: Bus, recorder: Recorder
) -> None:
    """With a context that is its own; what it declares it opens itself."""
    host.declared = (HostedDeclaration("on", "row:create", Permission.parse("subscribe:row:create")),)
    info = await manager.register_and_initialize(Apart)
    [made] = host.made
    assert (info.state, made.ctx.plugin_id) == (PluginState.RUNNING, "own")
    assert list(map(str, made.ctx.granted)) == ["threads", "net", "subscribe:row:create"]
    assert [kept.name for kept in bus.stats().subscriptions if kept.owner == "own"] == []
    usage = await manager.resource_usage("own")
    assert (usage.cpu_seconds, usage.memory_bytes) == (1.5, 4096)
    await manager.unregister_and_destroy("own")
    assert (made.is_destroyed, made.is_released) == (True, True)
    assert [event.topic for event in recorder.events][-2:] == ["plugin:destroyed", "plugin:unregistered"]


async def test_what_is_restarting_or_in_quarantine_can_be_asked_reloaded_and_removed(
    manager: PluginManager, host: FakeHost
) -> None:
    """Its stand-in is there all the time."""

    class Follower(Plugin):
        metadata = PluginMetadata(id="follower", name="Follower", version="1.0", dependencies=("own",))

    await manager.register_and_initialize(Apart)
    first = host.made[0]
    first.on_state(PluginState.RESTARTING)
    assert manager.get_plugin("own").state is PluginState.RESTARTING
    assert (await manager.check_plugin_health("own")).message == "here"
    await manager.register_and_initialize(Follower)
    await manager.unregister_and_destroy("follower")
    first.on_state(PluginState.QUARANTINED)
    with pytest.raises(PluginError, match="it is in quarantine"):
        await manager.register_and_initialize(Follower)
    assert (await manager.reload_plugin("own")).state is PluginState.RUNNING
    assert (first.is_released, host.made[1].is_released) == (True, False)
    first.on_state(PluginState.QUARANTINED)
    assert manager.get_plugin("own").state is PluginState.RUNNING
    host.made[1].on_state(PluginState.QUARANTINED)
    await manager.unregister_and_destroy("own")


async def test_a_process_that_goes_while_it_is_asked_is_a_warning(manager: PluginManager, host: FakeHost) -> None:
    """It is told elsewhere that it went."""
    await manager.register_and_initialize(Apart)
    host.made[0].is_gone = True
    health = await manager.check_plugin_health("own")
    assert (health.status, health.message) == (HealthStatus.WARNING, "its process went while it was asked")


async def test_a_configuration_is_tried_where_the_plugin_runs(
    manager: PluginManager, host: FakeHost, folder: Path
) -> None:
    """In a process that is ended again; nothing of a folder is imported for it."""
    await manager.register(folder)
    assert (await manager.validate_plugin_config("folded", {"a": 1})).is_valid
    assert (await manager.validate_plugin_config(folder, {"a": 1})).is_valid
    assert [made.is_released for made in host.made] == [False, True, True]
    host.error = PluginValidationError("no such key @ $.a", "folded", problems=("no such key @ $.a",))
    assert (await manager.validate_plugin_config("folded", {"a": 1})).errors == ("no such key @ $.a",)
    await manager.register(Apart, isolation="inline")
    assert not (await manager.validate_plugin_config("own", {"sizes": 1})).is_valid
    assert len(host.made) == 3
