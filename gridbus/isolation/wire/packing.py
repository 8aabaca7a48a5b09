"""Values as bytes and back: data, and nothing that is more than data."""

from __future__ import annotations

from typing import Any

import msgspec

from gridbus.errors import PackingError
from gridbus.isolation.wire.plans import Plans
from gridbus.isolation.wire.scalars import unmark

_MAIN = "__gridbus_main__"

_encode = msgspec.msgpack.Encoder().encode
_decode_any = msgspec.msgpack.Decoder(ext_hook=unmark).decode
_plans = Plans()  # worked out from classes, and gone with them


def pack(value: object) -> bytes:
    """Return a value as bytes.

    What has a declared type at the other end comes back as that; elsewhere objects come back as maps and enums as
    their values. A zone of a time becomes its offset.

    Raises:
        PackingError: something in it is no data; the message ends with ``@ path``.
    """
    try:
        write = _plans.of(type(value)).write
        return _encode(value if write is None else write(value))
    except PackingError:
        raise
    except (TypeError, ValueError, OverflowError, AttributeError, RecursionError, msgspec.MsgspecError) as error:
        name = type(value).__qualname__
        raise PackingError(f"a {name} cannot cross a process border: {error}") from None


def unpack(data: bytes | msgspec.Raw, type: Any) -> Any:
    """Return what ``pack`` wrote, as a type; ``object`` takes it as it is.

    Raises:
        PackingError: it is not of that type; the message ends with ``@ path``.
    """
    try:
        plan = _plans.of(type)
        if plan.read is None:
            return msgspec.msgpack.decode(data, type=type)
        return plan.read(_decode_any(data), "$")
    except PackingError:
        raise
    except (TypeError, ValueError, OverflowError, NameError, RecursionError, msgspec.MsgspecError) as error:
        name = getattr(type, "__qualname__", None) or repr(type)
        raise PackingError(f"what came is no {name}: {error}") from None


def type_path(kind: Any) -> str | None:
    """Return ``module:qualname`` of a class; None for plain values and for what is no class."""
    if not isinstance(kind, type) or kind.__module__ == "builtins":
        return None
    module = "__main__" if kind.__module__ == _MAIN else kind.__module__
    return f"{module}:{kind.__qualname__}"
