"""Which plugins can run together, and in what order they come up."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from gridbus.errors import PluginDependencyError, PluginIncompatibleError
from gridbus.manifest import Dependency, PluginMetadata

Known = Mapping[str, PluginMetadata]


class Plan(NamedTuple):
    """The order in which plugins come up, and why some of them cannot."""

    order: tuple[str, ...]
    errors: dict[str, PluginDependencyError]


def plan(wanted: Iterable[str], known: Known, running: Collection[str] = ()) -> Plan:
    """Find out how to bring up the plugins that are wanted, and those that they need.

    What is known and neither wanted nor needed stays as it is. A plugin that cannot come up takes those along that
    need it, and no others. Where dependencies leave a choice, the order is that of ``wanted``.

    Args:
        wanted: ids of plugins that are known.
        known: all plugins that are registered.
        running: ids of those that run already.
    """
    asked = [plugin_id for plugin_id in dict.fromkeys(wanted) if plugin_id not in running]
    starting = _closure(asked, known, running)
    paths = _paths(asked, known)
    errors: dict[str, PluginDependencyError] = {}
    while True:
        order, broken = _ordered(starting, known, errors, paths)
        for plugin_id in starting:
            if plugin_id not in errors and plugin_id not in broken:
                error = _unmet(plugin_id, known, starting, running, {**errors, **broken}, paths)
                if error is not None:
                    broken[plugin_id] = error
        if not broken:
            return Plan(order, errors)
        errors |= broken


def refusal(successor: PluginMetadata, known: Known, running: Collection[str]) -> PluginDependencyError | None:
    """Return why another version of a plugin cannot take the place of the one that is there, None where it can.

    Args:
        successor: what is to take its place.
        known: all plugins that are registered.
        running: ids of those that run.
    """
    plugin_id = successor.id
    known = {**known, plugin_id: successor}
    others = [other for other in running if other != plugin_id]
    error = plan([plugin_id], known, others).errors.get(plugin_id)
    if error is not None:
        return error
    for other in others:
        for need in _needs(known[other]):
            if need.id == plugin_id and not need.versions.contains(successor.version):
                reason = f"{other!r} needs {str(need)!r}, but {need.versions.explain(successor.version)}"
                return _error(plugin_id, (other, plugin_id), reason)
    return None


def dependents(plugin_id: str, known: Known, running: Collection[str]) -> tuple[str, ...]:
    """Return the running plugins that need this one, directly or through others, in the order of ``running``."""
    needed = {plugin_id}
    while True:
        more = {
            other
            for other in running
            if other not in needed and any(need.id in needed and not need.optional for need in _needs(known[other]))
        }
        if not more:
            return tuple(other for other in running if other in needed and other != plugin_id)
        needed |= more


def _needs(metadata: PluginMetadata) -> tuple[Dependency, ...]:
    return (*metadata.dependencies, *metadata.peers)


def _closure(asked: Sequence[str], known: Known, running: Collection[str]) -> list[str]:
    """Return the plugins that are asked for and those they depend on, without what runs."""
    found = dict.fromkeys(asked)
    waiting = list(asked)
    while waiting:
        for need in known[waiting.pop()].dependencies:
            if need.id in known and need.id not in running and need.id not in found and not need.optional:
                found[need.id] = None
                waiting.append(need.id)
    return list(found)


def _paths(asked: Sequence[str], known: Known) -> dict[str, tuple[str, ...]]:
    """Return for each plugin the way that leads to it from one that nobody else among those asked for depends on."""
    needed = {need.id for plugin_id in asked for need in known[plugin_id].dependencies}
    roots = [plugin_id for plugin_id in asked if plugin_id not in needed]
    paths: dict[str, tuple[str, ...]] = {}
    for root in (*roots, *asked):
        if root in paths:
            continue
        paths[root] = (root,)
        waiting = [root]
        while waiting:
            plugin_id = waiting.pop(0)
            for need in known[plugin_id].dependencies:
                if need.id in known and need.id not in paths:
                    paths[need.id] = (*paths[plugin_id], need.id)
                    waiting.append(need.id)
    return paths


def _unmet(
    plugin_id: str,
    known: Known,
    starting: Collection[str],
    running: Collection[str],
    errors: Mapping[str, PluginDependencyError],
    paths: Mapping[str, tuple[str, ...]],
) -> PluginDependencyError | None:
    """Return why a plugin cannot come up, None where nothing is against it."""
    metadata, path = known[plugin_id], paths[plugin_id]
    for kind, needs in (("dependency", metadata.dependencies), ("peer", metadata.peers)):
        for need in needs:
            there = need.id in known and (kind == "peer" or need.id in running or need.id in starting)
            if not there:
                if not need.optional:
                    return _error(plugin_id, (*path, need.id), f"the {kind} {str(need)!r} is not registered")
            elif not need.versions.contains(known[need.id].version):
                reason = f"the {kind} {str(need)!r} is there, but {need.versions.explain(known[need.id].version)}"
                return _error(plugin_id, (*path, need.id), reason)
            elif need.id in errors and not need.optional:
                cause = str(errors[need.id])
                return _error(plugin_id, (*path, need.id), f"the {kind} {need.id!r} cannot come up ({cause})")
    return _conflict(plugin_id, known, [*running, *(other for other in starting if other not in errors)], path)


def _conflict(plugin_id: str, known: Known, others: Iterable[str], path: Sequence[str]) -> PluginDependencyError | None:
    """Return the conflict with a plugin that was there before; of two that come up together, the later one has it."""
    for other in others:
        if other == plugin_id:
            return None
        for one, two in ((plugin_id, other), (other, plugin_id)):
            for refused in known[one].conflicts:
                if refused.id == two and refused.versions.contains(known[two].version):
                    reason = f"{one!r} conflicts with {str(refused)!r}, and {two} {known[two].version} is there"
                    return PluginIncompatibleError(_told(plugin_id, path, reason), plugin_id, path=tuple(path))
    return None


def _ordered(
    starting: Sequence[str],
    known: Known,
    errors: Mapping[str, PluginDependencyError],
    paths: Mapping[str, tuple[str, ...]],
) -> tuple[tuple[str, ...], dict[str, PluginDependencyError]]:
    """Return the plugins, each behind what it depends on; or an error for each plugin of a circle."""
    rank = {plugin_id: place for place, plugin_id in enumerate(starting) if plugin_id not in errors}
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for plugin_id in rank:
        sorter.add(plugin_id, *(need.id for need in known[plugin_id].dependencies if need.id in rank))
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = tuple(reversed(error.args[1]))  # graphlib names predecessors first
        return (), {
            plugin_id: _error(plugin_id, _turned(circle, plugin_id), "they depend on each other in a circle")
            for plugin_id in circle
        }
    order: list[str] = []
    ready: list[tuple[int, str]] = []
    while sorter.is_active():
        for plugin_id in sorter.get_ready():
            heapq.heappush(ready, (rank[plugin_id], plugin_id))
        order.append(heapq.heappop(ready)[1])
        sorter.done(order[-1])
    return tuple(order), {}


def _turned(circle: tuple[str, ...], first: str) -> tuple[str, ...]:
    """Return a circle so that it begins and ends with one of its members."""
    place = circle.index(first)
    return (*circle[place:-1], *circle[: place + 1])


def _error(plugin_id: str, path: Sequence[str], reason: str) -> PluginDependencyError:
    return PluginDependencyError(_told(plugin_id, path, reason), plugin_id, path=tuple(path))


def _told(plugin_id: str, path: Sequence[str], reason: str) -> str:
    way = f" ({' -> '.join(path)})" if len(path) > 1 else ""
    return f"plugin {plugin_id!r} cannot come up: {reason}{way}"
