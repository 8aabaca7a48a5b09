"""Says everything that is wrong with the file of an application, without starting it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import attrs

from gridbus.bus import Bus
from gridbus.config.model import AppConfig
from gridbus.config.reading import read_toml, resolved_use, structured
from gridbus.errors import ConfigError, PluginError, PluginValidationError
from gridbus.manifest import Isolation
from gridbus.plugins import PluginInfo, PluginManager, untrusted_apart


@attrs.frozen
class ConfigProblem:
    """One thing that is wrong."""

    file: str
    key: str  #: dotted; empty where it is about the file as a whole
    reason: str

    def __str__(self) -> str:
        """Return file, key and reason."""
        return f"{self.file}: {self.key}: {self.reason}" if self.key else f"{self.file}: {self.reason}"


@attrs.frozen
class CheckReport:
    """What a check found."""

    problems: tuple[ConfigProblem, ...]
    config: AppConfig | None = None  #: what the file declares, where it can be used

    @property
    def summary(self) -> str:
        """What the file declares, in a few words."""
        if self.config is None:
            return "it cannot be used"
        grid, plugins = self.config.grid, self.config.plugins
        content = f"{grid.file}" if grid.file is not None else f"{len(grid.columns)} columns"
        enabled = ", ".join(plugin_id for plugin_id, one in plugins.items() if one.enabled) or "none"
        disabled = [plugin_id for plugin_id, one in plugins.items() if not one.enabled]
        off = f" (disabled: {', '.join(disabled)})" if disabled else ""
        return f"grid {grid.name!r} with {content}; plugins: {enabled}{off}; storage: {self.config.storage.kind}"


async def check_config(path: Path | str) -> CheckReport:
    """Check a file: its form, the files that it names, and each plugin with its configuration.

    The code of plugins is imported, and nothing of it runs but their constructors and ``validate_config``: here or in a
    process of its own, as the application would do it.
    """
    path = Path(path)
    try:
        data = read_toml(path)
    except ConfigError as error:
        return CheckReport(tuple(ConfigProblem(str(path), "", problem) for problem in error.problems))
    config: AppConfig | None = None
    found: list[tuple[str, str]] = []
    try:
        config = structured(data, path)
    except ConfigError as error:
        found += map(_split, error.problems)
    found += _missing_files(data, path)
    found += await _plugin_problems(data, path)
    problems = tuple(ConfigProblem(str(path), key, reason) for key, reason in dict.fromkeys(found))
    return CheckReport(problems, None if problems else config)


def _split(problem: str) -> tuple[str, str]:
    reason, at, key = problem.rpartition(" @ ")
    return (key.removeprefix("$").removeprefix("."), reason) if at else ("", problem)


def _missing_files(data: Mapping[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    file = _table(data, "grid").get("file")
    if isinstance(file, str) and not (path.parent / file).is_file():
        yield "grid.file", f"there is no file {path.parent / file}"
    store = _table(data, "storage").get("path")
    if isinstance(store, str) and not (path.parent / store).parent.is_dir():
        yield "storage.path", f"there is no folder {(path.parent / store).parent}"
    for plugin_id, entry in _table(data, "plugins").items():
        site = entry.get("site") if isinstance(entry, Mapping) else None
        if isinstance(site, str) and not (path.parent / site).is_dir():
            yield f"plugins.{plugin_id}.site", f"there is no folder {path.parent / site}"


async def _plugin_problems(data: Mapping[str, Any], path: Path) -> list[tuple[str, str]]:
    """Register each plugin by itself, so that one hides nothing of another, and look at what they need."""
    from gridbus.hosting import ProcessHost  # importing the configuration brings in no processes

    problems: list[tuple[str, str]] = []
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus())
        host = ProcessHost(bus, require_sandbox=_table(data, "isolation").get("require") is not False)
        stack.push_async_callback(host.aclose)
        manager = await stack.enter_async_context(PluginManager(bus, host=host, isolation=untrusted_apart))
        installed = [found.id for found in await manager.discover()]
        for plugin_id, entry in _table(data, "plugins").items():
            if not isinstance(entry, Mapping) or entry.get("enabled") is False:
                continue
            use, config = entry.get("use"), entry.get("config")
            if not isinstance(use, str | None) or not isinstance(config, Mapping | None):
                continue  # a wrong type, which was told already
            if use is None and plugin_id not in installed:
                problems.append((f"plugins.{plugin_id}", _not_installed(plugin_id, installed)))
                continue
            problems += await _registered(
                manager, plugin_id, use and resolved_use(use, path), config, _options(entry, path)
            )
        infos = {info.id: info for info in manager.list_plugins()}
        for info in infos.values():
            problems += [(f"plugins.{info.id}", reason) for reason in _unmet(info, infos)]
    return problems


def _options(entry: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return how a plugin is registered, as far as that can be used; what cannot was told already."""
    options: dict[str, Any] = {}
    if entry.get("isolation") in tuple(Isolation):
        options["isolation"] = entry["isolation"]
    site = entry.get("site")
    if isinstance(site, str) and (path.parent / site).is_dir():
        options["site"] = path.parent / site
    return options


async def _registered(
    manager: PluginManager,
    plugin_id: str,
    use: str | None,
    config: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> list[tuple[str, str]]:
    key = f"plugins.{plugin_id}"
    try:
        info = await manager.register(use or plugin_id, dict(config) if config else None, **options)
    except PluginValidationError as error:
        reasons = error.details.get("problems")
        if not reasons:
            return [(key, str(error))]
        return [(f"{key}.config{_joined(below)}", reason) for below, reason in map(_split, reasons)]
    except PluginError as error:
        return [(f"{key}.use" if use else key, str(error))]
    return [] if info.id == plugin_id else [(f"{key}.use", f"this plugin is {info.id!r}: name the table after it")]


def _unmet(info: PluginInfo, others: Mapping[str, PluginInfo]) -> Iterator[str]:
    """Yield what a plugin needs and does not get."""
    for need in info.metadata.dependencies:
        other = others.get(need.id)
        if other is None and not need.optional:
            yield f"it needs the plugin {need.id!r}, which is not among these"
        elif other is not None and not need.versions.contains(other.metadata.version):
            yield f"it needs another {need.id!r}: {need.versions.explain(other.metadata.version)}"


def _not_installed(plugin_id: str, installed: list[str]) -> str:
    near = get_close_matches(plugin_id, installed, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"installed are {', '.join(installed) or 'none'};"
    return f'no installed package offers this plugin; {hint} otherwise write use = "module:Class"'


def _joined(key: str) -> str:
    return key if not key or key.startswith("[") else f".{key}"


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}
