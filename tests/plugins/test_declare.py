"""Decorators: what they say, in which order, and through inheritance."""

from __future__ import annotations

from typing import Any

import pytest

from gridbus.bus import Draft
from gridbus.channels import Channel
from gridbus.events import Event, Topic
from gridbus.events.grid import ROW_CREATE, RowCreated
from gridbus.manifest import Permission
from gridbus.plugins import Plugin, intercepts, on, serves
from gridbus.plugins.declare import declarations

ECHO: Channel[str, str] = Channel("base:echo", str, str)
PING: Topic[int] = Topic("ping:sent", int)


class Base(Plugin[None]):
    @on(ROW_CREATE, capacity=5)
    async def created(self, event: Event[RowCreated]) -> None: ...

    @serves(ECHO, concurrency=2)
    async def echo(self, message: str) -> str:
        return message

    @on(PING)
    @on("row:*")
    async def both(self, event: Event[Any]) -> None: ...

    @intercepts(ROW_CREATE, priority=3)
    def guard(self, draft: Draft[RowCreated]) -> None: ...


class Child(Base):
    async def created(self, event: Event[RowCreated]) -> None: ...

    @on(int)
    async def numbers(self, event: Event[int]) -> None: ...

    @on("ping:*")
    async def both(self, event: Event[Any]) -> None: ...


def test_decorators_say_what_they_were_given() -> None:
    """In the order of the lines, the upper decorator first."""
    assert [(d.kind, d.subject, d.method) for d in declarations(Base)] == [
        ("on", ROW_CREATE, "created"),
        ("serves", ECHO, "echo"),
        ("on", PING, "both"),
        ("on", "row:*", "both"),
        ("intercepts", ROW_CREATE, "guard"),
    ]
    options = {d.method: d.options for d in declarations(Base)}
    assert options["created"] == {"capacity": 5}
    assert options["echo"]["concurrency"] == 2
    assert options["guard"] == {"priority": 3, "timeout": 5.0}


def test_a_method_that_overrides_speaks_for_itself() -> None:
    """Without a decorator it hears nothing, with one only what that says; what is not overridden stays."""
    assert [(d.kind, d.subject, d.method) for d in declarations(Child)] == [
        ("serves", ECHO, "echo"),
        ("on", "ping:*", "both"),
        ("intercepts", ROW_CREATE, "guard"),
        ("on", int, "numbers"),
    ]


def test_each_kind_needs_its_permission() -> None:
    """Serving needs none; hearing by payload type may be any topic."""
    assert [d.permission for d in declarations(Child)] == [
        None,
        Permission("subscribe", "ping:*"),
        Permission("intercept", "row:create"),
        Permission("subscribe", "*"),
    ]


def test_a_decorated_method_stays_a_method() -> None:
    """It can be called and tested like any other."""
    assert Base.created.__qualname__ == "Base.created"


@pytest.mark.parametrize("thing", [staticmethod(lambda event: None), 5, property(lambda self: None)])
def test_only_methods_can_be_marked(thing: Any) -> None:
    """The wrong order of decorators is said at once, not missed in silence."""
    with pytest.raises(TypeError, match="stands above its def"):
        on(PING)(thing)
