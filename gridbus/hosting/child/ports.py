"""The bus of a plugin's process, as far as its servers know it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gridbus.bus import Job, Subscription
from gridbus.bus.ask import RequestMailbox
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.options import Options
from gridbus.channels import Channel
from gridbus.hosting.protocol import Subscribe


class Ports(Protocol):
    """Makes what servers are made of, and tells the application of them."""

    def start_job(self, fn: Callable[..., Awaitable[object]], *, name: str, owner: str) -> Job:
        """Run an async function in the background."""
        ...

    def request_mailbox(
        self, name: str, owner: str, channel: Channel[Any, Any], options: Options, *, is_stream: bool
    ) -> RequestMailbox:
        """Return a mailbox for requests."""
        ...

    def start(
        self,
        subject: str,
        mailbox: Mailbox,
        handler: Callable[[Any], Awaitable[object]],
        options: Options,
        remove: Callable[[Subscription], None],
    ) -> Subscription:
        """Start the workers of a mailbox."""
        ...

    def announce(self, wanted: Subscribe) -> None:
        """Tell the application of a server."""
        ...

    def unsubscribe(self, number: int) -> None:
        """Tell it that the server was closed."""
        ...

    def number_of(self, mailbox: Mailbox, number: int | None) -> None:
        """Remember the number of a mailbox, or forget it where that is None."""
        ...
