"""What is left of a plugin's code after its end, and what holds it."""

from __future__ import annotations

import gc
import logging
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import anyio.lowlevel
import attrs

from gridbus.clock import Clock, Timer
from gridbus.events.system import PluginLeaked
from gridbus.plugins.failure import described
from gridbus.plugins.holders import Holders, is_class, shortened, what

logger = logging.getLogger("gridbus.plugins")

_MOST_NAMED = 10  # objects of one generation


def belongings(package: str, plugin: object) -> list[object]:
    """Return what ends with a plugin: itself, and each class and each module with functions of its package.

    To be called while its modules are loaded.

    Args:
        package: name under which its modules were imported.
        plugin: the instance.
    """
    found: list[object] = [] if plugin is None else [plugin]
    for name, module in list(sys.modules.items()):  # a copy: other threads may be importing
        if name != package and not name.startswith(f"{package}."):
            continue
        values = list(vars(module).values())
        if any(type(value) is types.FunctionType and value.__module__ == name for value in values):
            found.append(module)
        waiting = [value for value in values if is_class(value) and value.__module__ == name]
        for kind in waiting:  # it grows meanwhile
            if not any(kind is other for other in found):
                found.append(kind)
                waiting += [each for each in vars(kind).values() if is_class(each) and each.__module__ == name]
    return found


@attrs.define(eq=False)
class _Watched:
    """One generation that ended."""

    plugin_id: str
    generation: int
    due: float
    names: frozenset[str]  #: of its modules
    objects: tuple[tuple[weakref.ref[Any], str], ...]
    told: PluginLeaked | None = None

    def left(self) -> list[str]:
        """Return what is still there."""
        return [text for alive, text in self.objects if alive() is not None]


class Leaks:
    """Watches what ended, and tells of what is still there some seconds later. It holds none of it itself.

    A look costs one garbage collection where something is still there, and some tenths of a second for each generation
    that leaks where there are very many objects: everything stands still meanwhile.
    """

    def __init__(self, clock: Clock, *, tell: Callable[[PluginLeaked], object], after: float = 15.0) -> None:
        """Watch nothing yet.

        Args:
            clock: times the look.
            tell: is called once for each generation that leaks.
            after: seconds from the end of a generation to the look, at least; no look follows another sooner.
        """
        self._clock, self._tell, self._after = clock, tell, after
        self._watched: list[_Watched] = []
        self._timer: Timer | None = None

    def __len__(self) -> int:
        """Return how many generations are watched, of which something is still there as far as is known."""
        return len(self._watched)

    def watch(self, plugin_id: str, generation: int, objects: Iterable[object]) -> None:
        """Look some seconds from now whether these objects are gone; what has no weak references is left out."""
        seen: list[tuple[weakref.ref[Any], str]] = []
        names: set[str] = set()
        for thing in objects:
            try:
                seen.append((weakref.ref(thing), what(thing)))
            except TypeError:
                continue
            if isinstance(thing, types.ModuleType):
                names.add(thing.__name__)
            elif is_class(thing):
                names.add(thing.__module__)
        self._watched = [each for each in self._watched if each.left()]
        due = self._clock.monotonic() + self._after
        self._watched.append(_Watched(plugin_id, generation, due, frozenset(names), tuple(seen)))
        self._wind()

    async def check(self) -> tuple[PluginLeaked, ...]:
        """Look now, and return what leaks; what was told before is not told again."""
        await anyio.lowlevel.checkpoint()  # what was cancelled just now ends
        return self._look(float("inf"), again=True)

    def close(self) -> None:
        """Watch no more."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wind(self) -> None:
        if self._timer is None and any(each.told is None for each in self._watched):
            self._timer = self._clock.call_later(self._after, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._look(self._clock.monotonic())
        self._wind()

    def _look(self, until: float, *, again: bool = False) -> tuple[PluginLeaked, ...]:
        due = [each for each in self._watched if each.due <= until]
        if any(each.left() for each in due if again or each.told is None):
            gc.collect()  # classes are always in cycles; only now, since everything stands still meanwhile
        self._watched = [each for each in self._watched if each.left()]
        found = [each for each in self._watched if each in due]
        for each in found:
            each.told = each.told or self._found(each)
        return tuple(each.told for each in found if each.told is not None)

    def _found(self, watched: _Watched) -> PluginLeaked:
        try:
            holders = Holders((ref for ref, _ in watched.objects), watched.names).find()
        except Exception as error:  # objects of all kinds are looked at: some may resist
            holders = (shortened(f"unknown: looking for it failed with {described(error)}"),)
        if len(left := watched.left()) > _MOST_NAMED:
            left = [*left[:_MOST_NAMED], f"{len(left) - _MOST_NAMED} more"]
        leaked = PluginLeaked(watched.plugin_id, watched.generation, tuple(left), holders)
        logger.warning(
            "plugin %r leaks: of generation %d there is still %s; held by %s",
            leaked.id,
            leaked.generation,
            ", ".join(leaked.objects),
            "; ".join(leaked.holders) or "what cannot be found",
        )
        try:
            self._tell(leaked)
        except Exception:
            logger.exception("telling of a leak of plugin %r failed", leaked.id)
        return leaked
