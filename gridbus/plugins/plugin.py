"""The base class of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from gridbus.manifest import PluginHealth, PluginMetadata, ValidationResult
from gridbus.plugins.config import read_config, type_argument
from gridbus.plugins.context import PluginContext

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    C = TypeVar("C", default=None)
else:  # a default of a type variable is for type checkers only, and typing_extensions is not installed everywhere
    from typing import TypeVar

    C = TypeVar("C")


class Plugin(Generic[C]):
    """What extends an application: metadata, a configuration of type ``C``, and handlers.

    Handlers are methods marked by ``@on``, ``@serves`` and ``@intercepts``. They go live together once ``initialize``
    has returned: they hear each event that is published after that, and none before. What is subscribed in
    ``initialize`` itself, through the context, is live at once.
    """

    metadata: ClassVar[PluginMetadata]
    config: C
    ctx: PluginContext  #: there from the beginning of ``initialize`` on

    def __init__(self, config: C | Mapping[str, Any] | None = None, /, **values: Any) -> None:
        """Take a configuration, or the values to make one of: ``Greeter(greeting="hi")``.

        Raises:
            PluginValidationError: the values do not make a configuration; each problem is listed as
                ``message @ $.path``.
        """
        self.config = read_config(type(self), type_argument(type(self), Plugin), config, values)

    async def initialize(self, ctx: PluginContext) -> None:
        """Get ready. What is opened here is closed in ``destroy``, or by what is given to ``ctx.add_cleanup``.

        Where this raises, is cancelled or takes longer than the plugin's limits allow, nothing of the plugin remains;
        clean-ups run then, ``destroy`` is not called. It runs in a task of its own, ``destroy`` in another: what must
        be left by the task that entered it belongs in a task started by ``ctx.start_soon``.
        """

    async def destroy(self) -> None:
        """Let go of what ``initialize`` took.

        By then no handler runs and none will; tasks started through the context still run, and end afterwards.
        """

    async def health_check(self) -> PluginHealth:
        """Tell how the plugin is; by default healthy, and a warning where something failed within the last minute."""
        return self.ctx.observed_health()

    def snapshot_state(self) -> Any:
        """Return what the next life of the plugin is to have when it is reloaded, as data; plain or async."""
        return None

    def restore_state(self, state: Any, from_version: str) -> Any:
        """Take what ``snapshot_state`` of an earlier life returned; plain or async.

        It is called after ``initialize``, while no handler runs, neither of this life nor of the earlier one.
        """

    def on_hot_reload(self, from_version: str) -> Any:
        """Do what remains before this generation takes over from the one that serves; plain or async.

        Called after ``initialize`` and ``restore_state`` where the plugin is reloaded, not at its first start. Where it
        raises, the earlier generation goes on.
        """

    def reconfigure(self, config: C) -> Any:
        """Take another configuration while running; plain or async, called while no handler runs.

        By default this returns ``NotImplemented``: then a new generation is made with the new configuration.
        """
        return NotImplemented

    def validate_config(self, config: C) -> ValidationResult | list[str] | None:
        """Say what is wrong with a configuration beyond its types, as ``message @ $.path``; by default nothing."""
        return None
