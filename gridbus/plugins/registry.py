"""Which plugins there are, and how they stand to each other."""

from __future__ import annotations

from collections.abc import Iterator

from gridbus.bus.ask import Request
from gridbus.bus.cell import current_cell
from gridbus.channels.plugins import PluginState
from gridbus.errors import (
    PluginConflictError,
    PluginDependencyError,
    PluginNotFoundError,
    PluginStateError,
    PluginValidationError,
    ReentrancyError,
)
from gridbus.manifest import PluginMetadata
from gridbus.plugins.grants import overlap
from gridbus.plugins.graph import Plan, dependents, plan, refusal
from gridbus.plugins.record import INITIALIZED, LIVE, Record

_UP = LIVE | {PluginState.INITIALIZING}
_GOING = (PluginState.DESTROYING, PluginState.FAILED)


class Registry:
    """The records of one manager, by id, in the order of registration."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def __iter__(self) -> Iterator[Record]:
        """Iterate over a copy."""
        return iter(tuple(self._records.values()))

    def __contains__(self, plugin_id: object) -> bool:
        """Tell whether an id is taken."""
        return plugin_id in self._records

    def find(self, plugin_id: str) -> Record | None:
        """Return a record, None where there is none."""
        return self._records.get(plugin_id)

    def get(self, plugin_id: str) -> Record:
        """Return a record.

        Raises:
            PluginNotFoundError: no plugin of this id is registered.
        """
        record = self._records.get(plugin_id)
        if record is None:
            there = ", ".join(self._records) or "none"
            raise PluginNotFoundError(f"no plugin {plugin_id!r} is registered; registered are: {there}", plugin_id)
        return record

    def add(self, record: Record) -> None:
        """Take a record in.

        Raises:
            PluginConflictError: its id or one of its namespaces is taken; the message names both plugins.
        """
        there = self._records.get(record.id)
        if there is not None:
            raise PluginConflictError(
                f"plugin id {record.id!r} is taken: {there.shown} is {there.state.value}, so {record.shown} cannot "
                "have it; unregister the one, or give the other an id of its own",
                record.id,
            )
        self._check_topics(record)
        self._records[record.id] = record

    def check_successor(self, old: Record, new: Record) -> None:
        """Refuse what cannot take the place of a registered plugin.

        Raises:
            PluginValidationError: it is another plugin.
            PluginConflictError: it owns topics that are another's.
            PluginDependencyError: it does not get on with the plugins that run; the message names the path.
        """
        if new.id != old.id:
            raise PluginValidationError(f"{new.origin} holds plugin {new.id!r} now, not {old.id!r}", old.id)
        self._check_topics(new)
        running = [kept.id for kept in self if kept.state in _UP]
        error = refusal(new.metadata, {kept.id: kept.metadata for kept in self}, running)
        if error is not None:
            raise error

    def replace(self, old: Record, new: Record) -> None:
        """Let a plugin's next generation take its place, among the others too."""
        self._records = {plugin_id: new if record is old else record for plugin_id, record in self._records.items()}

    def forget(self, record: Record) -> None:
        """Make an id free again."""
        if self._records.get(record.id) is record:
            del self._records[record.id]

    def running(self) -> list[Record]:
        """Return what came up, in that order; restarting and in quarantine as well."""
        return sorted((kept for kept in self if kept.state in INITIALIZED), key=lambda kept: kept.rank)

    def plan(self, wanted: list[str]) -> Plan:
        """Return how to bring up registered plugins; those on their way up count as running."""
        known = {kept.id: kept.metadata for kept in self if kept.state not in _GOING}
        return plan(wanted, known, [kept.id for kept in self if kept.id in known and kept.state in _UP])

    def check_reload(self, plugin_id: str) -> Record:
        """Return the record of a plugin that can be reloaded.

        Raises:
            PluginNotFoundError: no plugin of this id is registered.
            PluginStateError: it is on its way up or down.
            ReentrancyError: one of its own handlers waits for this.
        """
        record = self._settled(plugin_id)
        _refuse_own_end([record], "reloading")
        return record

    def needing(self, plugin_id: str) -> tuple[str, ...]:
        """Return the plugins that came up and name this one as a dependency or peer, in the order in which they did."""
        return tuple(
            kept.id
            for kept in self.running()
            if any(need.id == plugin_id for need in (*kept.metadata.dependencies, *kept.metadata.peers))
        )

    def going(self, plugin_id: str, *, cascade: bool) -> list[Record]:
        """Return what goes when a plugin goes, in the order in which it has to.

        Raises:
            PluginNotFoundError: no plugin of this id is registered.
            PluginDependencyError: others need it, and do not go along.
            PluginStateError: it is on its way up or down.
            ReentrancyError: one of the handlers of what goes waits for this.
        """
        self._settled(plugin_id)
        running = self.running()
        known: dict[str, PluginMetadata] = {kept.id: kept.metadata for kept in running}
        needing = dependents(plugin_id, known, known)
        if needing and not cascade:
            raise PluginDependencyError(
                f"plugin {plugin_id!r} is needed by {', '.join(needing)}: end them first, or all with cascade=True",
                plugin_id,
                dependents=needing,
            )
        going = [self.get(other) for other in (*reversed(needing), plugin_id)]
        _refuse_own_end(going, "ending")
        return going

    def _settled(self, plugin_id: str) -> Record:
        record = self.get(plugin_id)
        if record.state is not PluginState.REGISTERED and record.state not in INITIALIZED:
            raise PluginStateError(f"plugin {plugin_id!r} is {record.state.value}: wait until that is done", plugin_id)
        return record

    def _check_topics(self, record: Record) -> None:
        for other in self._records.values():
            namespace = None if other.id == record.id else overlap(record.metadata, other.metadata)
            if namespace is not None:
                raise PluginConflictError(
                    f"{record.shown} and {other.shown} cannot both own the topics {namespace}:*; take them out of "
                    "the metadata of one",
                    record.id,
                )


def _refuse_own_end(going: list[Record], what: str) -> None:
    """Refuse to wait for the end of a plugin within one of its handlers, which would have to end first."""
    cell = current_cell()
    if cell is None or cell.mailbox is None:
        return
    asker = cell.event.origin.source if isinstance(cell.event, Request) and cell.event.future is not None else None
    for record in going:
        own = () if record.scope is None else record.scope.subscriptions
        if record.id == asker or any(kept.mailbox is cell.mailbox for kept in own):
            what = f"{what} plugin {record.id!r} from one of its own handlers (tell the manager, or start a task)"
            raise ReentrancyError(what, [record.id, "manager", record.id])
