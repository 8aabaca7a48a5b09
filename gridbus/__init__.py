"""An asyncio event bus that hosts plugins around a data grid."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gridbus.errors import (
    AlreadyServed,
    AmbiguousServer,
    AskTimeout,
    BusClosed,
    BusError,
    ChangeRefused,
    ChannelError,
    ChannelTypeError,
    ColumnError,
    ConfigError,
    DuplicateRow,
    EventDropped,
    FileFormatError,
    FileReadError,
    GridbusError,
    GridClosed,
    GridError,
    HandlerError,
    HandlerTimeout,
    HopLimitExceeded,
    InterceptorError,
    MailboxFull,
    MissingExtraError,
    NoServer,
    PluginConflictError,
    PluginDependencyError,
    PluginError,
    PluginIncompatibleError,
    PluginInitializationError,
    PluginLimitError,
    PluginLoadError,
    PluginNotFoundError,
    PluginPermissionError,
    PluginReloadError,
    PluginStateError,
    PluginValidationError,
    QueryError,
    QuotaExceeded,
    ReadCancelled,
    ReentrancyError,
    RemoteError,
    RowNotFound,
    RowsRejected,
    ServerGone,
    StorageError,
    StoredTypeError,
    SubscriptionError,
    TopicError,
    ValueRejected,
    Veto,
    Vetoed,
)

if TYPE_CHECKING:
    from gridbus.app import (
        App,
        FileLoaded,
        open_grid,
    )
    from gridbus.bus import (
        Batch,
        Bus,
        Debounce,
        Draft,
        Job,
        Overflow,
        Scope,
        Subscription,
        SubscriptionStats,
        Throttle,
    )
    from gridbus.channels import (
        Channel,
    )
    from gridbus.channels.grid import (
        GridPage,
        GridQuery,
        RowChange,
        RowOutcome,
        RowScope,
    )
    from gridbus.channels.plugins import (
        PluginInfo,
        PluginState,
    )
    from gridbus.contracts import (
        PluginStorage,
        StorageBackend,
    )
    from gridbus.events import (
        Event,
        Topic,
    )
    from gridbus.events.system import (
        HealthStatus,
    )
    from gridbus.grid import (
        Column,
        ColumnType,
        Grid,
        Row,
    )
    from gridbus.manifest import (
        Dependency,
        Permission,
        PluginCategory,
        PluginHealth,
        PluginMessage,
        PluginMetadata,
        ResourceLimits,
        ResourceUsage,
        ValidationResult,
    )
    from gridbus.plugins import (
        Plugin,
        PluginContext,
        PluginManager,
        intercepts,
        on,
        serves,
    )
    from gridbus.query import (
        Filter,
        Page,
        SortKey,
        parse_filter,
    )
    from gridbus.reload import (
        HotReloadManager,
    )

__all__ = [
    "AlreadyServed",
    "AmbiguousServer",
    "App",
    "AskTimeout",
    "Batch",
    "Bus",
    "BusClosed",
    "BusError",
    "ChangeRefused",
    "Channel",
    "ChannelError",
    "ChannelTypeError",
    "Column",
    "ColumnError",
    "ColumnType",
    "ConfigError",
    "Debounce",
    "Dependency",
    "Draft",
    "DuplicateRow",
    "Event",
    "EventDropped",
    "FileFormatError",
    "FileLoaded",
    "FileReadError",
    "Filter",
    "Grid",
    "GridClosed",
    "GridError",
    "GridPage",
    "GridQuery",
    "GridbusError",
    "HandlerError",
    "HandlerTimeout",
    "HealthStatus",
    "HopLimitExceeded",
    "HotReloadManager",
    "InterceptorError",
    "Job",
    "MailboxFull",
    "MissingExtraError",
    "NoServer",
    "Overflow",
    "Page",
    "Permission",
    "Plugin",
    "PluginCategory",
    "PluginConflictError",
    "PluginContext",
    "PluginDependencyError",
    "PluginError",
    "PluginHealth",
    "PluginIncompatibleError",
    "PluginInfo",
    "PluginInitializationError",
    "PluginLimitError",
    "PluginLoadError",
    "PluginManager",
    "PluginMessage",
    "PluginMetadata",
    "PluginNotFoundError",
    "PluginPermissionError",
    "PluginReloadError",
    "PluginState",
    "PluginStateError",
    "PluginStorage",
    "PluginValidationError",
    "QueryError",
    "QuotaExceeded",
    "ReadCancelled",
    "ReentrancyError",
    "RemoteError",
    "ResourceLimits",
    "ResourceUsage",
    "Row",
    "RowChange",
    "RowNotFound",
    "RowOutcome",
    "RowScope",
    "RowsRejected",
    "Scope",
    "ServerGone",
    "SortKey",
    "StorageBackend",
    "StorageError",
    "StoredTypeError",
    "Subscription",
    "SubscriptionError",
    "SubscriptionStats",
    "Throttle",
    "Topic",
    "TopicError",
    "ValidationResult",
    "ValueRejected",
    "Veto",
    "Vetoed",
    "__version__",
    "intercepts",
    "on",
    "open_grid",
    "parse_filter",
    "serves",
]

#: Where each public name lives. A name brings its module when it is first used, so that `import gridbus` stays cheap,
#: and whoever only needs the bus does not pay for grids, plugins and files. A test keeps the three lists alike.
_HOMES = {
    "gridbus.app": "App FileLoaded open_grid",
    "gridbus.bus": "Batch Bus Debounce Draft Job Overflow Scope Subscription SubscriptionStats Throttle",
    "gridbus.channels": "Channel",
    "gridbus.channels.grid": "GridPage GridQuery RowChange RowOutcome RowScope",
    "gridbus.channels.plugins": "PluginInfo PluginState",
    "gridbus.contracts": "PluginStorage StorageBackend",
    "gridbus.events": "Event Topic",
    "gridbus.events.system": "HealthStatus",
    "gridbus.grid": "Column ColumnType Grid Row",
    "gridbus.manifest": (
        "Dependency Permission PluginCategory PluginHealth PluginMessage PluginMetadata ResourceLimits ResourceUsage "
        "ValidationResult"
    ),
    "gridbus.plugins": "Plugin PluginContext PluginManager intercepts on serves",
    "gridbus.query": "Filter Page SortKey parse_filter",
    "gridbus.reload": "HotReloadManager",
}
__version__ = "0.1.0"

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gridbus' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
