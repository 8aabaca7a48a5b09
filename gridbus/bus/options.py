"""How one subscription wants its events: bounds, overflow, predicate, pace."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import attrs

from gridbus.bus.pace import Pace
from gridbus.errors import SubscriptionError
from gridbus.events.event import Event


class Overflow(enum.Enum):
    """What happens to an event that finds its mailbox full."""

    BLOCK = "block"  #: the publisher waits for room, up to ``block_timeout``
    DROP_OLDEST = "drop_oldest"  #: the event that waited longest is lost
    DROP_NEWEST = "drop_newest"  #: the new event is lost
    COALESCE = "coalesce"  #: a new event takes the place of the waiting one with its key; full of other keys: as BLOCK
    FAIL = "fail"  #: the publisher gets ``MailboxFull`` and nobody gets the event


@attrs.frozen(eq=False)
class Options:
    """The options of one subscription, checked."""

    capacity: int = 1024
    overflow: Overflow = Overflow.BLOCK
    block_timeout: float = 5.0
    key: Callable[[Event[Any]], object] | None = None
    where: Callable[[Event[Any]], object] | None = None
    concurrency: int = 1
    timeout: float | None = None
    pace: Pace | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            SubscriptionError: an option is out of its range, or two contradict each other.
        """
        for name, least in (("capacity", 1), ("concurrency", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SubscriptionError(f"{name} is a whole number of at least {least}, not {value!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise SubscriptionError(f"timeout is a number of seconds above 0, or None, not {self.timeout!r}")
        if not self.block_timeout >= 0:
            raise SubscriptionError(f"block_timeout is a number of seconds, not {self.block_timeout!r}")
        if not isinstance(self.overflow, Overflow):
            choices = ", ".join(f"Overflow.{choice.name}" for choice in Overflow)
            raise SubscriptionError(f"overflow is one of {choices}, not {self.overflow!r}")
        if self.key is not None and self.overflow is not Overflow.COALESCE:
            raise SubscriptionError("key is for Overflow.COALESCE only")
        if self.pace is not None and self.concurrency > 1:
            raise SubscriptionError("a paced subscription handles one thing at a time: leave concurrency at 1")
        if self.pace is not None and self.pace.held > self.capacity:
            raise SubscriptionError(f"a batch of {self.pace.held} never fits a capacity of {self.capacity}")


def default_key(event: Event[Any]) -> object:
    """Tell events apart by topic and, where the payload has one, by the payload's ``id``."""
    return (event.topic, getattr(event.payload, "id", None))
