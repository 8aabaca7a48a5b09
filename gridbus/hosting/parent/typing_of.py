"""Which types the application reads what comes out of a plugin's process as: its own, none that was named there."""

from __future__ import annotations

from typing import Any

from gridbus.channels import Channel
from gridbus.errors import ChannelTypeError
from gridbus.hosting.protocol import type_name
from gridbus.isolation.wire import type_path


class RemoteChannel(Channel[Any, Any]):
    """A channel that a plugin's process serves or asks on: the application need not have its types.

    It is the same channel as one of the application's where both types have the same names.
    """

    __slots__ = ("message_name", "reply_name")

    def __init__(self, name: str, message_name: str, reply_name: str) -> None:
        super().__init__(name, object, object)
        self.message_name, self.reply_name = message_name, reply_name

    @property
    def shown_types(self) -> tuple[str, str]:
        """The names of message and reply type."""
        return self.message_name, self.reply_name

    def __eq__(self, other: object) -> bool:
        """Compare name and names of types."""
        if not isinstance(other, Channel):
            return NotImplemented
        return (self.name, self.message_name, self.reply_name) == (other.name, *names_of(other))

    def __hash__(self) -> int:
        """Hash by name."""
        return hash(self.name)


def names_of(channel: Channel[Any, Any]) -> tuple[str, str]:
    """Return the names of message and reply type."""
    if isinstance(channel, RemoteChannel):
        return channel.message_name, channel.reply_name
    return type_name(channel.message_type), type_name(channel.reply_type)


def agreed(served: Channel[Any, Any], message_name: str, reply_name: str) -> Channel[Any, Any]:
    """Return the channel as it is served, where whoever asks means the same types.

    Raises:
        ChannelTypeError: it means others.
    """
    if names_of(served) != (message_name, reply_name):
        asked = f"Channel({served.name!r}, {message_name}, {reply_name})"
        raise ChannelTypeError(f"asked as {asked}, but served as {served}")
    return served


def message_type(channel: Channel[Any, Any]) -> Any:
    """Return what a message on a channel is read as."""
    return object if isinstance(channel, RemoteChannel) else channel.message_type


def reply_type(channel: Channel[Any, Any]) -> Any:
    """Return what a reply on a channel is read as."""
    return object if isinstance(channel, RemoteChannel) else channel.reply_type


def chosen(expected: tuple[Any, ...], path: str | None) -> Any:
    """Return the type to read an event's payload as: one that somebody who hears it declares.

    Of several it is the one that the plugin means, if that is among them. Where nobody declares one, the payload stays
    plain data.
    """
    for kind in expected:
        if type_path(kind) == path:
            return kind
    return object
