"""What is told of reloads, as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gridbus.bus import Bus
from gridbus.cli.dev.trouble import of_reload
from gridbus.events import Event
from gridbus.events.system import (
    PLUGIN_DRAINED,
    PLUGIN_LEAKED,
    PLUGIN_RECONFIGURED,
    PLUGIN_RELOAD_FAILED,
    PLUGIN_RELOADED,
    PluginDrained,
    PluginLeaked,
    PluginReconfigured,
    PluginReloaded,
    PluginReloadFailed,
)

Tell = Callable[[str], object]


def tell_reloads(bus: Bus, tell: Tell, folder_of: Callable[[str], Path | None]) -> None:
    """Tell of each reload that happens on a bus, for as long as it is open.

    Args:
        bus: an open one.
        tell: shows a line.
        folder_of: gives the folder of a plugin, by id; None where it has none.
    """

    def show(plugin_id: str, lines: Iterator[str]) -> None:
        for line in lines:
            tell(f"plugin {plugin_id}: {line}")

    def reloaded(event: Event[PluginReloaded]) -> None:
        show(event.payload.id, reloaded_lines(event.payload))

    def failed(event: Event[PluginReloadFailed]) -> None:
        fact = event.payload
        show(fact.id, reload_failed_lines(fact, folder_of(fact.id)))

    def leaked(event: Event[PluginLeaked]) -> None:
        show(event.payload.id, leaked_lines(event.payload))

    def drained(event: Event[PluginDrained]) -> None:
        show(event.payload.id, drained_lines(event.payload))

    def reconfigured(event: Event[PluginReconfigured]) -> None:
        show(event.payload.id, reconfigured_lines(event.payload))

    bus.on(PLUGIN_RELOADED, reloaded, name="told reloads")
    bus.on(PLUGIN_RELOAD_FAILED, failed, name="told failed reloads")
    bus.on(PLUGIN_LEAKED, leaked, name="told leaks")
    bus.on(PLUGIN_DRAINED, drained, name="told ends")
    bus.on(PLUGIN_RECONFIGURED, reconfigured, name="told configurations")


def reloaded_lines(fact: PluginReloaded) -> Iterator[str]:
    """Say that a new generation serves, and what that means to others."""
    version = "" if fact.version == fact.from_version else f", {fact.from_version} -> {fact.version}"
    timing = f"in {milliseconds(fact.seconds)}, pause {milliseconds(fact.pause_seconds)}"
    yield f"reloaded generation {fact.generation} {timing}{version}: {fact.reason}"
    yield from (f"channel {change}" for change in fact.changes)
    if fact.restarted:
        yield f"reloaded as well, since its channels changed: {', '.join(fact.restarted)}"


def reload_failed_lines(fact: PluginReloadFailed, folder: Path | None) -> Iterator[str]:
    """Say why a plugin goes on as it was, with the lines of its source."""
    trouble = of_reload(fact, folder or Path.cwd())
    yield f"{trouble}; generation {fact.generation - 1} goes on" if fact.generation > 1 else str(trouble)
    yield from trouble.excerpt()


def leaked_lines(fact: PluginLeaked) -> Iterator[str]:
    """Say what is left of an earlier generation, and what holds it."""
    yield f"generation {fact.generation} leaks {', '.join(fact.objects) or 'something'}"
    yield from (f"  held by {holder}" for holder in fact.holders)


def drained_lines(fact: PluginDrained) -> Iterator[str]:
    """Say how an earlier generation ended, where it did not end well."""
    if not fact.clean:
        yield f"generation {fact.generation} did not end well: {fact.cancelled} handlers and tasks were cancelled"


def reconfigured_lines(fact: PluginReconfigured) -> Iterator[str]:
    """Say that a plugin took another configuration."""
    yield f"took its new {', '.join(fact.changed) or 'configuration'}"


def milliseconds(seconds: float) -> str:
    """Return a duration as people read it."""
    millis = seconds * 1000
    return f"{millis:.1f} ms" if millis < 10 else f"{millis:.0f} ms" if millis < 10_000 else f"{seconds:.1f} s"
