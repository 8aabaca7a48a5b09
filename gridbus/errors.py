"""The error tree: every error that gridbus raises on purpose derives from ``GridbusError``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class GridbusError(Exception):
    """Root of all gridbus errors."""


class ConfigError(GridbusError):
    """A configuration, manifest or option is not usable; ``problems`` lists each as ``message @ path``."""

    def __init__(self, subject: str, problems: Sequence[str]) -> None:
        listing = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{subject}:\n{listing}" if len(problems) > 1 else f"{subject}: {problems[0]}")
        self.subject, self.problems = subject, tuple(problems)


class MissingExtraError(GridbusError):
    """A feature needs a library that is not installed."""

    def __init__(self, feature: str, library: str, extra: str) -> None:
        super().__init__(f"{feature} needs {library}: pip install 'gridbus[{extra}]'")
        self.feature, self.library, self.extra = feature, library, extra


# --- bus ---------------------------------------------------------------------------------------------------------


class BusError(GridbusError):
    """Root of what publishing and subscribing raise."""


class TopicError(BusError, ValueError):
    """A topic name or pattern breaks the grammar ``noun:verb``."""


class SubscriptionError(BusError, ValueError):
    """A subscription, interceptor or server was asked for with options or a callable that cannot work."""


class BusClosed(BusError):
    """The bus takes no events: it was not opened yet, or it is closing or closed."""


class MailboxFull(BusError):
    """A mailbox is full and waiting is not possible or not wanted."""

    def __init__(self, owner: str, depth: int, hint: str = "") -> None:
        super().__init__(f"mailbox of {owner!r} is full ({depth} waiting){': ' + hint if hint else ''}")
        self.owner, self.depth = owner, depth


class EventDropped(BusError):
    """An event that a publisher waited for was lost to overflow or to the closing of its subscription."""


class Veto(BusError):
    """Raised by an interceptor to refuse an event or a change; ``reason`` is shown to whoever published it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Vetoed(Veto):
    """An interceptor refused what was about to be published; what publishing raises for a ``Veto``."""

    def __init__(self, topic: str, reason: str, by: str) -> None:
        super().__init__(reason)
        self.args = (f"{topic} was vetoed by {by}: {reason}",)
        self.topic, self.by = topic, by


class InterceptorError(BusError):
    """An interceptor failed or timed out, so what it guards was not published."""

    def __init__(self, topic: str, by: str, error: BaseException) -> None:
        super().__init__(f"interceptor {by} of {topic} failed: {type(error).__name__}: {error}")
        self.topic, self.by = topic, by


class HandlerError(BusError):
    """A handler failed on one event; the cause is the handler's own exception."""

    def __init__(self, subscription: str, owner: str, event_id: str, error: BaseException) -> None:
        super().__init__(f"{subscription} of {owner!r} failed on event {event_id}: {type(error).__name__}: {error}")
        self.subscription, self.owner, self.event_id = subscription, owner, event_id


class HandlerTimeout(BusError, TimeoutError):
    """A handler ran longer than its subscription allows and was cancelled."""


class ReentrancyError(BusError):
    """Waiting here would wait for oneself; ``path`` names the mailboxes around the circle."""

    def __init__(self, what: str, path: Sequence[str]) -> None:
        super().__init__(f"{what} would never return, each waits for the next: {' -> '.join(path)}")
        self.path = tuple(path)


class HopLimitExceeded(BusError):
    """An event was caused by too long a chain of events: handlers feed each other without end."""


# --- channels ----------------------------------------------------------------------------------------------------


class ChannelError(GridbusError):
    """Root of what telling, asking and serving raise."""


class NoServer(ChannelError):
    """Nobody serves the channel, or not the plugin that was addressed."""


class AmbiguousServer(ChannelError):
    """Several plugins serve the channel and the request names none of them."""


class AlreadyServed(ChannelError):
    """The same owner already serves this channel."""


class ChannelTypeError(ChannelError, TypeError):
    """A message or reply is not of the type that the channel declares."""


class AskTimeout(ChannelError, TimeoutError):
    """The server did not reply in time."""


class ServerGone(ChannelError):
    """The server was closed before it replied."""


class RemoteError(ChannelError):
    """The server's handler raised: ``type_name`` and ``traceback_text`` are the remote ones."""

    def __init__(self, channel: str, server: str, type_name: str, message: str, traceback_text: str) -> None:
        super().__init__(f"{server!r} failed on {channel}: {type_name}: {message}")
        self.channel, self.server = channel, server
        self.type_name, self.message, self.traceback_text = type_name, message, traceback_text


# --- grid --------------------------------------------------------------------------------------------------------


class GridError(GridbusError):
    """Root of what the grid raises."""


class RowNotFound(GridError, KeyError):
    """No row has this id."""

    def __init__(self, row_id: str) -> None:
        super().__init__(f"no row has the id {row_id!r}")
        self.row_id = row_id

    def __str__(self) -> str:
        """Return the message itself; ``KeyError`` would show its repr."""
        return str(self.args[0])


