"""What a plugin's channels promise, as text: so that two generations of its code can be compared."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, Union, get_args, get_origin

import attrs
import msgspec

from gridbus.bus import Scope
from gridbus.channels import Channel

_GENERATION = re.compile(r"\b(gridbus_plugin_\w+?)__\d+\b")  # what import packages are named from the second one on
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_WRAPPERS = (Annotated, ClassVar, Final, typing.Required, typing.NotRequired)  # what they wrap is what counts
_LONGEST = 200  # characters of what is told of one difference
_DEEPEST = 24  # generics that nest themselves in themselves never end


def contract_of(channels: Iterable[Channel[Any, Any]], streams: Collection[str] = ()) -> dict[str, str]:
    """Return by channel a text of what it takes and replies with; equal for unchanged code of two generations.

    To be called while the modules that define the types are loaded: annotations are looked up in them. What is not
    found there stands as it was written. Channels that know their types by name only are described by these names.

    Args:
        channels: that are served.
        streams: names of those that reply with streams.
    """
    hints: dict[type[Any], dict[str, Any]] = {}  # looking them up takes longest
    return {
        channel.name: json.dumps(
            {
                "takes": _side(channel.message_type, getattr(channel, "message_name", None), hints),
                "replies": _side(channel.reply_type, getattr(channel, "reply_name", None), hints),
                "is_stream": channel.name in streams,
            },
            ensure_ascii=False,
        )
        for channel in channels
    }


def contract_of_scope(scope: Scope) -> dict[str, str]:
    """Return ``contract_of`` for the channels that are served through a scope."""
    servers = scope.servers
    streams = [server.channel.name for server in servers if server.is_stream]
    return contract_of((server.channel for server in servers), streams)


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """Return what those who use the channels of ``old`` cannot rely on in ``new``, for people to read.

    Nobody relies on a channel that is newly served. Messages may gain fields that can be left out and values of enums;
    replies may gain fields, and lose values of enums.
    """
    found: list[str] = []
    for channel, before in old.items():
        if channel not in new:
            found.append(f"{channel} is no longer served")
            continue
        was, now = json.loads(before), json.loads(new[channel])
        if was["is_stream"] != now["is_stream"]:
            ways = ("one reply", "a stream")
            now_so, before_so = ways[now["is_stream"]], ways[was["is_stream"]]
            found.append(f"{channel} replies with {now_so} now, no longer with {before_so}")
        found += _changes(f"{channel} takes", was["takes"], now["takes"], is_message=True)
        found += _changes(f"{channel} replies with", was["replies"], now["replies"], is_message=False)
    return tuple(found)


def _changes(start: str, old: dict[str, Any], new: dict[str, Any], *, is_message: bool) -> list[str]:
    """Return how one side of a channel changed: its type, or else what the names in that stand for."""
    if old["type"] != new["type"]:
        was, now = _expanded(old), _expanded(new)
        if was == now:  # they differ in where they are from
            was, now = _expanded(old, _full), _expanded(new, _full)
        return [_shortened(f"{start} {now}, not {was}")]
    found, gone = [], []
    for name, was in old["types"].items():
        now = new["types"].get(name)
        if now is None:
            gone.append(name)
        elif not _fits(was, now, is_message=is_message):
            where = "" if name == new["type"] else f" in {_brief(new['type'])}"
            found.append(_told(start, name, was, now, where))
    if not found and not new["by_name"]:  # then nothing else explains why it is not reached any more
        found += [
            _shortened(f"{start} {_brief(name)}, not {_defined(_brief(name), old['types'][name])}") for name in gone
        ]
    return found


def _fits(old: dict[str, Any], new: dict[str, Any], *, is_message: bool) -> bool:
    """Tell whether those who know a type as it was can do with it as it is."""
    if old["kind"] != new["kind"]:
        return False
    if old["kind"] == "alias":
        return bool(old["type"] == new["type"])
    if old["kind"] == "enum":
        less, more = (old, new) if is_message else (new, old)
        return all(more["values"].get(key) == value for key, value in less["values"].items())
    was, now = ({name: (kind, optional) for name, kind, optional in side["fields"]} for side in (old, new))
    names = [name for name, _, _ in new["fields"]]
    if old["kind"] in ("tuple", "array") and [name for name, _, _ in old["fields"]] != names[: len(was)]:
        return False
    if old["kind"] == "tuple" and not is_message and len(names) != len(was):
        return False  # it may be unpacked
    for name, (kind, optional) in was.items():
        if name not in now or now[name][0] != kind:
            return False
        if is_message and optional and not now[name][1]:
            return False
        if not is_message and old["kind"] == "dict" and now[name][1] and not optional:
            return False  # the key may be missing
    return not is_message or all(name in was or optional for name, (_, optional) in now.items())


def _told(start: str, name: str, old: dict[str, Any], new: dict[str, Any], where: str) -> str:
    was, now = (_defined(_brief(name), side) for side in (old, new))
    if was == now and old["kind"] != new["kind"]:
        was, now = f"{was} as {old['kind']}", f"{now} as {new['kind']}"
    elif was == now:  # types of the same name are from elsewhere
        was, now = (_defined(_full(name), side, _full) for side in (old, new))
    text = f"{start} {now}{where}, not {was}"
    if len(text) <= _LONGEST or "fields" not in old or "fields" not in new:
        return _shortened(text)
    common = [field for field in old["fields"] if field in new["fields"]]
    was, now = (_defined(_brief(name), side, without=common) for side in (old, new))
    return _shortened(f"{start} {now}{where}, not {was}")


def _brief(text: str) -> str:
    return re.sub(r"(?:[\w<>]+\.)+(?=\w)", "", text)


def _full(text: str) -> str:
    return re.sub(r"\bgridbus_plugin_\w+\.", "", text)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _expanded(side: dict[str, Any], shown: Callable[[str], str] = _brief) -> str:
    """Return the type of one side, with its fields if it has any."""
    name = shown(side["type"])
    return _defined(name, side["types"][side["type"]], shown) if side["type"] in side["types"] else name


def _defined(
    name: str, what: dict[str, Any], shown: Callable[[str], str] = _brief, without: Collection[Any] = ()
) -> str:
    if what["kind"] == "alias":
        return f"{name} = {shown(what['type'])}"
    if what["kind"] == "enum":
        return f"{name}({', '.join(f'{key} = {value}' for key, value in what['values'].items())})"
    parts = [
        f"{field}: {shown(kind)}{' = ...' if optional else ''}"
        for field, kind, optional in what["fields"]
        if [field, kind, optional] not in without
    ]
    return f"{name}({', '.join(['...', *parts] if without else parts)})"


def _side(annotation: Any, name: str | None, hints: dict[type[Any], dict[str, Any]]) -> dict[str, Any]:
    if name is not None:
        return {"type": re.sub(r"(?<=\w):(?=\w)", ".", _as_text(name)), "types": {}, "by_name": True}
    describer = _Describer(hints)
    text = describer.text(annotation)
    return {"type": text, "types": describer.types, "by_name": False}


class _Describer:
    """Writes types as expressions, and in ``types`` what the names in them stand for."""

    def __init__(self, hints: dict[type[Any], dict[str, Any]]) -> None:
        self._hints = hints
        self.types: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, Any] = {}
        self._depth = 0

    def text(self, annotation: Any, given: Mapping[Any, str] = types.MappingProxyType({})) -> str:
        """Return a type as an expression.

        Args:
            annotation: the type.
            given: what type variables stand for.
        """
        origin, args = get_origin(annotation), get_args(annotation)
        if annotation is None or annotation is type(None):
            return "None"
        if isinstance(annotation, str | typing.ForwardRef):
            return _written(annotation if isinstance(annotation, str) else annotation.__forward_arg__)
        if isinstance(annotation, TypeVar):
            return given.get(annotation, annotation.__name__)
        if isinstance(annotation, list | tuple):  # parameters of callables
            return f"[{', '.join(self.text(part, given) for part in annotation)}]"
        if origin in _WRAPPERS:
            return self.text(args[0], given)
        if origin is Literal:
            return f"Literal[{', '.join(sorted(_value(value) for value in args))}]"
        if origin in (Union, types.UnionType):
            parts = {self.text(part, given) for part in args}
            return " | ".join(sorted(parts, key=lambda part: (part == "None", part)))
        shown = [self.text(part, given) for part in args]
        suffix = f"[{', '.join(shown)}]" if args or origin is tuple else ""
        named = annotation if origin is None else origin
        if not isinstance(named, type) and not hasattr(named, "__supertype__") and not hasattr(named, "__value__"):
            return "..." if named is ... else _as_text(repr(named)).removeprefix("typing.")
        return self._named(named, suffix, dict(zip(getattr(named, "__parameters__", ()), shown, strict=False)))

    def _named(self, kind: Any, suffix: str, given: Mapping[Any, str]) -> str:
        module = getattr(kind, "__module__", "builtins")
        qualname = getattr(kind, "__qualname__", None) or kind.__name__
        name = _as_text(qualname if module == "builtins" else f"{module}.{qualname}") + suffix
        while self._owners.setdefault(name, kind) is not kind:
            name += "'"  # another class of the same name
        if name in self.types or self._depth >= _DEEPEST:
            return name
        self._depth += 1
        self.types[name] = {}  # so that a type that holds itself is described once
        found = self._structure(kind, given)
        if found is None:
            del self.types[name]
        else:
            self.types[name] = found
        self._depth -= 1
        return name

    def _structure(self, kind: Any, given: Mapping[Any, str]) -> dict[str, Any] | None:
        if not isinstance(kind, type):
            alias = kind.__supertype__ if hasattr(kind, "__supertype__") else kind.__value__
            return {"kind": "alias", "type": self.text(alias, given)}
        if issubclass(kind, enum.Enum):
            return {"kind": "enum", "values": {name: _value(member.value) for name, member in kind.__members__.items()}}
        shape = _shape(kind)
        if shape is None:
            return None
        if kind not in self._hints:
            self._hints[kind] = _hints(kind)
        known, given = self._hints[kind], self._inherited(kind, given)
        fields = [
            [name, self.text(known.get(name, declared), given), _is_optional(known.get(name), has_default)]
            for name, declared, has_default in _fields(kind, shape)
        ]
        return {"kind": shape, "fields": fields if shape in ("tuple", "array") else sorted(fields)}

    def _inherited(self, kind: type[Any], given: Mapping[Any, str]) -> Mapping[Any, str]:
        """Return what type variables stand for in a class and its bases."""
        found = dict(given)
        for owner in kind.__mro__:
            for base in vars(owner).get("__orig_bases__", ()):
                for parameter, part in zip(
                    getattr(get_origin(base), "__parameters__", ()), get_args(base), strict=False
                ):
                    found.setdefault(parameter, self.text(part, found))
        return found


def _shape(kind: type[Any]) -> str | None:
    """Return how values of a class hold their fields; None where it declares none."""
    if typing.is_typeddict(kind):
        return "dict"
    if issubclass(kind, tuple):
        return "tuple" if hasattr(kind, "_fields") else None
    if issubclass(kind, msgspec.Struct):
        return "array" if kind.__struct_config__.array_like else "object"
    return "object" if attrs.has(kind) or dataclasses.is_dataclass(kind) else None


def _fields(kind: Any, shape: str) -> Iterator[tuple[str, Any, bool]]:
    """Yield name, declared type and whether it may be left out."""
    if shape == "dict":
        yield from ((name, Any, name in kind.__optional_keys__) for name in inspect.get_annotations(kind))
    elif shape == "tuple":
        yield from ((name, Any, name in getattr(kind, "_field_defaults", ())) for name in kind._fields)
    elif issubclass(kind, msgspec.Struct):
        defaults = kind.__struct_defaults__
        first = len(kind.__struct_fields__) - len(defaults)
        for place, name in enumerate(kind.__struct_fields__):
            yield name, Any, place >= first and defaults[place - first] is not msgspec.NODEFAULT
    elif attrs.has(kind):
        for field in attrs.fields(kind):
            yield (
                field.name,
                Any if field.type is None else field.type,
                field.default is not attrs.NOTHING or not field.init,
            )
    else:
        for each in dataclasses.fields(kind):
            made = each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
            yield each.name, each.type, made or not each.init


def _is_optional(hint: Any, has_default: bool) -> bool:
    """Return what a key of a TypedDict says of itself; it is not told elsewhere where annotations are texts."""
    origin = get_origin(hint)
    return origin is typing.NotRequired or (has_default and origin is not typing.Required)


def _hints(kind: type[Any]) -> dict[str, Any]:
    """Return the annotations of a class and its bases; as text what cannot be resolved."""
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # evaluating annotations runs code: anything can come of it
        found: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            for name, written in inspect.get_annotations(base).items():
                found[name] = _resolved(base, name, written)
        return found


def _resolved(base: type[Any], name: str, written: Any) -> Any:
    module = sys.modules.get(base.__module__)
    alone = types.SimpleNamespace(__annotations__={name: written})
    known = {**vars(base), base.__name__: base}
    try:
        return typing.get_type_hints(alone, vars(module) if module else {}, known, include_extras=True)[name]
    except Exception:
        return written


def _as_text(name: str) -> str:
    """Return a name without what differs from one generation to the next."""
    return _ADDRESS.sub("", _GENERATION.sub(r"\1", name))


def _written(annotation: str) -> str:
    try:
        return _as_text(ast.unparse(ast.parse(annotation.strip(), mode="eval")))
    except SyntaxError:
        return _as_text(annotation)


def _value(value: object) -> str:
    if isinstance(value, enum.Enum):
        return _as_text(f"{type(value).__module__}.{type(value).__qualname__}.{value.name}")
    return _as_text(repr(value))
