"""Values as bytes and back: data, and nothing that is more than data."""

from __future__ import annotations

from typing import Any

import msgspec

from gridbus.isolation.wire.marks import decode, encode
from gridbus.isolation.wire.misfits import REFUSALS, Misfit
from gridbus.isolation.wire.plans import Plans

_MAIN = "__gridbus_main__"
_plans = Plans()  # keeps what it works out on the classes themselves


def pack(value: object, kind: Any = None) -> bytes:
    """Return a value as bytes.

    What has a declared type at the other end comes back as that, whatever subclass it was of. What has none comes back
    as plain data: scalars, tuples and sets as they were, enums as their values, objects as maps. The zone of a time
    becomes its offset from UTC.

    Args:
        value: plain data, or an object of a class with fields (attrs, dataclass, msgspec).
        kind: its declared type, where its class does not say all: ``list[A | B]``.

    Raises:
        PackingError: something in it is no data; the message ends with ``@ path``.
    """
    try:
        if kind is None:
            plan = _plans.of(value.__class__)
            write, fits = plan.write_alone, plan.plain_alone
        else:
            plan = _plans.of(kind)
            write, fits = plan.write, plan.is_plain
        if write is None or (fits is not None and fits(value)):
            return encode(value)
        return encode(write(value))
    except REFUSALS:
        return _pack_slowly(value, kind)


def _pack_slowly(value: object, kind: Any) -> bytes:
    """Pack what is rare (an integer beyond 64 bits, a map that is no dict), or say what is wrong with it, and where."""
    try:
        write = _plans.of(value.__class__).write_alone if kind is None else _plans.of(kind).write
        return encode(_plans.mark(value if write is None else write(value)))
    except REFUSALS as error:
        raise Misfit.of(error).as_error(f"a {type(value).__qualname__} cannot cross a process border") from None


def unpack(data: bytes | msgspec.Raw, type: Any) -> Any:
    """Return what ``pack`` wrote, as a type; ``object`` takes it as plain data.

    Raises:
        PackingError: it is not of that type; the message ends with ``@ path``.
    """
    try:
        plan = _plans.of(type)
        try:
            found = plan.decode(data)
        except msgspec.ValidationError:
            found = msgspec.convert(decode(data), plan.form, builtin_types=(bytes, bytearray))
        return found if plan.finish is None else plan.finish(found)
    except MemoryError:
        raise
    except Exception as error:  # classes refuse values with errors of their own
        name = getattr(type, "__qualname__", None) or str(type)
        raise Misfit.of(error).as_error(f"what came is no {name}") from None


def type_path(kind: Any) -> str | None:
    """Return ``module:qualname`` of a class; None for plain values and for what is no class."""
    if not isinstance(kind, type) or kind.__module__ == "builtins":
        return None
    module = "__main__" if kind.__module__ == _MAIN else kind.__module__
    return f"{module}:{kind.__qualname__}"