class DuplicateRow(GridError):
    """The id is taken."""

    def __init__(self, row_id: str) -> None:
        super().__init__(f"a row with the id {row_id!r} exists already")
        self.row_id = row_id


class ColumnError(GridError):
    """A column is missing, taken, or of a type that does not fit."""


class ValueRejected(GridError, ValueError):
    """A value does not fit its column."""


class QueryError(GridError, ValueError):
    """A filter, sort or page expression is malformed; the message ends with ``@ path``."""


class GridClosed(GridError):
    """The grid takes no changes: it was not opened yet, or it is closed."""


class ChangeRefused(GridError):
    """The grid did not make a change that a plugin asked for; ``type_name`` is the error that the grid raised."""

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(f"{type_name}: {message}")
        self.type_name = type_name


class RowsRejected(ExceptionGroup[Exception], GridError):
    """Some of many changes were not made; the others were.

    ``rejected`` holds the error of each change that was not made, by its index or row id; ``done`` the rows of those
    that were.
    """

    def __new__(cls, message: str, rejected: Mapping[Any, Exception], done: Sequence[Any]) -> RowsRejected:
        """Make a group of the errors."""
        return super().__new__(cls, message, list(rejected.values()))

    def __init__(self, message: str, rejected: Mapping[Any, Exception], done: Sequence[Any]) -> None:
        Exception.__init__(self, message, rejected, done)  # a group's own takes two arguments
        self.rejected, self.done = dict(rejected), list(done)

    def derive(self, excs: Sequence[Exception], /) -> ExceptionGroup[Exception]:  # type: ignore[override]
        """Return a plain group for a part of the errors."""
        return ExceptionGroup(self.message, excs)


class FileFormatError(GridError, ValueError):
    """A file is not a table that gridbus reads; the message names file, line and reason."""


class FileReadError(GridError, OSError):
    """A file is missing, is no regular file, or may not be read; the message names file and reason."""


class ReadCancelled(GridError):
    """The reading of a file was stopped by whoever asked for it."""


# --- plugins -----------------------------------------------------------------------------------------------------


class PluginError(GridbusError):
    """Root of what plugins and their manager raise; ``plugin_id`` names the plugin where it is known."""

    def __init__(self, message: str, plugin_id: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.plugin_id, self.details = plugin_id, details


class PluginNotFoundError(PluginError):
    """No plugin of this id is registered, or can be discovered."""


class PluginConflictError(PluginError):
    """The id is taken, or two plugins declare that they cannot live together."""


class PluginValidationError(PluginError):
    """Metadata, manifest or configuration of a plugin is not valid."""


class PluginDependencyError(PluginError):
    """A dependency is missing, cyclic, or of a version that does not fit; the message names the path."""


class PluginIncompatibleError(PluginConflictError, PluginDependencyError):
    """Two plugins cannot live together by the word of one of them; the message names the path to it."""


class PluginLoadError(PluginError):
    """The code of a plugin cannot be found or imported."""


class PluginInitializationError(PluginError):
    """``initialize`` raised or took too long; nothing of the plugin remains."""


class PluginStateError(PluginError):
    """The plugin is not in a state in which this can be done."""


class PluginReloadError(PluginError):
    """A plugin could not be reloaded, and goes on as it was; ``details`` has ``stage``, ``file`` and ``line``."""


class PluginPermissionError(PluginError, PermissionError):
    """The plugin was not granted what it tried to do; the message names the permission to ask for."""


class PluginLimitError(PluginError):
    """The plugin reached one of its resource limits."""


# --- storage -----------------------------------------------------------------------------------------------------


class StorageError(GridbusError):
    """Root of what storage raises."""


class QuotaExceeded(StorageError):
    """A write would pass the owner's quota; nothing was written."""

    def __init__(self, owner: str, needed: int, quota: int) -> None:
        super().__init__(f"storage of {owner!r} would hold {needed:,} bytes, its quota is {quota:,}")
        self.owner, self.needed, self.quota = owner, needed, quota


class StoredTypeError(StorageError, TypeError):
    """A value cannot be stored, or what is stored is not of the type that was asked for."""


# Isolation


class IsolationError(PluginError):
    """A plugin's process could not be started, confined or talked to."""


class SandboxError(IsolationError):
    """A layer of the sandbox is missing, or could not be applied."""


class ZygoteError(IsolationError):
    """The process that starts plugins' processes did not start, or is gone."""


class WireError(IsolationError):
    """Something cannot cross a process border."""


class PackingError(WireError, TypeError):
    """A value is no data, or is not what the other end declares."""


class PayloadTooLarge(WireError):
    """A payload is larger than a frame may be."""


class ProtocolViolation(WireError):
    """The other end broke the protocol; it is not trusted any further."""


class PeerGone(IsolationError):
    """The other process ended, or closed its socket, before it replied."""


class PluginCrashed(IsolationError):
    """The process of a plugin ended by itself, or was killed for a limit."""


class PluginQuarantined(IsolationError):
    """A plugin failed too often, or broke the rules, and is not started again by itself."""
