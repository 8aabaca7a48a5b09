"""Plain data to typed objects: strict, with every problem listed as ``message @ $.path``."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from gridbus.errors import ConfigError

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


def structure(data: Any, cls: type[T], *, what: str) -> T:
    """Read plain data (from TOML, JSON, a call) as ``cls``, an attrs class or any type made of such.

    Nothing is coerced but an int to a float: "5" is no int and 1 no bool. Enums are written by value, dates and
    datetimes as ISO texts, bytes in base64. What already is of the type that its place takes is left as it is. Where a
    place takes a text or a date (as a cell does), a text stays a text.

    Args:
        data: what was read.
        cls: the type to return.
        what: names the data in the error, as in ``config of 'audit-log'``.

    Raises:
        ConfigError: something is unknown, missing or of a wrong type; all problems are listed.
    """
    from gridbus.codec.problems import problems_in

    # What a converter learns about a class keeps that class alive. The classes of gridbus stay anyway; those of a
    # plugin must go when the plugin goes, so they get a converter of their own, which costs a millisecond.
    stays = getattr(cls, "__module__", "").partition(".")[0] == "gridbus"
    converter = _lasting_converter() if stays else _new_converter()
    try:
        return converter.structure(data, cls)
    except Exception as error:  # validators and converters of foreign classes raise what they like
        problems = list(problems_in(error, "$"))
    raise ConfigError(what, problems)


def _new_converter() -> Converter:
    from cattrs import Converter  # 10 ms to import, and most programs start without it

    from gridbus.codec import containers, scalars, unions

    converter = Converter(forbid_extra_keys=True, prefer_attrib_converters=True)
    for kind in scalars.READERS:
        converter.register_structure_hook(kind, scalars.read_scalar)
    converter.register_structure_hook(type(None), scalars.read_null)
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    for handles, make in (*containers.FACTORIES, *scalars.FACTORIES, *unions.FACTORIES):
        converter.register_structure_hook_factory(handles, partial(make, converter))
    return converter


_lasting_converter = cache(_new_converter)
