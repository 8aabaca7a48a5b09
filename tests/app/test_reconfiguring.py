"""A running application follows its file, step by step, and keeps what runs where that cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from gridbus import Bus, Event, Plugin, PluginMetadata, on
from gridbus.app.changes import Change, Outcome
from gridbus.app.reconfiguring import Reconfiguring
from gridbus.channels.plugins import PluginInfo
from gridbus.config import AppConfig, GridConfig, PluginConfig, StorageConfig, StorageKind
from gridbus.errors import PluginReloadError
from gridbus.grid import ROW_CREATE, RowCreated
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager, grant_listed
from gridbus.plugins.policy import PermissionRequest

HERE = __name__


@attrs.frozen
class Options:
    """What the listener is told."""

    greeting: str = "hi"


class Listener(Plugin[Options]):
    """Hears of rows."""

    metadata = PluginMetadata(id="listener", name="Listener", version="1.0")

    @on(ROW_CREATE)
    async def hear(self, event: Event[RowCreated]) -> None:
        pass


class Patient(Listener):
    """Takes another configuration as it runs."""

    metadata = PluginMetadata(id="patient", name="Patient", version="1.0")

    def reconfigure(self, config: Options) -> None:
        if not config.greeting:
            raise ValueError("it has to greet")


class Follower(Plugin):
    """Needs the listener."""

    metadata = PluginMetadata(id="follower", name="Follower", version="1.0", dependencies=("listener",))


class Manager(PluginManager):
    """Takes note of what is reloaded and configured, in the place of doing it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.calls: list[Any] = []
        self.refusal: str | None = None

    async def reload_plugin(self, plugin_id: str, **options: Any) -> PluginInfo:
        return self._called("reload", plugin_id, options)

    async def configure_plugin(self, plugin_id: str, config: Any) -> PluginInfo:
        return self._called("configure", plugin_id, config)

    def _called(self, *call: Any) -> PluginInfo:
        self.calls.append(call)
        if self.refusal is not None:
            raise PluginReloadError(self.refusal, call[1])
        return self.get_plugin(call[1])


def plugins(**named: PluginConfig | None) -> dict[str, PluginConfig]:
    """Plugins of this module by id; None for one as it comes."""
    return {name: PluginConfig(use=f"{HERE}:{name.title()}") if one is None else one for name, one in named.items()}


def listener(**options: Any) -> PluginConfig:
    """The listener, in its own way."""
    return PluginConfig(use=f"{HERE}:Listener", **options)


Granted = dict[str, Any]


@pytest.fixture
def granted() -> Granted:
    """What the policy grants by id."""
    return {}


@pytest.fixture
async def manager(granted: Granted) -> AsyncIterator[Manager]:
    """A manager on an open bus, that reads its table anew each time."""

    def policy(request: PermissionRequest) -> Any:
        return grant_listed(granted)(request)

    async with Bus() as bus, Manager(bus, permissions=policy) as manager:
        yield manager


class Told(list[str]):
    """What was told, as lines with their outcome."""

    def __call__(self, change: Change) -> None:
        self.append(f"{change.outcome}: {change}")


@pytest.fixture
def told() -> Told:
    """What was told."""
    return Told()


async def started(manager: Manager, told: Told, config: AppConfig, **options: Any) -> Reconfiguring:
    """Start the plugins of a configuration; return what follows its changes."""
    new = Reconfiguring(manager, Path("gridbus.toml"), AppConfig(), tell=told, **options)
    await new.apply(config)
    told.clear()
    return new


def ids(manager: PluginManager) -> list[str]:
    """The ids of the plugins that run."""
    return [info.id for info in manager.list_plugins(state="running")]


async def test_plugins_come_and_go(manager: Manager, told: Told) -> None:
    """Those that need each other are all registered before one comes up; nothing else is touched."""
    new = Reconfiguring(manager, Path("gridbus.toml"), AppConfig(), tell=told)
    both = AppConfig(plugins=plugins(follower=None, listener=None))
    changes = await new.apply(both)
    assert [(change.key, change.outcome, change.plugin) for change in changes] == [
        ("plugins.follower", Outcome.APPLIED, "follower"),
        ("plugins.listener", Outcome.APPLIED, "listener"),
    ]
    assert ids(manager) == ["follower", "listener"]
    assert new.running == both
    assert await new.apply(both) == ()
    told.clear()
    off = {key: attrs.evolve(one, enabled=False) for key, one in both.plugins.items()}
    await new.apply(AppConfig(plugins=dict(reversed(off.items()))))  # the listener is asked to go first
    assert told == ["applied: plugins.follower: removed", "applied: plugins.listener: removed"]
    assert ids(manager) == []
    assert new.running == AppConfig()


