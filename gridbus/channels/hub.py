"""Who serves which channel."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import attrs

from gridbus.channels.channel import Channel
from gridbus.errors import AlreadyServed, AmbiguousServer, ChannelTypeError, NoServer

S = TypeVar("S")


@attrs.frozen
class ServedChannel:
    """One channel and who serves it."""

    channel: Channel[Any, Any]
    servers: tuple[str, ...]


class Hub(Generic[S]):
    """Finds the server of a channel: one per channel and owner."""

    def __init__(self) -> None:
        self._servers: dict[str, dict[str, tuple[Channel[Any, Any], S]]] = {}
        self._only: dict[str, tuple[Channel[Any, Any], S]] = {}  #: channels with one server

    def check(self, channel: Channel[Any, Any], owner: str, *, is_live: bool) -> None:
        """Refuse a server that could not be added; one that is not live yet may take the place of another.

        Raises:
            AlreadyServed: the owner serves this channel already.
            ChannelTypeError: another owner serves a channel of this name with other types.
        """
        for other, (served, _) in self._servers.get(channel.name, {}).items():
            if other == owner and is_live:
                raise AlreadyServed(f"{owner!r} serves {channel.name} already; close that server first")
            if other != owner and served != channel:
                raise ChannelTypeError(f"{owner!r} would serve {channel}, but {other!r} serves {served}")

    def add(self, channel: Channel[Any, Any], owner: str, server: S) -> None:
        """Register a server.

        Raises:
            AlreadyServed, ChannelTypeError: as ``check``.
        """
        self.check(channel, owner, is_live=True)
        self._servers.setdefault(channel.name, {})[owner] = (channel, server)
        self._note_only(channel.name)

    def remove(self, channel: Channel[Any, Any], owner: str, server: S) -> None:
        """Forget a server; does nothing where it was replaced or forgotten already."""
        servers = self._servers.get(channel.name, {})
        if owner in servers and servers[owner][1] is server:
            del servers[owner]
            if not servers:
                del self._servers[channel.name]
            self._note_only(channel.name)

    def find(self, channel: Channel[Any, Any], to: str | None) -> S:
        """Return the server that a message goes to.

        Raises:
            NoServer: nobody serves the channel, or not the owner that ``to`` names.
            AmbiguousServer: ``to`` is None and several serve it.
            ChannelTypeError: it is served with other types.
        """
        if to is None and (only := self._only.get(channel.name)) is not None and only[0] is channel:
            return only[1]
        served, server = self._entry(channel.name, to)
        if served is not channel and served != channel:
            raise ChannelTypeError(f"asked as {channel}, but served as {served}")
        return server

    def channel(self, name: str, to: str | None = None) -> Channel[Any, Any]:
        """Return a channel as it is served, for those who know its name only.

        Raises:
            NoServer, AmbiguousServer: as ``find``.
        """
        return self._entry(name, to)[0]

    def _entry(self, name: str, to: str | None) -> tuple[Channel[Any, Any], S]:
        servers = self._servers.get(name)
        if not servers:
            raise NoServer(f"nobody serves {name}; {self._hint()}")
        if to is None:
            if len(servers) > 1:
                raise AmbiguousServer(f"{name} is served by {', '.join(sorted(servers))}: say which with to=")
            [entry] = servers.values()
        elif to in servers:
            entry = servers[to]
        else:
            raise NoServer(f"{to!r} does not serve {name}, but {', '.join(sorted(servers))} does")
        return entry

    def served(self) -> tuple[ServedChannel, ...]:
        """Return each channel that is served, by name."""
        return tuple(
            ServedChannel(next(iter(servers.values()))[0], tuple(sorted(servers)))
            for _, servers in sorted(self._servers.items())
        )

    def _note_only(self, name: str) -> None:
        self._only.pop(name, None)
        servers = self._servers.get(name, {})
        if len(servers) == 1:
            self._only[name] = next(iter(servers.values()))

    def _hint(self) -> str:
        names = sorted(self._servers)
        return (
            f"served are {', '.join(names[:10])}{' ...' if len(names) > 10 else ''}" if names else "nothing is served"
        )
