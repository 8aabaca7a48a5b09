"""Classes with fields, of whatever library: what fields they have, and how an object is made of them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec

from gridbus.isolation.wire.misfits import Misfit

_HASH = "_attrs_cached_hash"  # where attrs keeps the hash of an object, if it is told to


@attrs.frozen
class Field:
    """One field of a class."""

    name: str
    hint: Any
    default: Callable[[], Any] | None  #: makes the value where none came; None where one is needed


@attrs.frozen
class Shape:
    """The fields of a class."""

    kind: type[Any]
    fields: tuple[Field, ...]
    is_native: bool  #: msgspec writes and reads all fields, by their names
    make: Callable[..., Any]  #: an object of the values of all fields, in their order; ``UNSET`` where there is none


def has_fields(kind: Any) -> bool:
    """Tell whether objects of a class are known by their fields."""
    return isinstance(kind, type) and (
        attrs.has(kind) or issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)
    )


def shape_of(kind: type[Any], arguments: Mapping[Any, Any]) -> Shape:
    """Return the shape of a class; type variables are replaced by ``arguments``.

    Raises:
        Misfit: an annotation names what is not there at run time.
    """
    if attrs.has(kind):
        return _of_attrs(kind, arguments)
    if issubclass(kind, msgspec.Struct):
        return _of_struct(kind, arguments)
    return _of_dataclass(kind, arguments)


def hints_of(kind: Any) -> dict[str, Any]:
    """Return the annotations of a class, resolved.

    Raises:
        Misfit: one names what is not there at run time.
    """
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        name = getattr(kind, "__qualname__", kind)
        raise Misfit(
            f"an annotation of {name} cannot be resolved ({error}): import what it names in its module, at run time"
        ) from None


def names_of(kind: type[Any]) -> tuple[str, ...] | None:
    """Return the names of a class's fields; None where it has none that are known."""
    if attrs.has(kind):
        return tuple(field.name for field in attrs.fields(kind))
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return None


def substitute(hint: Any, arguments: Mapping[Any, Any]) -> Any:
    """Return an annotation with its type variables replaced; those that are not known stand for anything."""
    if isinstance(hint, typing.TypeVar):
        return arguments.get(hint, Any if hint.__bound__ is None else hint.__bound__)
    variables = getattr(hint, "__parameters__", ())
    if not variables or isinstance(hint, type):
        return hint
    return hint[tuple(substitute(variable, arguments) for variable in variables)]


def _of_attrs(kind: type[Any], arguments: Mapping[Any, Any]) -> Shape:
    hints = hints_of(kind)
    found = attrs.fields(kind)
    fields = tuple(
        Field(field.name, substitute(hints.get(field.name, Any), arguments), _attrs_default(kind, field))
        for field in found
    )
    code = getattr(kind.__init__, "__code__", None)
    is_usual = code is not None and code.co_filename.startswith("<attrs generated")
    by_position = is_usual and not any(field.kw_only or not field.init or field.converter for field in found)
    keeps_hash = _HASH in getattr(getattr(kind.__hash__, "__code__", None), "co_names", ())
    is_native = not keeps_hash and not any(field.name.startswith("_") for field in found)
    if by_position and not any(field.default for field in fields):
        return Shape(kind, fields, is_native, kind)
    kept = {_HASH: None} if keeps_hash else {}
    return Shape(kind, fields, is_native, _assembler(kind, fields, "__attrs_post_init__", attrs.validate, kept))


def _attrs_default(kind: type[Any], field: Any) -> Callable[[], Any] | None:
    default = field.default
    if default is attrs.NOTHING:
        return None if field.init else lambda: msgspec.UNSET
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return lambda: default
    if not default.takes_self:
        return default.factory  # type: ignore[no-any-return]

    def refuse() -> Any:
        raise Misfit(f"{kind.__qualname__} needs {field.name}: its default is made of the other fields")

    return refuse


def _of_struct(kind: type[msgspec.Struct], arguments: Mapping[Any, Any]) -> Shape:
    hints = hints_of(kind)
    known = msgspec.structs.fields(kind)
    fields = tuple(
        Field(field.name, substitute(hints.get(field.name, Any), arguments), _struct_default(field)) for field in known
    )
    names = [field.name for field in fields]
    config = kind.__struct_config__
    is_native = not config.array_like and config.tag is None and kind.__struct_encode_fields__ == kind.__struct_fields__

    def make(*values: Any) -> Any:
        return kind(**{name: value for name, value in zip(names, values, strict=True) if value is not msgspec.UNSET})

    return Shape(kind, fields, is_native, make)


def _struct_default(field: msgspec.structs.FieldInfo) -> Callable[[], Any] | None:
    return None if field.required else lambda: msgspec.UNSET


def _of_dataclass(kind: type[Any], arguments: Mapping[Any, Any]) -> Shape:
    hints = hints_of(kind)
    fields = tuple(
        Field(field.name, substitute(hints.get(field.name, Any), arguments), _dataclass_default(field))
        for field in dataclasses.fields(kind)
    )
    return Shape(kind, fields, True, _assembler(kind, fields, "__post_init__", None, {}))


def _dataclass_default(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default is not dataclasses.MISSING:
        return lambda: field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return None if field.init else lambda: msgspec.UNSET


def _assembler(
    kind: type[Any], fields: tuple[Field, ...], then: str, check: Callable[[Any], object] | None, kept: dict[str, Any]
) -> Callable[..., Any]:
    """Return what makes objects as msgspec does: fields are set as they are, and no converter sees them twice."""
    put = object.__setattr__
    new: Any = kind.__new__

    def make(*values: Any) -> Any:
        made = new(kind)
        for field, value in zip(fields, values, strict=True):
            if value is msgspec.UNSET and field.default is not None:
                value = field.default()
            if value is not msgspec.UNSET:
                put(made, field.name, value)
        for name, value in kept.items():
            put(made, name, value)
        if check is not None:
            check(made)
        if hasattr(made, then):
            getattr(made, then)()
        return made

    return make
