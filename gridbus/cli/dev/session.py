"""The loop of a plugin's author: the plugin on a grid, reloaded on save, and what is known of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import attrs
from anyio import to_thread
from anyio.abc import TaskGroup

from gridbus.app import App
from gridbus.bundles import read_bundle
from gridbus.cli.dev.board import Board
from gridbus.cli.dev.events import Events
from gridbus.cli.dev.table import COLUMNS, Examples, demo_rows
from gridbus.cli.dev.trouble import of_error
from gridbus.cli.dev.typed import COMMANDS, HELP
from gridbus.errors import FileFormatError, FileReadError, GridbusError, PluginError, PluginReloadError

_LOOK = 0.2  # seconds between two looks at the code of a plugin that does not load


@attrs.define
class Session:
    """One author at work on one plugin."""

    app: App
    board: Board
    commands: AsyncIterator[str]  #: what is typed
    file: Path | None = None  #: the table; a small one of our own where None
    failure: GridbusError | None = None  #: why it ended early
    _again: anyio.Event = attrs.field(factory=anyio.Event)
    _ends: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    _examples: Examples | None = None

    async def run(self) -> None:
        """Run the plugin until ``q`` is typed, the table cannot be read, or this is cancelled."""
        Events(self.app.bus, self.board)
        with self._ends:
            async with anyio.create_task_group() as group:
                group.start_soon(self._obey, group)
                await self._bring_up()
                try:
                    await self._load_table()
                except (FileReadError, FileFormatError) as error:
                    self.failure = error
                    self._ends.cancel()
                await anyio.sleep_forever()

    async def check(self) -> None:
        """Take note of how the plugin says it is, and tell nobody."""
        if self.board.info is not None:
            with suppress(PluginError):  # it is between two lives, or gone
                self.board.health = await self.app.manager.check_plugin_health(self.board.name)

    async def refresh(self) -> None:
        """Take note of what the plugin is and does now."""
        if self.board.info is None:
            return
        manager, plugin_id = self.app.manager, self.board.name
        try:
            self.board.info = manager.get_plugin(plugin_id)
            self.board.usage = await manager.resource_usage(plugin_id)
        except PluginError:
            return  # it is between two lives, or gone; what happened is told by its own event
        self.board.note_connections(self.app.bus.stats())

    # --- coming up -----------------------------------------------------------------------------------------------

    async def _bring_up(self) -> None:
        """Register the plugin; where that fails, again whenever its code has changed."""
        manager, folder = self.app.manager, self.board.folder
        while True:
            digest = await to_thread.run_sync(_digest, folder)
            try:
                info = await manager.register_and_initialize(folder)
                break
            except PluginError as error:
                self.board.note_trouble(of_error(error, folder, "load failed"))
            self.board.tell("it is loaded when its code has changed")
            await self._changed(digest)
        self.board.info, self.board.trouble = info, None
        self.board.tell(f"running: {self.board.heading}")
        try:
            await manager.enable_hot_reload(info.id)
        except GridbusError as error:
            self.board.tell(f"it is not reloaded on save: {error}")
        await self._check_health()

    async def _changed(self, digest: str) -> None:
        """Wait until the folder's code is other than it was, or a reload is asked for."""
        self._again = anyio.Event()
        while await to_thread.run_sync(_digest, self.board.folder) in (digest, ""):
            with anyio.move_on_after(_LOOK):
                await self._again.wait()
                return

    async def _load_table(self) -> None:
        """Load the table once the plugin runs, so that it hears of that."""
        grid = self.app.grid
        try:
            if self.file is None:
                await grid.load(COLUMNS, demo_rows(), source="demo")
            else:
                await self.app.load(self.file)
        except (FileReadError, FileFormatError):
            raise
        except GridbusError as error:  # an interceptor of the plugin, for one
            self.board.tell(f"the table is not loaded: {error}")
        else:
            self.board.tell(f"loaded a table of {len(grid):,} rows")
        self._examples = Examples(grid)

    # --- what the author types ------------------------------------------------------------------------------------

    async def _obey(self, group: TaskGroup) -> None:
        """Do what is typed; what takes long keeps no other command waiting."""
        does = {"r": self._reload, "b": self._roll_back, "h": self._check_health, "e": self._publish_example}
        async for command in self.commands:
            key = next((key for key, word in COMMANDS.items() if command in (key, word)), None)
            if key is None:
                self.board.tell(f"{command!r} is no command; there are {HELP}")
            elif key == "q":
                self._ends.cancel()
            else:
                group.start_soon(does[key])

    async def _reload(self) -> None:
        if self.board.info is None:
            self._again.set()
            return
        await self._ask(self.app.manager.reload_plugin, self.board.name)

    async def _roll_back(self) -> None:
        if self.board.info is None:
            self.board.tell("there is no generation to return to: it has never run")
            return
        await self._ask(self.app.manager.rollback_plugin, self.board.name)

    async def _check_health(self) -> None:
        try:
            self.board.note_health(await self.app.manager.check_plugin_health(self.board.name))
        except PluginError as error:
            self.board.tell(f"health: {error}")

    async def _publish_example(self) -> None:
        if self._examples is None:
            self.board.tell("there is nobody to hear of a row yet: the plugin does not run")
            return
        try:
            row_id = await self._examples.create()
        except GridbusError as error:
            self.board.tell(f"no row was created: {error}")
        else:
            self.board.tell(f"published row:create of row {row_id}")

    async def _ask(self, do: Callable[[str], Awaitable[object]], plugin_id: str) -> None:
        """Ask the manager for another generation; why a reload failed is told by its event."""
        try:
            await do(plugin_id)
        except PluginReloadError as error:
            if "stage" not in error.details:
                self.board.tell(str(error))
        except GridbusError as error:
            self.board.tell(str(error))


def _digest(folder: Path) -> str:
    """Return what a folder's code is known by; an empty text while it cannot be read as a whole."""
    try:
        return read_bundle(folder).digest
    except GridbusError:
        return ""