async def test_a_plugin_that_others_need_stays(manager: Manager, told: Told) -> None:
    """It is told who needs it, and the next change tries again."""
    new = await started(manager, told, AppConfig(plugins=plugins(listener=None, follower=None)))
    await new.apply(AppConfig(plugins=plugins(follower=None)))
    assert len(told) == 1
    assert told[0].startswith("failed: plugins.listener: not removed: ")
    assert "needed by follower" in told[0]
    assert ids(manager) == ["listener", "follower"]
    told.clear()
    await new.apply(AppConfig())
    assert told == ["applied: plugins.follower: removed", "applied: plugins.listener: removed"]


async def test_a_plugin_that_does_not_come_up_keeps_no_other_from_it(manager: Manager, told: Told) -> None:
    """It is tried again at the next change, whatever that is about."""
    new = await started(manager, told, AppConfig())
    wrong = listener(config={"greting": "hi"})
    await new.apply(AppConfig(plugins={"listener": wrong, **plugins(follower=None)}))
    assert told[0].startswith("failed: plugins.listener: not added: ")
    assert "greting" in told[0]
    assert told[1].startswith("failed: plugins.follower: not added: ")
    told.clear()
    await new.apply(AppConfig(plugins=plugins(listener=None, follower=None)))
    assert told == ["applied: plugins.listener: added", "applied: plugins.follower: added"]


async def test_a_plugin_of_another_name_is_refused(manager: Manager, told: Told) -> None:
    """Its grants would go astray."""
    new = await started(manager, told, AppConfig())
    await new.apply(AppConfig(plugins={"hearer": listener()}))
    assert told == [
        "failed: plugins.hearer: not added: the plugin that is configured as 'hearer' is 'listener'",
    ]
    assert manager.list_plugins() == []


async def test_a_configuration_is_given_to_the_running_plugin(manager: Manager, told: Told) -> None:
    """What it refuses is told and not kept, so that the next change gives it again."""
    new = await started(manager, told, AppConfig(plugins=plugins(listener=None)))
    wanted = AppConfig(plugins={"listener": listener(config={"greeting": "hello"})})
    manager.refusal = "it will not"
    await new.apply(wanted)
    assert told == ["failed: plugins.listener.config: not applied: it will not"]
    assert new.running.plugins["listener"].config == {}
    manager.refusal = None
    await new.apply(wanted)
    assert told[1:] == ["applied: plugins.listener.config: applied"]
    assert new.running == wanted
    await new.apply(AppConfig(plugins=plugins(listener=None)))
    given = ("configure", "listener", {"greeting": "hello"})
    assert manager.calls == [given, given, ("configure", "listener", None)]


async def test_what_makes_a_new_generation_is_applied_at_once(manager: Manager, told: Told) -> None:
    """Place, limits and source come with the configuration, in one reload."""
    new = await started(manager, told, AppConfig(plugins=plugins(listener=None)))
    other = PluginConfig(use="./mine", limits={"health_timeout": 1.0}, config={"greeting": "yo"})
    await new.apply(AppConfig(plugins={"listener": other}))
    assert told == ["applied: plugins.listener: reloaded with its new use, limits, config"]
    apart = attrs.evolve(other, isolation=Isolation.PROCESS, limits={})
    await new.apply(AppConfig(plugins={"listener": apart}))
    assert manager.calls == [
        (
            "reload",
            "listener",
            {"source": "./mine", "limits": {"health_timeout": 1.0}, "config": {"greeting": "yo"}},
        ),
        ("reload", "listener", {"isolation": Isolation.PROCESS, "limits": None}),
    ]
    assert new.running.plugins["listener"] == apart


async def test_a_plugin_takes_its_configuration_as_it_runs_or_as_a_new_generation(told: Told) -> None:
    """What it refuses leaves it as it was, and the others get theirs."""
    async with Bus() as bus, PluginManager(bus) as manager:
        new = Reconfiguring(manager, Path("gridbus.toml"), AppConfig(), tell=told)
        await new.apply(AppConfig(plugins=plugins(patient=None, listener=None)))
        told.clear()
        for greeting in ("hello", ""):
            wanted = {"greeting": greeting}
            patient = PluginConfig(use=f"{HERE}:Patient", config=wanted)
            both = {"patient": patient, "listener": listener(config=wanted)}
            await new.apply(AppConfig(plugins=both))
        assert told[:2] == ["applied: plugins.patient.config: applied", "applied: plugins.listener.config: applied"]
        assert told[2].startswith("failed: plugins.patient.config: not applied: ")
        assert "it has to greet" in told[2]
        assert told[3:] == ["applied: plugins.listener.config: applied"]
        assert [(info.id, info.generation) for info in manager.list_plugins()] == [("patient", 1), ("listener", 3)]
        assert new.running.plugins["patient"].config == {"greeting": "hello"}


