"""What holds something that should be gone: a search upwards from it to what has a name."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import os
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Any

_MOST_HOLDERS = 5
_LONGEST = 160  # characters of what is told of one holder
_DEEPEST = 10  # steps from what is left to what has a name: a list in a dict of an instance takes four
_WIDEST = 200  # objects whose holders are looked for at once: the time this takes grows with them
_FUNCTION = types.FunctionType
_CACHED = type(functools.lru_cache(len))
_TIES = (types.CellType, types.GetSetDescriptorType, types.MemberDescriptorType, staticmethod, classmethod, property)
_STARTED = {types.CoroutineType: "cr_code", types.GeneratorType: "gi_code", types.AsyncGeneratorType: "ag_code"}
_PLAIN = (list, tuple, dict, set, frozenset, deque, types.CellType)
_MERE = tuple(f"a {kind.__name__}" for kind in _PLAIN)


class Holders:
    """A search upwards from what is left of a generation, to what is not of it and has a name."""

    def __init__(self, left: Iterable[weakref.ref[Any]], names: frozenset[str]) -> None:
        """Begin with what is left, and the names of its modules."""
        self._names = names
        self._modules = {  # by their namespaces; without running the code of lazy ones
            id(types.ModuleType.__getattribute__(module, "__dict__")): name
            for name, module in list(sys.modules.items())
            if isinstance(module, types.ModuleType) and name not in self._names
        }
        alive = [thing for ref in left if (thing := ref()) is not None]
        self._own: dict[int, Any] = {id(thing): thing for thing in alive}  # what the generation is made of
        self._kept: dict[int, Any] = {}  # what was found to hold it
        self._below: dict[int, int] = {}  # what that holds of the others
        self._found: dict[str, None] = {}

    def find(self) -> tuple[str, ...]:
        """Return what holds the generation, in words; the nearest first."""
        self._threads()
        self._gather()
        frontier = self._entries()
        for _ in range(_DEEPEST):
            if not frontier or len(self._found) >= _MOST_HOLDERS:
                break
            del frontier[_WIDEST:]  # in place: a copy would be one more that holds them
            frontier = self._rise(frontier)
        for thing in frontier:  # too far away from anything with a name
            self._add(id(thing))
        return tuple(self._found)[:_MOST_HOLDERS]

    def _threads(self) -> None:
        """Find what threads run now: no object holds the locals of a running function."""
        known = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            inner: types.FrameType | None = frame
            while inner is not None:
                if inner.f_globals.get("__name__") in self._names:
                    text = f"running thread `{known.get(ident, ident)}` in {_of_code(inner.f_code, inner.f_lineno)}"
                    self._found[shortened(text)] = None
                    break
                inner = inner.f_back

    def _gather(self) -> None:
        """Find what is part of the generation: functions, namespaces, and what ties them together."""
        waiting = list(self._own.values())
        while waiting:
            owner = waiting.pop()
            for part in gc.get_referents(owner):
                if id(part) not in self._own and self._is_part(part, owner):
                    self._own[id(part)] = part
                    waiting.append(part)

    def _is_part(self, part: Any, owner: Any) -> bool:
        kind = type(part)
        if kind in (tuple, dict):
            return id(part) not in self._modules and (is_class(owner) or type(owner) in (_FUNCTION, types.ModuleType))
        if kind in _TIES:
            return True
        if kind is types.ModuleType:
            return part.__name__ in self._names
        if kind is _FUNCTION:  # generated ones have globals of their own
            return id(part.__globals__) not in self._modules
        if kind is _CACHED or is_class(part):
            return getattr(part, "__module__", None) in self._names
        return False

    def _entries(self) -> list[Any]:
        """Return the parts to which there are more references than the other parts account for."""
        inner: dict[int, int] = dict.fromkeys(self._own, 0)
        for owner in self._own.values():
            for part in gc.get_referents(owner):
                if id(part) in inner:
                    inner[id(part)] += 1
        probe = object()
        self._own[id(probe)], inner[id(probe)] = probe, 1  # 1 for the variable
        extra = {key: sys.getrefcount(thing) - inner[key] for key, thing in self._own.items()}
        usual = extra.pop(id(probe))
        del self._own[id(probe)]
        return [self._own[key] for key, count in extra.items() if count > usual]

    def _rise(self, frontier: list[Any]) -> list[Any]:
        """Return what holds these objects and has no name to stop at."""
        wanted = {id(thing) for thing in frontier}
        asked = tuple(frontier)  # from 3.13 on the call finds the tuple that it is given
        mine = {id(frontier), id(asked), id(self._own), id(self._kept)}
        higher: list[Any] = []
        held: set[int] = set()
        for holder in gc.get_referrers(*asked):
            if id(holder) in mine:
                continue
            below = {id(part) for part in gc.get_referents(holder)} & wanted
            held |= below
            key = id(holder)
            if key in self._own or key in self._kept or not below:
                continue
            self._kept[key] = holder
            self._below[key] = next(id(thing) for thing in frontier if id(thing) in below)
            if key in self._modules or _is_root(holder):
                for self._below[key] in below:  # a module may hold several things
                    self._add(key)
            else:
                higher.append(holder)
        for key in wanted - held - self._own.keys():
            self._add(key, " in a running function, or in C code")
        return higher

    def _add(self, key: int, end: str = "") -> None:
        """Note the way from the generation up to what holds it."""
        chain: list[Any] = []
        while key in self._kept:
            chain.insert(0, self._kept[key])
            key = self._below[key]
        chain.insert(0, self._own[key])
        if len(chain) > 1 and type(chain[1]) is types.MethodType:
            del chain[0]  # it says as much itself
        parts = [text for place in range(len(chain)) if (text := self._words(chain, place))]
        if len(parts) > 4:  # mere containers say least
            parts = [text for text in parts[:-1] if text not in _MERE] + parts[-1:]
        parts = parts if len(parts) <= 4 else [*parts[:2], "...", parts[-1]]
        if len(self._found) < _MOST_HOLDERS:
            self._found[shortened(" in ".join(parts) + end)] = None

    def _words(self, chain: list[Any], place: int) -> str:
        """Return what one step of the way is called; nothing where the step above says it."""
        thing, below = chain[place], chain[:place]
        above = chain[place + 1] if place + 1 < len(chain) else None
        kind = type(thing)
        if id(thing) in self._modules:
            return f"module attribute `{self._modules[id(thing)]}.{_key_of(thing, below)}`"
        if kind in (types.CellType, types.TracebackType) and above is not None:
            return ""
        if kind in (dict, tuple) and (is_class(above) or type(above) is _FUNCTION or _namespace(above) is thing):
            return ""
        if kind is _FUNCTION:
            inside = any(type(each) is types.CellType for each in below[-2:])
            return f"{'a closure cell of ' if inside else ''}{_of_code(thing.__code__, thing.__code__.co_firstlineno)}"
        if is_class(thing) and below:
            path, key = f"{thing.__module__}.{thing.__qualname__}", _key_of(below[-1], below[:-1])
            return f"class attribute `{path}.{key}`" if type(below[-1]) is dict else f"class `{path}`, derived from it"
        return what(thing) if place == 0 and thing is self._own.get(id(thing)) else _called(thing)


def is_class(thing: object) -> bool:
    """Tell whether something is a class, without running code of its own."""
    return issubclass(type(thing), type)  # isinstance may run code of the object


def _is_root(thing: Any) -> bool:
    """Tell whether something stays for a reason of its own, whoever else holds it."""
    kind = type(thing)
    if issubclass(kind, asyncio.Task):
        return not thing.done()
    if issubclass(kind, threading.Thread):
        return threading.Thread.is_alive(thing)
    if is_class(thing):
        outer = thing.__qualname__.partition(".")[0]
        return "<locals>" not in thing.__qualname__ and hasattr(sys.modules.get(thing.__module__), outer)
    return issubclass(kind, asyncio.AbstractEventLoop) or _is_context(kind)


def _is_context(kind: type[Any]) -> bool:
    return kind is contextvars.Context or kind.__name__.startswith("hamt")  # what it is made of


def _called(thing: Any) -> str:
    """Return what something that holds others is called."""
    kind = type(thing)
    if kind in _PLAIN:
        return f"a {kind.__name__}"
    if kind is types.MethodType:
        return f"bound method `{_name(thing)}`"
    if kind is types.FrameType:
        return f"a frame of {_of_code(thing.f_code, thing.f_lineno)}"
    if kind in _STARTED:
        code = getattr(thing, _STARTED[kind])
        return f"{kind.__name__.replace('_', ' ')} of {_of_code(code, code.co_firstlineno)}"
    if kind is _CACHED:
        return f"the lru_cache of `{thing.__module__}.{_name(thing)}`"
    if issubclass(kind, asyncio.Task):
        return f"task `{thing.get_name()}` that is done" if thing.done() else f"running task `{thing.get_name()}`"
    if issubclass(kind, threading.Thread):
        return f"{'running' if threading.Thread.is_alive(thing) else 'ended'} thread `{thing.name}`"
    if issubclass(kind, asyncio.AbstractEventLoop):
        return "the event loop"
    return "contextvars" if _is_context(kind) else what(thing)


def what(thing: Any) -> str:
    """Return what something of a generation is called."""
    if isinstance(thing, types.ModuleType):
        return f"module {thing.__name__.partition('.')[2] or thing.__name__}"
    if is_class(thing):
        return f"class {_name(thing)}"
    kind = type(thing)
    return kind.__name__ if kind in _PLAIN else f"instance of {_name(kind)}"


def _namespace(thing: Any) -> Any:
    try:
        return object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None


def _key_of(namespace: Any, below: list[Any]) -> str:
    for key, value in list(namespace.items()) if type(namespace) in (dict, types.MappingProxyType) else ():
        if below and value is below[-1]:
            return str(key)
    return "?"


def _of_code(code: types.CodeType, line: int) -> str:
    return f"function `{_name(code)}` ({os.path.basename(code.co_filename)}:{line})"


def _name(named: Any) -> str:
    qualname = named.co_qualname if type(named) is types.CodeType else named.__qualname__
    return str(qualname).rpartition("<locals>.")[2]


def shortened(text: str) -> str:
    """Return a text that is no longer than what is told of one holder."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
