"""What a plugin leaves to its next life."""

from __future__ import annotations

import inspect
from typing import Any

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginState
from gridbus.errors import PluginStateError
from gridbus.plugins.facts import Facts
from gridbus.plugins.failure import described, strip
from gridbus.plugins.record import Record
from gridbus.plugins.stage import run_stage


async def snapshot(bus: Bus, facts: Facts, record: Record) -> tuple[Any, str] | None:
    """Return a running plugin's state and its version; None where it has none.

    One that cannot tell its state keeps running: whoever reloads it is told, and nothing is lost.

    Raises:
        PluginStateError: ``snapshot_state`` failed, which was published as ``plugin:failed``; its cause is what it
            raised.
    """
    plugin = record.plugin
    if record.state is not PluginState.RUNNING or plugin is None:
        return None

    async def ask() -> Any:
        state: Any = plugin.snapshot_state()
        return await state if inspect.isawaitable(state) else state

    try:
        state = await run_stage(
            bus,
            ask,
            name=f"snapshot of plugin {record.id!r}",
            owner=record.id,
            timeout=record.metadata.limits.destroy_timeout,
        )
    except (Exception, SystemExit) as error:
        await facts.failed(record.id, "snapshot", error)
        reason = f"it cannot tell its state: {described(error)}"
        raise PluginStateError(f"plugin {record.id!r} is not reloaded: {reason}", record.id) from strip(error)
    return None if state is None else (state, record.metadata.version)