async def test_limits_hold_from_the_next_generation_on(told: Told) -> None:
    """And the plugin's own again where they are taken out."""
    async with Bus() as bus, PluginManager(bus) as manager:
        new = Reconfiguring(manager, Path("gridbus.toml"), AppConfig(), tell=told)
        given: tuple[dict[str, float], ...] = ({}, {"health_timeout": 1.5}, {})
        for limits in given:
            await new.apply(AppConfig(plugins={"listener": listener(limits=limits)}))
            info = manager.get_plugin("listener")
            assert info.metadata.limits.health_timeout == limits.get("health_timeout", 5.0)
        assert info.generation == 3
    assert told[1:] == ["applied: plugins.listener: reloaded with its new limits"] * 2


async def test_permissions_are_granted_and_revoked_by_difference(
    manager: Manager, told: Told, granted: Granted
) -> None:
    """What is not listed any more goes; what is left is not touched."""
    mine = ("subscribe:row:create", "storage")
    new = await started(manager, told, AppConfig(plugins={"listener": listener(grants=mine)}), grants=granted)
    assert granted == {"listener": mine}
    assert shown(manager) == ["subscribe:row:create", "storage"]
    await new.apply(AppConfig(plugins={"listener": listener(grants=("subscribe:row:create", "grid.read"))}))
    assert told == ["applied: plugins.listener.grants: revoked storage; granted grid.read"]
    assert shown(manager) == ["subscribe:row:create", "grid.read"]
    assert granted == {"listener": ("subscribe:row:create", "grid.read")}
    assert manager.calls == []


async def test_a_permission_that_becomes_narrower_makes_a_new_generation(
    manager: Manager, told: Told, granted: Granted
) -> None:
    """What was open by the wider one was closed with it."""
    new = await started(
        manager, told, AppConfig(plugins={"listener": listener(grants=("subscribe:*",))}), grants=granted
    )
    await new.apply(AppConfig(plugins={"listener": listener(grants=("subscribe:row:*",))}))
    assert told == ["applied: plugins.listener.grants: revoked subscribe; granted subscribe:row:*"]
    assert shown(manager) == ["subscribe:row:*"]
    assert manager.calls == [("reload", "listener", {})]


async def test_from_what_is_asked_for_to_a_list_needs_a_restart(manager: Manager, told: Told) -> None:
    """That is told once, and other changes of the plugin are applied."""
    new = await started(manager, told, AppConfig(plugins=plugins(listener=None)))
    wanted = AppConfig(plugins={"listener": listener(grants=("storage",), config={"greeting": "yo"})})
    await new.apply(wanted)
    await new.apply(wanted)
    assert [line.partition(": ")[2][:40] for line in told] == [
        "plugins.listener.grants: from what the p",
        "plugins.listener.config: applied",
    ]
    assert told[0].startswith("next start: ")
    assert manager.calls == [("configure", "listener", {"greeting": "yo"})]


async def test_a_new_plugin_with_a_list_is_refused_where_the_policy_does_not_know(
    manager: Manager, told: Told, granted: Granted
) -> None:
    """It would be granted what it asks for."""
    config = AppConfig(plugins={"listener": listener(grants=("subscribe:row:create",))})
    await (await started(manager, told, AppConfig())).apply(config)
    assert told[0].startswith("failed: plugins.listener: not added: its grants are not known")
    assert manager.list_plugins() == []
    await (await started(manager, told, AppConfig(), grants=granted)).apply(config)
    assert shown(manager) == ["subscribe:row:create"]


async def test_what_needs_a_restart_is_told_once(manager: Manager, told: Told) -> None:
    """And again where it changes again; not where it comes back to what runs."""
    new = await started(manager, told, AppConfig())
    changed = AppConfig(
        name="shop",
        grid=GridConfig(name="people"),
        storage=StorageConfig(kind=StorageKind.SQLITE, path=Path("a.db")),
        health_interval=5.0,
    )
    await new.apply(changed)
    await new.apply(changed)
    assert told == [
        f"next start: {key}: takes effect at the next start" for key in ("name", "grid", "storage", "health_interval")
    ]
    told.clear()
    await new.apply(attrs.evolve(changed, name="store", grid=GridConfig()))
    assert told == ["next start: name: takes effect at the next start"]
    assert new.running.name == "app"


def shown(manager: PluginManager) -> list[str]:
    """What the listener is granted."""
    return list(map(str, manager.get_plugin("listener").granted))
