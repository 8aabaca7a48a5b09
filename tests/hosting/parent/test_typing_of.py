"""Types of what crosses: the application's own."""

from __future__ import annotations

import attrs
import pytest

from gridbus import Channel
from gridbus.errors import ChannelTypeError
from gridbus.hosting.parent.typing_of import RemoteChannel, agreed, chosen
from gridbus.hosting.protocol import type_name
from gridbus.isolation.wire import type_path


@attrs.frozen
class Hello:
    """A message."""

    name: str


@attrs.frozen
class Other:
    """Another one."""

    name: str


HELLO: Channel[Hello, str] = Channel("greeter:greet", Hello, str)


def test_a_channel_there_is_the_same_as_one_here_where_the_types_have_the_same_names() -> None:
    """The application need not import a plugin's types to serve or ask."""
    assert RemoteChannel("greeter:greet", type_name(Hello), "str") == HELLO
    assert RemoteChannel("greeter:greet", type_name(Other), "str") != HELLO
    assert RemoteChannel("greeter:other", type_name(Hello), "str") != HELLO


def test_asking_with_other_types_is_an_error_that_names_both() -> None:
    """Types that differ are told before anything is read."""
    assert agreed(HELLO, type_name(Hello), "str") is HELLO
    with pytest.raises(ChannelTypeError, match="int"):
        agreed(HELLO, "int", "str")


def test_a_payload_is_read_as_what_somebody_here_declares() -> None:
    """A type that the process names is taken only where it is among those that are expected here."""
    assert chosen((Hello, Other), type_path(Other)) is Other
    assert chosen((Hello,), "os:system") is object
    assert chosen((), type_path(Hello)) is object
